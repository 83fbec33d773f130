r"""Compute the expected loss at every step, and the scatter of single runs around it.

Exact for minibatches drawn independently of the past (``with_replacement``, ``fresh_subset``);
for one permutation an epoch (``without_replacement``) see `pipeline.lab.theory.without_replacement`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.lab.theory.dynamics import SGD, Initial, Moments, Rule, Sampling, noise_factor, overflowing
from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.symmetric import Array
from pipeline.lab.theory.without_replacement import reshuffled_moments


@dataclass(frozen=True, eq=False)
class LossCurve:
    """Loss against steps.

    Attributes
    ----------
    expected : array (steps + 1,)
        Expected loss, step 0 first; inf from the step at which it overflows.
    std : array (steps + 1,)
        Standard deviation of one run's loss over seeds, for a normally distributed parameter error: an approximation
        (see `gaussian_loss_std`); divide by sqrt(S) for the mean of S seeds.
    """

    expected: Array
    std: Array


def learning_rates(lr: float | Array, steps: int) -> Array:
    """One learning rate a step, (steps,), from a constant or an array.

    Raises
    ------
    ValueError
        If a learning rate is negative or not finite, or the array's length is not ``steps``.
    """
    rates = np.full(steps, lr, dtype=np.float64) if np.ndim(lr) == 0 else np.asarray(lr, dtype=np.float64)
    if rates.shape != (steps,):
        raise ValueError(f"lr must be a number or an array of length steps = {steps}; got shape {rates.shape}")
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError("every lr must be finite and at least 0")
    return rates


def powers(operator: Array, start: Array, steps: int) -> Array:
    """start, operator @ start, ... operator^steps @ start, (steps + 1, k), in log2(steps) matrix products."""
    trajectory = np.empty((steps + 1, len(start)))
    trajectory[0], filled, power = start, 1, operator
    while filled <= steps:
        more = min(filled, steps + 1 - filled)
        trajectory[filled : filled + more] = trajectory[:more] @ power.T
        filled, power = filled + more, power @ power
    return trajectory


def moment_trajectory(
    moments: Moments,
    initial: Initial,
    lr: float | Array,
    batch_size: int,
    steps: int,
    sampling: Sampling = "with_replacement",
    *,
    short_last: bool = False,
) -> Array:
    """svec(E[z z^T]) at steps 0 ... ``steps``, (steps + 1, k); see `expected_loss` for the parameters."""
    rates, start = learning_rates(lr, steps), moments.start(initial)
    n = moments.problem.n
    factors = np.full(steps, noise_factor(n, batch_size, sampling))
    if short_last and n % batch_size:
        factors[n // batch_size :: n // batch_size + 1] = noise_factor(n, n % batch_size, sampling)
    with overflowing():
        if sampling == "without_replacement":
            return reshuffled_moments(moments, start, rates, batch_size)
        trajectory = np.empty((steps + 1, len(start)))
        trajectory[0] = start
        # The steps are cut where rate or noise changes; a constant stretch costs a few matrix products.
        cuts = [0, *(np.flatnonzero((np.diff(rates) != 0) | (np.diff(factors) != 0)) + 1).tolist(), steps]
        operators: dict[tuple[float, float], Array] = {}
        for begin, end in zip(cuts[:-1], cuts[1:], strict=True):
            if end > begin:
                step = float(rates[begin]), float(factors[begin])
                if step not in operators:
                    operators[step] = moments.operator(*step)
                trajectory[begin : end + 1] = powers(operators[step], trajectory[begin], end - begin)
    return trajectory


def loss_of(moments: Moments, trajectory: Array) -> Array:
    """Expected loss (steps + 1,) of a moment trajectory (steps + 1, k); inf from the first overflow on."""
    with overflowing():
        loss: Array = trajectory @ moments.loss_row
    broken = np.flatnonzero(~np.isfinite(loss))
    if len(broken):
        loss[broken[0] :] = np.inf
    return loss


def gaussian_loss_std(moments: Moments, trajectory: Array) -> Array:
    r"""Standard deviation of one run's loss, (steps + 1,), as if the parameter error were normal.

    .. math:: \mathrm{Var}\, L \approx \tfrac12 \mathrm{tr}\big((H C)^2\big) + m^T H C H m

    with m and C the exact mean and covariance of the error. The exact variance needs the fourth moment of the error,
    whose recursion holds the eighth moments of the data. The distribution is right-skewed, and heavier-tailed than
    this the larger lr / b, so treat it as the width of a band and not as quantiles.
    """
    with overflowing():
        mean, covariance = moments.split(trajectory)
        hessian = moments.problem.hessian
        spread = hessian @ covariance
        slope = mean @ hessian
        variance = np.einsum("...ij,...ji->...", spread, spread) / 2
        variance += np.einsum("...i,...ij,...j->...", slope, covariance, slope)
        # Without spread, rounding can leave the variance a hair below zero.
        std: Array = np.sqrt(np.maximum(variance, 0.0))
    return np.where(np.isfinite(std), std, np.inf)


def expected_loss(
    problem: Problem,
    initial: Initial,
    lr: float | Array,
    batch_size: int,
    steps: int,
    *,
    sampling: Sampling = "with_replacement",
    rule: Rule = SGD,
    short_last: bool = False,
) -> LossCurve:
    r"""Expected half mean squared error over all data at steps 0 ... ``steps``.

    Parameters
    ----------
    problem : Problem
    initial : Initial
        Mean and covariance of the initial parameters.
    lr : float or array (steps,)
        Learning rate, constant or one a step; at least 0.
    batch_size : int
        b, at least 1 (at most n unless with replacement).
    steps : int
        Number of updates.
    sampling : {"with_replacement", "fresh_subset", "without_replacement"}
        b independent draws a step (exact); b distinct examples a step, independent between steps (exact); one
        permutation an epoch, a short last minibatch kept (approximation).
    rule : Rule
        Plain SGD, heavy ball or Nesterov.
    short_last : bool
        Of independent draws: whether the last minibatch of each n draws is a short one, as in training, where b does
        not divide n. Of permutations it always is.

    Returns
    -------
    LossCurve

    Raises
    ------
    ValueError
        If a value is out of its range or a shape is wrong; the message names it.

    References
    ----------
    Bach, Moulines (2013), Non-strongly-convex smooth stochastic approximation with convergence rate O(1/n), NeurIPS.
    Défossez, Bach (2015), Averaged least-mean-squares: bias-variance trade-offs and optimal sampling distributions.
    """
    moments = Moments.of(problem, rule)
    trajectory = moment_trajectory(moments, initial, lr, batch_size, steps, sampling, short_last=short_last)
    return LossCurve(expected=loss_of(moments, trajectory), std=gaussian_loss_std(moments, trajectory))


def full_batch_loss(problem: Problem, initial: Initial, lr: float | Array, steps: int, *, rule: Rule = SGD) -> Array:
    r"""Full-batch loss at steps 0 ... ``steps``, (steps + 1,): exact for `Initial.at`, else its expectation.

    .. math:: E\,L(\theta_t) = L^* + \tfrac12 \sum_j \lambda_j (1 - \eta \lambda_j)^{2t}\, E[(q_j^T \Delta_0)^2]

    for plain gradient descent, (lambda_j, q_j) the Hessian's eigenpairs; there is no noise, so sampling plays no part.
    """
    moments = Moments.of(problem, rule)
    return loss_of(moments, moment_trajectory(moments, initial, lr, problem.n, steps, "fresh_subset"))
