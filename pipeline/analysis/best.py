"""The best cell of each optimizer, or of each optimizer and batch size; and those on the border of their range."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.bootstrap import bootstrap_medians, percentile_interval, seed_draws
from pipeline.analysis.grid import Array, Grid
from pipeline.lab.language import mark

PER_OPTIMIZER = ("optimizer",)
PER_BATCH_SIZE = ("optimizer", "batch_size")


def groups(grid: Grid, by: Sequence[str]) -> list[NDArray[np.intp]]:
    """Positions of the cells that agree on some columns, in the order in which they first occur."""
    found = grid.cells.groupby(list(by), sort=False).indices
    return sorted((np.sort(rows) for rows in found.values()), key=lambda rows: int(rows[0]))


def best_row(medians: Array, rows: NDArray[np.intp]) -> int | None:
    """Position of the cell with the lowest median; the earliest one of equals, None where all are infinite."""
    best = int(rows[np.argmin(medians[rows])])
    return best if np.isfinite(medians[best]) else None


def best_cells(grid: Grid, by: Sequence[str] = PER_OPTIMIZER) -> pd.DataFrame:
    """Find the cell with the lowest median final loss in each group.

    Parameters
    ----------
    grid : Grid
        The study.
    by : sequence of str
        Columns of the cells.

    Returns
    -------
    DataFrame
        One row per group, in the order of the table: the columns ``by``, ``row`` (position of the cell;
        -1 where no median is finite), ``batch_size``, ``lr``, ``median``, ``low`` and ``high`` (95 %
        bootstrap interval of the median over seeds), ``held_out``.

    Notes
    -----
    The best of many noisy cells looks better than it is. ``held_out`` is free of that: for each seed
    the cell is chosen by the median over the *other* seeds, and its loss at that seed is taken; the
    column is the median of those. It is missing where there are fewer than three seeds.
    """
    medians = grid.medians
    chosen = groups(grid, by)
    best = [best_row(medians, rows) for rows in chosen]
    low, high = percentile_interval(
        bootstrap_medians(grid.losses[[row for row in best if row is not None]], seed_draws(len(grid.seeds)))
    )
    limits = iter(zip(low, high, strict=True))
    table = []
    for rows, row in zip(chosen, best, strict=True):
        cell = grid.cells.iloc[int(rows[0]) if row is None else row]
        line: dict[str, object] = {name: cell[name] for name in by}
        if row is None:
            line |= {"row": -1, "batch_size": cell["batch_size"], "lr": np.nan}
            line |= {"median": np.inf, "low": np.inf, "high": np.inf, "held_out": np.inf}
        else:
            line |= {"row": row, "batch_size": cell["batch_size"], "lr": cell["lr"], "median": medians[row]}
            line |= dict(zip(("low", "high"), next(limits), strict=True))
            line |= {"held_out": held_out(grid.losses[rows])}
        table.append(line)
    return pd.DataFrame(table)


def held_out(losses: Array) -> float:
    """Median over seeds of the loss of the cell that the other seeds choose.

    Parameters
    ----------
    losses : ndarray, shape (n, s)
        The candidates.

    Returns
    -------
    float
        NaN below three seeds.
    """
    seeds = losses.shape[1]
    if seeds < 3:
        return float("nan")
    scores = []
    for seed in range(seeds):
        others = np.median(np.delete(losses, seed, axis=1), axis=1)
        scores.append(losses[int(np.argmin(others)), seed])
    return float(np.median(scores))


#: Seeds that are too few to part: one that measured alone would say little, and so many rank nothing.
MOST_UNPARTED = 3
#: What is said of more seeds, and of so few; looked up.
PARTING = (
    mark("Every second seed chooses the cell, the others measure it."),
    mark("The same seeds choose the cell and measure it, which flatters it: they are too few to part."),
)


def halves(seeds: int) -> tuple[slice, slice]:
    """Every second seed, to choose by, and the others, to measure what they chose; three or fewer do both."""
    return (slice(0, None, 2), slice(1, None, 2)) if seeds > MOST_UNPARTED else (slice(None), slice(None))


COLUMNS = ("optimizer", "batch_size", "side", "best_lr")


def edges(grid: Grid) -> pd.DataFrame:
    """Find the optimizers and batch sizes whose best learning rate is the lowest or highest one tried.

    The best rate is that of the lowest median final loss. Where every rate diverged for half of the
    seeds or more, the whole range is too high: the side is ``low`` and ``best_lr`` is NaN. A range of a
    single rate has no border.

    Parameters
    ----------
    grid : Grid
        The study.

    Returns
    -------
    DataFrame
        ``optimizer``, ``batch_size``, ``side`` (``low`` or ``high``), ``best_lr``.
    """
    medians, lrs = grid.medians, grid.cells["lr"].to_numpy(dtype=float)
    found = []
    for rows in groups(grid, PER_BATCH_SIZE):
        own, best = lrs[rows], best_row(medians, rows)
        first = grid.cells.iloc[int(rows[0])]
        if np.unique(own).size < 2:
            continue
        if best is None:
            side = "low" if grid.cells["diverged"].iloc[rows].sum() else None
        else:
            side = {own.min(): "low", own.max(): "high"}.get(lrs[best])
        if side is not None:
            rate = np.nan if best is None else lrs[best]
            found.append((str(first["optimizer"]), int(first["batch_size"]), side, rate))
    return pd.DataFrame(found, columns=list(COLUMNS))
