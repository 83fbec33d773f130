r"""Measure the gradient noise scale along training, and the critical batch size.

The noise scale :math:`\mathrm{tr}\,\Sigma / |G|^2`, in examples, is the batch size at which a minibatch gradient's
noise is as large as the gradient. Steps :math:`S` and examples :math:`E = b S` to a target, each batch size at its best
learning rate, follow about

.. math:: \Big(\frac{S}{S_{\min}} - 1\Big) \Big(\frac{E}{E_{\min}} - 1\Big) = 1
   \quad\Longleftrightarrow\quad S = S_{\min} + \frac{E_{\min}}{b},

and at the critical batch size :math:`E_{\min} / S_{\min}` the steps are twice those of perfect scaling,
:math:`E_{\min} / b`. Both grow as the loss falls, which is why they are drawn against the loss.

References
----------
McCandlish, Kaplan, Amodei, OpenAI Dota Team (2018), An empirical model of large-batch training, arXiv:1812.06162.
Shallue et al. (2019), Measuring the effects of data parallelism on neural network training, JMLR 20(112).
Efron, Tibshirani (1993), An introduction to the bootstrap, chapter 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.contrib.noise.measurement.gradient_noise import problem_of
from pipeline.lab import theory
from pipeline.lab.theory import Initial, Problem, scaling_curve
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import table_of

Array = NDArray[np.float64]

#: Batch sizes of the scaling curve: independent draws, so that they may exceed n.
BATCH_SIZES = tuple(2**k for k in range(15))
#: Targets, as fractions of the initial excess loss; reached in two steps or more even without noise.
TARGETS = (0.03, 0.02, 0.01, 0.005, 0.002)
RESAMPLES = 2000


@dataclass(frozen=True)
class Run:
    """A run to follow.

    Parameters
    ----------
    name : str
        For people.
    batch_size : int or None
        None is the full batch.
    lr : float
        Constant.
    epochs : int
        Passes over the data.
    read_every : int
        Steps between two readings.
    """

    name: str
    batch_size: int | None
    lr: float
    epochs: int
    read_every: int


RUNS = (Run("sgd, b = 10, lr 0.05", 10, 0.05, 2, 20), Run("gd, lr 0.5", None, 0.5, 20, 1))


def follow(problem: Problem, run: Run, seed: int) -> tuple[NDArray[np.int64], Array]:
    """Train in float64, one permutation an epoch, from weights N(0, 0.01^2) and bias 0.

    Parameters
    ----------
    problem : Problem
        The linear model on its data.
    run : Run
        How.
    seed : int
        Of the initial weights and the orders.

    Returns
    -------
    steps : array (readings,)
        Updates done at each reading, 0 first.
    thetas : array (readings, d)
        The parameters there.
    """
    rng = np.random.default_rng(seed)
    X, y = problem.rows[:, 1:], problem.rows[:, 1:] @ problem.minimizer - problem.rows[:, 0]
    theta = np.append(rng.normal(0.0, 0.01, problem.d - 1), 0.0)
    b = run.batch_size or problem.n
    steps, thetas, step = [0], [theta], 0
    for _ in range(run.epochs):
        order = rng.permutation(problem.n)
        for start in range(0, problem.n, b):
            rows = order[start : start + b]
            theta = theta - run.lr * X[rows].T @ (X[rows] @ theta - y[rows]) / len(rows)
            step += 1
            if step % run.read_every == 0:
                steps.append(step)
                thetas.append(theta)
    return np.array(steps), np.array(thetas)


def along_training(problem: Problem, runs: Sequence[Run], seeds: int) -> pd.DataFrame:
    """Noise scale at every reading: the median over seeds, with a bootstrap interval.

    Parameters
    ----------
    problem : Problem
        The linear model on its data.
    runs : sequence of Run
        Which runs.
    seeds : int
        Replicates of each.
    """
    rng = np.random.default_rng(0)
    tables = []
    for run in runs:
        followed = [follow(problem, run, seed) for seed in range(seeds)]
        steps = followed[0][0]
        scales = np.array([[theory.noise_scale(problem, theta) for theta in thetas] for _, thetas in followed])
        losses = np.median([[problem.loss(theta) for theta in thetas] for _, thetas in followed], axis=0)
        resampled = np.median(scales[rng.integers(seeds, size=(RESAMPLES, seeds))], axis=1)
        low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
        b = run.batch_size or problem.n
        tables.append(
            pd.DataFrame(
                {
                    "kind": "training",
                    "run": run.name,
                    "batch_size": b,
                    "lr": run.lr,
                    "examples": steps * b,
                    "loss": losses,
                    "value": np.median(scales, axis=0),
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def fit_hyperbola(batch_sizes: Array, steps: Array) -> tuple[Array, Array]:
    """Fit S = S_min + E_min / b by least squares of the relative error, for many samples at once.

    Parameters
    ----------
    batch_sizes, steps : array (..., k)
        Points, the last axis within one sample.

    Returns
    -------
    least_steps, least_examples : array (...)
        S_min and E_min, not below 0.

    Examples
    --------
    >>> least = fit_hyperbola(np.array([1.0, 10.0, 100.0]), 5 + 700 / np.array([1.0, 10.0, 100.0]))
    >>> [round(float(value), 6) for value in least]
    [5.0, 700.0]
    """
    u, v = 1 / steps, 1 / (batch_sizes * steps)  # S_min u + E_min v = 1, for every point
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    determinant = uu * vv - uv**2
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample of one single batch size fixes nothing
        least_steps = (u.sum(-1) * vv - v.sum(-1) * uv) / determinant
        least_examples = (v.sum(-1) * uu - u.sum(-1) * uv) / determinant
    return np.maximum(least_steps, 0.0), np.maximum(least_examples, 0.0)


def twice_perfect(batch_sizes: Array, steps: Array) -> float:
    """Read off where the steps are twice those of perfect scaling from the smallest batch size; inf if nowhere.

    Examples
    --------
    >>> b = np.array([1.0, 10.0, 100.0, 1000.0])
    >>> round(twice_perfect(b, 5 + 500 / b), 1)
    101.4
    """
    excess = np.log2(steps * batch_sizes / (steps[0] * batch_sizes[0]))
    above = np.flatnonzero(excess >= 1)
    if not len(above):
        return float("inf")
    i = int(above[0])
    share = (1 - excess[i - 1]) / (excess[i] - excess[i - 1])
    return float(batch_sizes[i - 1] * (batch_sizes[i] / batch_sizes[i - 1]) ** share)


def where_it_stops_paying(
    problem: Problem, batch_sizes: Sequence[int], targets: Sequence[float], seed: int = 0
) -> pd.DataFrame:
    """Steps to some targets at the best constant learning rate of each batch size, and the critical batch sizes.

    The steps are those of the expected loss, which theory gives exactly; the interval is a bootstrap over the
    batch sizes, and so says how far the hyperbola is from being the law.

    Parameters
    ----------
    problem : Problem
        The linear model on its data.
    batch_sizes : sequence of int
        Ascending.
    targets : sequence of float
        Fractions of the initial excess loss.
    seed : int
        Of the bootstrap.
    """
    initial = Initial.normal(problem.d)
    excess = problem.loss(initial.mean) - problem.minimum
    b = np.array(batch_sizes, dtype=float)
    chosen = np.random.default_rng(seed).integers(len(b), size=(RESAMPLES, len(b)))
    tables = []
    for fraction in targets:
        loss = problem.minimum + fraction * excess
        lrs, steps = scaling_curve(problem, initial, batch_sizes, loss)
        least_steps, least_examples = (float(value) for value in fit_hyperbola(b, steps))
        with np.errstate(divide="ignore", invalid="ignore"):
            s, e = fit_hyperbola(b[chosen], steps[chosen])
            resampled = e / s
        low, high = np.quantile(resampled[np.isfinite(resampled)], [0.025, 0.975])
        named = {"run": f"to {100 * fraction:g} % of the initial excess", "loss": loss}
        tables.append(
            pd.DataFrame({"kind": "steps", "batch_size": batch_sizes, "lr": lrs, "value": steps, **named}).assign(
                fitted=least_steps + least_examples / b
            )
        )
        critical = {
            "value": least_examples / least_steps,
            "low": low,
            "high": high,
            "read_off": twice_perfect(b, steps),
        }
        least = {"least_steps": least_steps, "least_examples": least_examples}
        tables.append(pd.DataFrame([{"kind": "critical", **named, **critical, **least}]))
    return pd.concat(tables, ignore_index=True)


def noise_scale(inputs: Inputs) -> pd.DataFrame:
    """Measure on the data set.

    Parameters
    ----------
    inputs : Inputs
        Needs the data.

    Returns
    -------
    DataFrame
        See ``conf/measurement/noise_scale.yaml``.
    """
    problem = problem_of(inputs.needed_dataset())
    runs = along_training(problem, RUNS, seeds=100 if inputs.full else 20)
    return with_excess([runs, where_it_stops_paying(problem, BATCH_SIZES, TARGETS)], problem.minimum)


def with_excess(tables: Sequence[pd.DataFrame], minimum: float) -> pd.DataFrame:
    """Gather tables, and add the excess over the least loss."""
    table = pd.concat(tables, ignore_index=True)
    return table_of("noise_scale", table.assign(excess=table["loss"] - minimum))
