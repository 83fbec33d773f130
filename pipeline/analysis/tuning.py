r"""Cost of tuning: the best loss to expect after k trials of a random search.

.. math:: E\big[\min(v_{i_1}, \dots, v_{i_k})\big]
          = \sum_{i=1}^{N} v_{(i)} \,\frac{\binom{N-i}{k-1}}{\binom{N}{k}}

for k different cells drawn at random from an optimizer's N, *without* replacement: a search does not try
the same point twice. (With replacement it is the estimator of Dodge et al., 2019, Show Your Work, EMNLP; Sivaprasad
et al., 2020, Optimizer Benchmarking Needs to Account for Hyperparameter Tuning, ICML, compare optimizers by it.)
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.grid import Array, Grid


@dataclass(frozen=True, eq=False)
class TuningCurve:
    """The best loss to expect, by the number of trials.

    Parameters
    ----------
    optimizer : str
        Its name.
    trials : ndarray of int, shape (N,)
        1 to N, the number of its cells.
    loss, low, high : ndarray, shape (N,)
        Median, least and greatest value over the seeds.
    """

    optimizer: str
    trials: NDArray[np.int64]
    loss: Array
    low: Array
    high: Array


def tuning_curves(grid: Grid, runs: pd.DataFrame) -> list[TuningCurve]:
    """Find the expected best loss after k random trials, for each optimizer.

    A trial is one run of one of its cells (batch size and learning rate drawn together, from the ranges of
    the study); the whole search uses one seed, and the curves of all seeds are summarised. A trial that
    diverges, fails or ends above the initial loss counts as the initial loss: no one keeps a model that
    is worse than the untrained one, and without that rule a single divergence would make every
    expectation infinite.

    Parameters
    ----------
    grid : Grid
        The study.
    runs : DataFrame
        Its runs, for the initial loss.

    Returns
    -------
    list of TuningCurve
        One per optimizer.
    """
    initial = float(runs["initial_loss"].astype(float).median())
    losses = np.minimum(grid.losses, initial) if np.isfinite(initial) else grid.losses
    curves = []
    for name in grid.optimizers:
        best = expected_minimum(losses[grid.rows(name)])
        trials = np.arange(1, len(best) + 1, dtype=np.int64)
        curves.append(TuningCurve(name, trials, np.median(best, axis=1), best.min(axis=1), best.max(axis=1)))
    return curves


def expected_minimum(values: Array) -> Array:
    """Expected least of k different values drawn at random, for every k.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, s)
        The candidates; columns are separate.

    Returns
    -------
    ndarray, shape (n,) or (n, s)
        Row k - 1 is for k draws; the last is the minimum.
    """
    ascending = np.sort(values, axis=0)
    result: Array = _weights(len(ascending)) @ ascending
    return result


def _weights(n: int) -> Array:
    """Probability that the i-th smallest is the least of k: P(none of the i - 1 smaller) - P(none of the i)."""
    k, i = np.arange(1, n + 1)[:, None], np.arange(n + 1)[None, :]
    # P(none of the i smallest among k) = prod_{j < k} (n - i - j) / (n - j), built up over j.
    factors = np.clip(n - i - (k - 1), 0, None) / (n - (k - 1))
    none = np.cumprod(factors, axis=0)
    return np.asarray(none[:, :-1] - none[:, 1:])
