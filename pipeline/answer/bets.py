r"""Betting on comparisons: evidence that may be looked at after every seed.

A rival is held against the leader, seed by seed. Suppose that the rival is really the best: the leader then wins no
more often than it loses. A bettor on the leader, whose stake is fixed before each seed is seen, gains nothing on
average; the wealth is a test martingale, and by Ville's inequality (1939) reaches :math:`1/\alpha` with probability at
most :math:`\alpha`, however often one looks and whenever one stops. With :math:`w` wins and :math:`l` losses (ties
leave the wealth as it is), a bettor who believes in a share :math:`p` of wins has

.. math:: W_p = (2p)^w \, (2 - 2p)^l

Here parts of the wealth (``STAKES``) are staked on a few shares :math:`p` (``SHARES``), whose distances from one half
fall by about a constant factor: each true share above 0.51 is near enough to one of them to be decided in the end, and
what is paid for not knowing which is a constant factor (Robbins, 1970; Howard, Ramdas, McAuliffe, Sekhon, 2021,
Time-uniform, nonparametric, nonasymptotic confidence sequences, on mixtures over a geometric grid). With :math:`p`
spread evenly over (1/2, 1) instead, that factor grows with the seeds, and replayed races on the airfoil table took more
runs. Arms are compared by quantiles because costs may be infinite and losses have heavy tails (Howard, Ramdas, 2022,
Sequential estimation of quantiles with applications to A/B testing and best-arm identification).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

Array = NDArray[np.float64]

#: Shares of wins that a bettor believes in.
SHARES = np.array([1.0, 0.8, 0.68, 0.6, 0.56, 0.535, 0.52])
#: What is staked on each: most on what decides soonest.
STAKES = np.array([0.4, 0.2, 0.08, 0.08, 0.08, 0.08, 0.08])
#: Times the seeds so far, beyond which no number of further ones is told.
MOST_SEEDS = 1e4


def log_wealth(wins: ArrayLike, losses: ArrayLike) -> Array:
    r"""Logarithm of the wealth after so many wins and losses.

    Parameters
    ----------
    wins, losses : array-like of int
        Counts, not negative.

    Returns
    -------
    ndarray
        :math:`\log` of the sum of :math:`(2p)^w (2-2p)^l` over ``SHARES``, by ``STAKES``; 0 without data.

    Examples
    --------
    >>> np.exp(log_wealth([0, 7, 7], [0, 0, 1])).round(1).tolist()
    [1.0, 58.0, 3.2]
    """
    won, lost = np.asarray(wins, dtype=float)[..., None], np.asarray(losses, dtype=float)[..., None]
    logs = xlogy(won, 2 * SHARES) + xlogy(lost, 2 - 2 * SHARES)
    top = logs.max(axis=-1)  # scipy's logsumexp does the same and takes four times as long
    return np.asarray(top + np.log(np.exp(logs - top[..., None]) @ STAKES))


def seeds_to_decide(wins: ArrayLike, losses: ArrayLike, log_threshold: float) -> Array:
    """Further seeds until the wealth reaches a threshold, if wins and losses go on as they have.

    Parameters
    ----------
    wins, losses : array-like
        Counts so far.
    log_threshold : float
        Logarithm of the wealth that decides.

    Returns
    -------
    ndarray
        Infinite where that takes more than ``MOST_SEEDS`` times the seeds so far, or is never.
    """
    won, lost = np.asarray(wins, dtype=float)[..., None], np.asarray(losses, dtype=float)[..., None]
    factors = np.geomspace(1.0, MOST_SEEDS, 120)
    enough = log_wealth(factors * won, factors * lost) >= log_threshold
    more = (factors[enough.argmax(axis=-1)] - 1) * (won + lost)[..., 0]
    return np.where(enough.any(axis=-1) & (won > lost)[..., 0], more, np.inf)
