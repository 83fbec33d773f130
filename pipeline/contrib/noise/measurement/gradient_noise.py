r"""Measure the standard deviation of the minibatch gradient against the batch size.

With :math:`g_i` the gradient on example :math:`i`, :math:`G` their mean and
:math:`\sigma_1^2 = \frac1n \sum_i |g_i - G|^2`, the mean :math:`g_b` of :math:`b` examples has

.. math::

    \sqrt{E |g_b - G|^2} = \frac{\sigma_1}{\sqrt b} \;\text{ (independent draws)}, \qquad
    \sqrt{E |g_b - G|^2} = \frac{\sigma_1}{\sqrt b} \sqrt{\frac{n - b}{n - 1}} \;\text{ (distinct examples)}.

The source states the first law and draws its examples without replacement, where the second holds.

References
----------
Cochran (1977), Sampling techniques, theorem 2.2: the finite-population correction.
Zhang, Lipton, Li, Smola, Dive into Deep Learning, section "Minibatch Stochastic Gradient Descent".
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.dataset import Dataset
from pipeline.lab.theory import Problem
from pipeline.measure.inputs import Inputs

Array = NDArray[np.float64]

SAMPLINGS = ("with_replacement", "without_replacement")
BATCH_SIZES = (1, 2, 3, 5, 7, 10, 15, 20, 32, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1200, 1400, 1500)
#: Epochs drawn at a time: their gradients fit into a processor's cache hierarchy.
CHUNK = 50


def example_gradients(problem: Problem, theta: Array) -> Array:
    """Gradient of half the squared error on every example at theta (d,), as (n, d)."""
    state = np.concatenate([[1.0], theta - problem.minimizer])
    gradients: Array = problem.rows[:, 1:] * (problem.rows @ state)[:, None]
    return gradients


def independent_law(gradients: Array, batch_sizes: Array) -> Array:
    """Standard deviation of the mean of b independent draws from the rows of (n, d) gradients."""
    sigma_1 = np.sqrt(np.mean(np.sum((gradients - gradients.mean(axis=0)) ** 2, axis=1)))
    law: Array = sigma_1 / np.sqrt(batch_sizes)
    return law


def finite_law(gradients: Array, batch_sizes: Array) -> Array:
    """Standard deviation of the mean of b distinct rows of (n, d) gradients; 0 at b = n."""
    n = len(gradients)
    law: Array = independent_law(gradients, batch_sizes) * np.sqrt((n - batch_sizes) / max(n - 1, 1))
    return law


def squared_deviations(
    gradients: Array, batch_sizes: Sequence[int], sampling: str, epochs: int, seed: int = 0
) -> dict[int, Array]:
    """Draw epochs, and measure how far the gradients of their minibatches are from the full one.

    Every whole minibatch of an epoch counts: single examples of a permutation are all the examples there are,
    and so have exactly their variance.

    Parameters
    ----------
    gradients : array (k, n, d)
        Gradients on every example, at k places.
    batch_sizes : sequence of int
        Each from 1 to n.
    sampling : {"with_replacement", "without_replacement"}
        n independent draws an epoch, or a permutation.
    epochs : int
        How many are drawn.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        Batch size to the mean over an epoch's minibatches of |g_b - G|^2, (k, epochs).
    """
    rng = np.random.default_rng([seed, SAMPLINGS.index(sampling)])
    places, n, d = gradients.shape
    # From G, so that nothing large is subtracted at the end: at b = n only rounding is left.
    deviations = np.ascontiguousarray((gradients - gradients.mean(axis=1, keepdims=True)).transpose(1, 0, 2))
    found: dict[int, list[Array]] = {b: [] for b in batch_sizes}
    for start in range(0, epochs, CHUNK):
        count = min(CHUNK, epochs - start)
        order = _draw(rng, n, count, sampling)
        sums = np.concatenate([np.zeros((count, 1, places, d)), np.cumsum(deviations[order], axis=1)], axis=1)
        for b in batch_sizes:
            means = np.diff(sums[:, ::b], axis=1) / b
            found[b].append(np.einsum("embd,embd->be", means, means) / means.shape[1])
    return {b: np.concatenate(parts, axis=1) for b, parts in found.items()}


def _draw(rng: np.random.Generator, n: int, count: int, sampling: str) -> NDArray[np.int64]:
    if sampling == "with_replacement":
        return rng.integers(n, size=(count, n))
    return rng.permuted(np.broadcast_to(np.arange(n), (count, n)), axis=1)


def measure_noise(problem: Problem, batch_sizes: Sequence[int], epochs: int, seed: int = 0) -> pd.DataFrame:
    """Measure the gradient's standard deviation at the start (theta = 0) and at the minimum, beside both laws.

    Parameters
    ----------
    problem : Problem
        The linear model on its data.
    batch_sizes : sequence of int
        Those above n are left out.
    epochs : int
        Drawn for each sampling.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        See ``conf/measurement/gradient_noise.yaml``.
    """
    places = {"start": np.zeros(problem.d), "minimum": problem.minimizer}
    gradients = np.stack([example_gradients(problem, theta) for theta in places.values()])
    sizes = [b for b in batch_sizes if b <= problem.n]
    tables = []
    for sampling in SAMPLINGS:
        squares = squared_deviations(gradients, sizes, sampling, epochs, seed)
        for place, name in enumerate(places):
            tables.append(_laws(gradients[place], {b: found[place] for b, found in squares.items()}, sampling, name))
    return pd.concat(tables, ignore_index=True)


def _laws(gradients: Array, squares: dict[int, Array], sampling: str, at: str) -> pd.DataFrame:
    """Rows of one sampling at one place."""
    sizes = np.array(list(squares))
    independent, finite = independent_law(gradients, sizes), finite_law(gradients, sizes)
    predicted = independent if sampling == "with_replacement" else finite
    mean = np.array([found.mean() for found in squares.values()])
    error = np.array([found.std(ddof=1) / np.sqrt(len(found)) for found in squares.values()])
    measured = np.sqrt(mean)
    left = predicted > 0
    divisor = np.where(left, predicted, 1.0)
    # 95 % of the mean square, from its scatter over the epochs; its root is the interval's.
    low, high = (np.sqrt(np.maximum(mean + side * 1.96 * error, 0)) / divisor for side in (-1, 1))
    return pd.DataFrame(
        {
            "sampling": sampling,
            "at": at,
            "batch_size": sizes,
            "minibatches": [found.size * (len(gradients) // b) for b, found in squares.items()],
            "measured": measured,
            "independent": independent,
            "finite": finite,
            "predicted": predicted,
            "ratio": np.where(left, measured / divisor, np.nan),
            "low": np.where(left, low, np.nan),
            "high": np.where(left, high, np.nan),
            "ratio_to_independent": measured / independent,
        }
    )


def problem_of(dataset: Dataset) -> Problem:
    """The linear model on a data set, in float64."""
    return Problem.from_data(dataset.X.astype(np.float64), dataset.y.astype(np.float64))


def gradient_noise(inputs: Inputs) -> pd.DataFrame:
    """Measure on the data set.

    Parameters
    ----------
    inputs : Inputs
        Needs the data.

    Returns
    -------
    DataFrame
        See ``conf/measurement/gradient_noise.yaml``.
    """
    return measure_noise(problem_of(inputs.needed_dataset()), BATCH_SIZES, epochs=20_000 if inputs.full else 4_000)
