r"""Confidence intervals for a median over a few seeds.

Two intervals. The bootstrap (Efron, 1979; percentiles) redraws the seeds with replacement, and by the
same draw for all cells, because a seed gives every cell the same initial weights and example order; so
differences between cells keep their pairing. The order-statistic interval needs no resampling and takes
infinite values as they are: with :math:`N \sim \mathrm{Bin}(n, 1/2)` values below the true median,

.. math:: P\big(x_{(r)} \le m \le x_{(n+1-r)}\big) \ge 1 - 2\,P(N \le r - 1)

whatever the distribution (David, Nagaraja, 2003, Order Statistics, section 7.1).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Array = NDArray[np.float64]

#: Resamples of the seeds. The limits of a 95 % interval are then known to about half a per cent of coverage.
RESAMPLES = 1000
LEVEL = 0.95


def seed_draws(seeds: int, resamples: int = RESAMPLES, entropy: int = 0) -> NDArray[np.intp]:
    """Draw seeds with replacement, always the same draws for the same arguments.

    Returns
    -------
    ndarray, shape (resamples, seeds)
        Positions of seeds.
    """
    return np.random.default_rng(entropy).integers(seeds, size=(resamples, seeds))


def bootstrap_medians(values: Array, draws: NDArray[np.intp]) -> Array:
    """Medians of the resampled seeds.

    Parameters
    ----------
    values : ndarray, shape (n, s)
        One cell a row, one seed a column; infinite values count as larger than all others.
    draws : ndarray, shape (r, s)
        As of :func:`seed_draws`.

    Returns
    -------
    ndarray, shape (n, r)
    """
    if not len(values):
        return np.empty((0, len(draws)))
    middle = draws.shape[1] // 2
    # The rank of the middle draw is found among ranks: small integers sort faster than floats.
    order = np.argsort(values, axis=1, kind="stable")
    ranks = np.empty(values.shape, dtype=np.uint16)
    np.put_along_axis(ranks, order, np.arange(values.shape[1], dtype=np.uint16)[None, :], axis=1)
    resampled = ranks[:, draws]
    resampled.sort(axis=2)
    ascending = np.take_along_axis(values, order, axis=1)
    upper = np.take_along_axis(ascending, resampled[:, :, middle].astype(np.intp), axis=1)
    if draws.shape[1] % 2:
        return np.asarray(upper)
    return np.asarray((upper + np.take_along_axis(ascending, resampled[:, :, middle - 1].astype(np.intp), axis=1)) / 2)


def percentile_interval(resampled: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The middle part of resampled values, over the last axis; limits are values that occur, infinite ones too."""
    ascending = np.sort(resampled, axis=-1)
    outside = int(np.floor((1 - level) / 2 * ascending.shape[-1]))
    return ascending[..., outside], ascending[..., -1 - outside]


def median_interval(values: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The order-statistic interval of a median, over the last axis.

    Parameters
    ----------
    values : ndarray, shape (..., n)
        Infinite where a run never arrived: the interval is then open upwards.
    level : float
        Least coverage. Below six values 95 % cannot be had, and the interval is the whole range.

    Returns
    -------
    low, high : ndarray, shape (...)
    """
    ascending = np.sort(values, axis=-1)
    rank = _rank(ascending.shape[-1], level)
    return ascending[..., rank], ascending[..., -1 - rank]


@lru_cache(maxsize=64)
def _rank(n: int, level: float) -> int:
    """The largest r - 1, at least 0, with 2 P(N <= r - 1) <= 1 - level."""
    below = bdtr(np.arange(n), n, 0.5)
    return max(int(np.count_nonzero(2 * below <= 1 - level)) - 1, 0)
