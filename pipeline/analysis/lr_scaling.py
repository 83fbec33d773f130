r"""Growth of the best learning rate with the batch size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.best import best_row
from pipeline.analysis.bootstrap import bootstrap_medians, percentile_interval, seed_draws
from pipeline.analysis.grid import Array, Grid

#: A run of fewer updates asks for the rate that gets farthest in a few steps, which is another question.
LEAST_STEPS = 10


@dataclass(frozen=True, eq=False)
class LrScaling:
    """Best learning rates of one optimizer.

    Parameters
    ----------
    optimizer : str
        Its name.
    batch_sizes : ndarray, shape (m,)
        Ascending, without those whose runs all diverged.
    lrs, low, high : ndarray, shape (m,)
        Best rates and their 95 % bootstrap intervals.
    fitted : ndarray of bool, shape (m,)
        Which of them the slope is fitted to: those whose runs take at least :data:`LEAST_STEPS` updates.
    slope, slope_low, slope_high : float
        Exponent of lr against batch size and its 95 % bootstrap interval; NaN below three points.
    intercept : float
        log2 of the fitted rate at a batch size of one.
    """

    optimizer: str
    batch_sizes: Array
    lrs: Array
    low: Array
    high: Array
    fitted: NDArray[np.bool_]
    slope: float
    slope_low: float
    slope_high: float
    intercept: float


def lr_scaling(grid: Grid) -> list[LrScaling]:
    r"""Fit :math:`\log_2 \eta^*(b) = a + s \log_2 b` to the best rates of each optimizer.

    The best rate has the lowest median final loss. A slope of 1 is the linear rule (Goyal et al., 2017),
    1/2 the square-root rule (Krizhevsky, 2014; Malladi et al., 2022, for adaptive methods). For the
    intervals the seeds are resampled, the best rates chosen again and the line fitted again, so they
    hold the uncertainty of the choice. Rates come from a grid: differences below its spacing mean
    nothing, and where no resample chooses another rate an interval has no width.

    Parameters
    ----------
    grid : Grid
        The study.

    Returns
    -------
    list of LrScaling
        One per optimizer.
    """
    draws = seed_draws(len(grid.seeds))
    return [_of_optimizer(grid, name, draws) for name in grid.optimizers]


def _of_optimizer(grid: Grid, optimizer: str, draws: NDArray[np.intp]) -> LrScaling:
    batch_sizes, rates, redrawn, kept = best_rates(grid, grid.rows(optimizer), draws)
    low, high = percentile_interval(redrawn) if len(rates) else (rates, rates)
    slope, intercept = fit_line(np.log2(batch_sizes[kept]), np.log2(rates[kept]))
    slopes, _ = fit_line(np.log2(batch_sizes[kept]), np.log2(redrawn[kept]))
    slope_low, slope_high = percentile_interval(np.atleast_1d(slopes))
    limits = (float(slope_low), float(slope_high))
    return LrScaling(optimizer, batch_sizes, rates, low, high, kept, float(slope), *limits, float(intercept))


def best_rates(
    grid: Grid, own: NDArray[np.intp], draws: NDArray[np.intp]
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Find the best rates of some cells, and those of resampled seeds.

    Parameters
    ----------
    grid : Grid
        The study.
    own : ndarray
        Positions of the cells.
    draws : ndarray, shape (r, s)
        As of :func:`pipeline.analysis.bootstrap.seed_draws`.

    Returns
    -------
    batch_sizes, lrs : ndarray, shape (m,)
        Ascending, without those whose runs all diverged, and the best rates.
    redrawn : ndarray, shape (m, r)
        The best rates of the resampled seeds.
    fitted : ndarray of bool, shape (m,)
        Which of the runs take at least :data:`LEAST_STEPS` updates.
    """
    cells, medians = grid.cells.iloc[own], grid.medians
    lrs, steps = (grid.cells[name].to_numpy(dtype=float) for name in ("lr", "steps"))
    found = []
    for b, places in sorted(cells.groupby("batch_size").indices.items()):
        rows = own[places]
        if (row := best_row(medians, rows)) is not None:
            resampled = lrs[rows[np.argmin(bootstrap_medians(grid.losses[rows], draws), axis=0)]]
            found.append((b, lrs[row], resampled, steps[rows].max() >= LEAST_STEPS))
    sizes, best, chosen, fitted = zip(*found, strict=True) if found else ((), (), (), ())
    redrawn = np.reshape(chosen, (len(sizes), len(draws)))
    return np.array(sizes, dtype=float), np.array(best), redrawn, np.array(fitted, dtype=bool)


def fit_line(x: Array, y: Array) -> tuple[Array, Array]:
    """Least squares lines through the same x.

    Parameters
    ----------
    x : ndarray, shape (m,)
        Where.
    y : ndarray, shape (m,) or (m, r)
        What; a line for each column.

    Returns
    -------
    slope, intercept : ndarray, shape () or (r,)
        NaN below three points.
    """
    if len(x) < 3:
        gap = np.full(y.shape[1:], np.nan)
        return gap, gap
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    return slope, y.mean(axis=0) - slope * x.mean()
