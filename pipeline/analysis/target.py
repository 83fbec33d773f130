"""Target losses, fixed beforehand, the cost of each run until it reaches one, and that cost against the batch size."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.analysis.best import PER_BATCH_SIZE, best_row, groups
from pipeline.analysis.bootstrap import median_interval
from pipeline.analysis.costs import costs
from pipeline.analysis.grid import Array, Grid

#: Whose best cell sets the target, and how far above it the target lies, as a share of that loss.
REFERENCE = "sgd"
SLACK = 0.01


@dataclass(frozen=True)
class Target:
    """A loss, and the cell that it was derived from.

    Parameters
    ----------
    loss : float
        The target; NaN where the reference has no cell with a finite median.
    reference : str
        The optimizer; empty where the study states the loss itself.
    row : int
        Position of its best cell, -1 if there is none.
    best : float
        That cell's median final loss.
    """

    loss: float
    reference: str
    row: int
    best: float


@dataclass(frozen=True, eq=False)
class Hits:
    """Cost of the runs of a grid until the loss is at the target.

    Parameters
    ----------
    steps, examples : ndarray, shape (n, s)
        Infinite where a run never gets there, diverged or failed.
    """

    steps: Array
    examples: Array


def target_loss(grid: Grid, reference: str = REFERENCE, slack: float = SLACK) -> Target:
    """Fix the target: the median final loss of the reference's best cell, plus one per cent *of that loss*.

    The best cell is the one with the lowest median over seeds. The rule and the reference are set before
    any other optimizer is looked at, and a median of seeds keeps a lucky run from setting a target that
    nobody meets again (Dahl et al., 2023, Benchmarking Neural Network Training Algorithms, section 4).

    Parameters
    ----------
    grid : Grid
        The study.
    reference : str
        The update rule whose first series sets the target; the study's first series where it lacks the rule.
    slack : float
        How far above, relative.

    Returns
    -------
    Target
    """
    own = grid.cells.loc[grid.cells["rule"] == reference, "optimizer"]
    reference = str(own.iloc[0]) if len(own) else grid.optimizers[0]
    row = best_row(grid.medians, grid.rows(reference))
    if row is None:
        return Target(float("nan"), reference, -1, float("inf"))
    best = float(grid.medians[row])
    return Target(best * (1 + slack), reference, row, best)


def stated_target(grid: Grid, loss: float) -> Target:
    """Take a loss that was stated beforehand; ``row`` and ``best`` are those of the study's best cell."""
    row = best_row(grid.medians, np.arange(len(grid.medians)))
    return Target(loss, "", -1 if row is None else row, float("inf") if row is None else float(grid.medians[row]))


def hits_of(grid: Grid, curves: pd.DataFrame, target: float) -> Hits:
    """Find what each run costs until its loss is at the target, between readings too.

    Parameters
    ----------
    grid : Grid
        The study.
    curves : DataFrame
        Its readings, as of :data:`pipeline.lab.tables.CURVES`.
    target : float
        The loss.

    Returns
    -------
    Hits
        See :func:`pipeline.analysis.costs.costs`.
    """
    found = costs(curves, "loss", target)
    cell = pd.Index(grid.cells["cell_id"].astype(str)).get_indexer(pd.Index(found["cell_id"]))
    seed = pd.Index(grid.seeds).get_indexer(pd.Index(found["seed"]))
    known = (cell >= 0) & (seed >= 0)
    hits = np.full((2, *grid.losses.shape), np.inf)
    hits[:, cell[known], seed[known]] = found.loc[known, ["steps", "examples"]].T
    return Hits(*hits)


def scaling(grid: Grid, hits: Hits) -> pd.DataFrame:
    r"""Find, for each optimizer and batch size, the learning rate that is first at the target.

    The rate is tuned for each batch size, and for the steps to the target, because a rate tuned for one
    batch size would make every other look worse (Shallue et al., 2019, Measuring the Effects of Data
    Parallelism, JMLR 20). Perfect scaling is :math:`\mathrm{steps}(b) \propto 1/b`: the same examples.

    Parameters
    ----------
    grid : Grid
        The study.
    hits : Hits
        Costs of its runs.

    Returns
    -------
    DataFrame
        One row per optimizer and batch size: ``optimizer``, ``batch_size``, ``row``, ``lr``, then
        ``steps`` and ``examples`` (medians over seeds, infinite where half of the seeds or more miss the
        target), with ``steps_low``, ``steps_high``, ``examples_low``, ``examples_high`` (95 %
        order-statistic intervals, open upwards where seeds miss), and ``arrived`` (the share of seeds).
        Equal medians are told apart by the share that arrives, then by the median final loss.
    """
    medians, final = np.median(hits.steps, axis=1), grid.medians
    arrived = np.isfinite(hits.steps).mean(axis=1)
    limits = {name: median_interval(getattr(hits, name)) for name in ("steps", "examples")}
    table = []
    for rows in groups(grid, PER_BATCH_SIZE):
        row = int(rows[np.lexsort((final[rows], -arrived[rows], medians[rows]))[0]])
        cell = grid.cells.iloc[row]
        line = {"optimizer": str(cell["optimizer"]), "batch_size": int(cell["batch_size"]), "row": row}
        line |= {"lr": float(cell["lr"]), "arrived": float(arrived[row])}
        for name, (low, high) in limits.items():
            line |= {name: float(np.median(getattr(hits, name)[row]))}
            line |= {f"{name}_low": float(low[row]), f"{name}_high": float(high[row])}
        table.append(line)
    return pd.DataFrame(table)


def cheapest(table: pd.DataFrame, cost: str) -> pd.DataFrame:
    """Keep, for each optimizer, the batch size that reaches the target for the least.

    Parameters
    ----------
    table : DataFrame
        As of :func:`scaling`.
    cost : str
        The column to compare, ``steps``, ``examples`` or ``seconds``.

    Returns
    -------
    DataFrame
        One row per optimizer, in the order of the table; infinite where it never gets there.
    """
    order = table.assign(_position=np.arange(len(table))).sort_values([cost, "_position"], na_position="last")
    kept = order.drop_duplicates("optimizer").set_index("optimizer")
    return kept.loc[table["optimizer"].unique()].drop(columns="_position").reset_index()
