"""Numbers with confidence intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.analysis.bootstrap import Array, percentile_interval, seed_draws

#: Resamples behind each interval of this stage.
RESAMPLES = 2000
#: Standard error of a median of n normal values, in interquartile ranges over sqrt(n).
_QUARTILES_TO_MEDIAN = 1.2533 / 1.349
#: The interpolated quartiles of n normal values lie too close together, by a factor of about 1 - 1.15 / n.
_TOO_CLOSE = 1.15


@dataclass(frozen=True)
class Effect:
    """The result of a statistic.

    Parameters
    ----------
    value : float
        The estimate.
    low, high : float
        Its 95 % interval; without width where the number is exact.
    n : int
        The size of the sample: seeds, repeats, processes or rows.
    of : str
        What n counts.
    """

    value: float
    low: float
    high: float
    n: int
    of: str = "seeds"


def bootstrapped(statistic: Callable[..., Array], *samples: Array, of: str = "seeds") -> Effect:
    """Estimate a statistic of paired samples, with a percentile bootstrap over the pairs.

    Parameters
    ----------
    statistic : callable
        From the samples, each (..., n), to a number for each of the leading axes.
    samples : ndarray, shape (n,)
        Paired: position k of each belongs to the same seed.
    of : str
        What n counts.

    Returns
    -------
    Effect
        NaN where the statistic of the samples, or of more resamples than the interval leaves out, is not defined.
    """
    n = len(samples[0])
    if not n:
        return Effect(math.nan, math.nan, math.nan, 0, of)
    draws = seed_draws(n, RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(statistic(*samples))
        resampled = np.asarray(statistic(*(sample[draws] for sample in samples)), dtype=float)
    low, high = limits(resampled)
    return Effect(value, low, high, n, of)


def limits(resampled: Array) -> tuple[float, float]:
    """The middle 95 % of resampled values; NaN if any of them is, because nothing is known of its place."""
    if np.isnan(resampled).any():
        return math.nan, math.nan
    low, high = percentile_interval(resampled)
    return float(low), float(high)


def ratio_of_medians(a: Array, b: Array) -> Array:
    """Median of a over median of b, over the last axis."""
    return np.asarray(np.median(a, axis=-1) / np.median(b, axis=-1))


def mean_difference(a: Array, b: Array) -> Array:
    """Mean of a - b, over the last axis."""
    return np.asarray(np.mean(a - b, axis=-1))


def median_of_quartiles(median: float, q25: float, q75: float, n: int) -> tuple[float, float]:
    """95 % interval of a median of which only the quartiles were kept, never below zero.

    Normal values are assumed, and Student's t allows for few of them; of a single one nothing is known.
    """
    if n < 2:
        return 0.0, math.inf
    half = float(student.ppf(0.975, n - 1)) * _QUARTILES_TO_MEDIAN * (q75 - q25) / (1 - _TOO_CLOSE / n) / np.sqrt(n)
    return max(median - half, 0.0), median + half


def geometric_mean(ratios: Array, of: str) -> Effect:
    """Geometric mean of positive ratios with Student's interval on their logarithms: two repeats tell little."""
    n = len(ratios)
    logs = np.log(ratios)
    value = float(np.exp(logs.mean()))
    if n < 2:
        return Effect(value, 0.0, math.inf, n, of)
    half = float(student.ppf(0.975, n - 1)) * float(logs.std(ddof=1)) / np.sqrt(n)
    return Effect(value, value * float(np.exp(-half)), value * float(np.exp(half)), n, of)


def quotient(a: tuple[float, float, float], b: tuple[float, float, float], n: int, of: str) -> Effect:
    """A ratio of two (value, low, high) that are not negative, its interval as wide as both allow.

    Conservative: it covers the ratio at least as often as the two intervals cover their numbers.
    """

    def over(x: float, y: float) -> float:
        """Divide as limits do: what is not nothing, by nothing, is infinite."""
        return x / y if y else (math.nan if x == 0 else math.inf)

    return Effect(over(a[0], b[0]), over(a[1], b[2]), over(a[2], b[1]), n, of)
