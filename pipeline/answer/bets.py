r"""Betting on comparisons: evidence that may be looked at after every seed.

A rival is held against the leader, seed by seed. Suppose that the rival is really the best: the leader then wins no
more often than it loses. A bettor on the leader, whose stake is fixed before each seed is seen, gains nothing on
average; the wealth is a test martingale, and by Ville's inequality (1939) reaches :math:`1/\alpha` with probability at
most :math:`\alpha`, however often one looks and whenever one stops. With :math:`w` wins and :math:`l` losses (ties
leave the wealth as it is), a bettor who believes in a share :math:`p` of wins has

.. math:: W_p = (2p)^w \, (2 - 2p)^l

Here half of the wealth is staked with :math:`p = 1`, which decides soonest where the leader always wins, and half with
:math:`p` spread evenly over :math:`(1/2, 1)`, which decides in the end for any share above one half (Robbins, 1970;
Waudby-Smith, Ramdas, 2024, Estimating means of bounded random variables by betting). Arms are compared by quantiles
because costs may be infinite and losses have heavy tails (Howard, Ramdas, 2022, Sequential estimation of quantiles with
applications to A/B testing and best-arm identification).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln
from scipy.stats import beta

Array = NDArray[np.float64]

#: Times the seeds so far, beyond which no number of further ones is told.
MOST_SEEDS = 1e5


def log_wealth(wins: ArrayLike, losses: ArrayLike) -> Array:
    r"""Logarithm of the wealth after so many wins and losses.

    Parameters
    ----------
    wins, losses : array-like of int
        Counts, not negative.

    Returns
    -------
    ndarray
        :math:`\log\left(\tfrac12 \cdot 2^w 0^l + \tfrac12 \int_{1/2}^1 2\,(2p)^w (2-2p)^l\,dp\right)`; 0 without data.

    Examples
    --------
    >>> np.exp(log_wealth([0, 7, 7], [0, 0, 1])).round(1).tolist()
    [1.0, 79.9, 3.5]
    """
    won, lost = np.asarray(wins, dtype=float), np.asarray(losses, dtype=float)
    always = np.where(lost == 0, won * np.log(2), -np.inf)
    spread = (won + lost + 1) * np.log(2) + betaln(won + 1, lost + 1) + beta.logsf(0.5, won + 1, lost + 1)
    return np.asarray(np.logaddexp(always, spread) - np.log(2))


def seeds_to_decide(wins: float, losses: float, log_threshold: float) -> float:
    """Further seeds until the wealth reaches a threshold, if wins and losses go on as they have.

    Parameters
    ----------
    wins, losses : float
        Counts so far.
    log_threshold : float
        Logarithm of the wealth that decides.

    Returns
    -------
    float
        Infinite where the leader has won no more often than it lost.
    """
    if wins <= losses:
        return float("inf")
    factors = np.geomspace(1.0, MOST_SEEDS, 400)
    enough = np.flatnonzero(log_wealth(factors * wins, factors * losses) >= log_threshold)
    return float((factors[enough[0]] - 1) * (wins + losses)) if len(enough) else float("inf")
