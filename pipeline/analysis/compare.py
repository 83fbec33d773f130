r"""Probability that A is better than B, with an interval that says whether the seeds can tell.

Seeds are paired: seed k gives both the same initial weights and the same order of examples. So the
estimate of :math:`P(A < B)` is the share of seeds in which A ends lower, ties counting half, and not the
share of all pairs of seeds, as it would be for independent runs (Agarwal et al., 2021, Deep RL at the
Edge of the Statistical Precipice). Its interval is Clopper and Pearson's (1934), exact for a
proportion; a bootstrap would give the width zero where A wins on all seeds, however few they are.

**The rule.** A and B are ranked if the 95 % interval of :math:`P(A < B)` leaves out one half; otherwise the
seeds are too few to rank them. Six seeds that all agree are enough, five never are; of ten seeds,
nine must agree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from pipeline.analysis.bootstrap import LEVEL

Array = NDArray[np.float64]
#: Level of the interval whose lower end decides where other seeds chose the direction: 5 % on that side.
ONE_SIDED = 0.9


@dataclass(frozen=True)
class Comparison:
    """A's losses held against B's.

    Parameters
    ----------
    probability : float
        Share of the seeds in which A is below B.
    low, high : float
        Its interval.
    seeds : int
        How many there are.
    """

    probability: float
    low: float
    high: float
    seeds: int

    @property
    def ranked(self) -> bool:
        """Whether the seeds are enough to say which of the two is better."""
        return self.low > 0.5 or self.high < 0.5


def probability_better(a: Array, b: Array, level: float = LEVEL) -> Comparison:
    """Estimate the probability that A's loss is below B's.

    Parameters
    ----------
    a, b : ndarray, shape (s,)
        Losses of the same seeds; infinite where a run diverged or failed. Two infinite ones tie.
    level : float
        Coverage of the interval.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If the seeds are not paired, or there is none.
    """
    if a.shape != b.shape or not a.size:
        raise ValueError(f"a and b must hold the same seeds, at least one; got {a.shape} and {b.shape}")
    n = a.size
    wins = float(np.sum(a < b) + 0.5 * np.sum(a == b))
    outside = (1 - level) / 2
    low = float(betaincinv(wins, n - wins + 1, outside)) if wins > 0 else 0.0
    high = float(betaincinv(wins + 1, n - wins, 1 - outside)) if wins < n else 1.0
    return Comparison(wins / n, low, high, n)
