"""Numbers with confidence intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.analysis.bootstrap import Array, percentile_interval, seed_draws

#: Resamples behind each interval of this stage.
RESAMPLES = 2000


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


def geometric_mean(ratios: Array, of: str) -> Effect:
    """Geometric mean of positive ratios with Student's interval on their logarithms.

    Of processes: each tells one number, however often it has repeated its own, so that both how processes differ and
    how repeats do are in the interval. One process alone tells nothing of the others: its interval has no ends.
    """
    n = len(ratios)
    logs = np.log(ratios)
    value = float(np.exp(logs.mean()))
    if n < 2:
        return Effect(value, 0.0, math.inf, n, of)
    half = float(student.ppf(0.975, n - 1)) * float(logs.std(ddof=1)) / np.sqrt(n)
    return Effect(value, value * float(np.exp(-half)), value * float(np.exp(half)), n, of)


def product(a: Effect, b: Effect) -> Effect:
    """A product of two independent positive numbers, its interval from theirs on the logarithmic scale.

    The squares of the distances to the ends add up (Zou, Donner, 2008, Construction of confidence limits about effect
    measures, Statistics in Medicine 27, 1693). What is nothing or infinite has the ends of both.
    """
    value, n = a.value * b.value, min(a.n, b.n)
    if not (0 < a.value < math.inf and 0 < b.value < math.inf):
        return Effect(value, a.low * b.low, a.high * b.high, n, b.of)
    with np.errstate(divide="ignore"):
        down, up = np.hypot(*np.log([(one.low / one.value, one.high / one.value) for one in (a, b)]))
    return Effect(value, float(value * np.exp(-down)), float(value * np.exp(up)), n, b.of)


def quotient(a: tuple[float, float, float], b: tuple[float, float, float], n: int, of: str) -> Effect:
    """A ratio of two (value, low, high) that are not negative, its interval as wide as both allow.

    Conservative: it covers the ratio at least as often as the two intervals cover their numbers.
    """

    def over(x: float, y: float) -> float:
        """Divide as limits do: what is not nothing, by nothing, is infinite."""
        return x / y if y else (math.nan if x == 0 else math.inf)

    return Effect(over(a[0], b[0]), over(a[1], b[2]), over(a[2], b[1]), n, of)
