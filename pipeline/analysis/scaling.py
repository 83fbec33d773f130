"""Steps to the target against the batch size, the learning rate tuned anew for each."""

import numpy as np
import pandas as pd

from pipeline.analysis.best import PER_BATCH_SIZE, groups
from pipeline.analysis.bootstrap import median_interval
from pipeline.analysis.grid import Grid
from pipeline.analysis.target import Hits


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
