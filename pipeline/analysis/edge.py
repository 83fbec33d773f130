"""Best learning rates on the border of their range: the optimum may lie beyond."""

import numpy as np
import pandas as pd

from pipeline.analysis.best import PER_BATCH_SIZE, best_row, groups
from pipeline.analysis.grid import Grid

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
