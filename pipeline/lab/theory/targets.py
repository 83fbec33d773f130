r"""Compute the best learning rate, the steps to a target, and the critical batch size.

References
----------
McCandlish, Kaplan, Amodei, OpenAI Dota Team (2018), An empirical model of large-batch training, arXiv:1812.06162.
Ma, Bassily, Belkin (2018), The power of interpolation, ICML.
Zhang et al. (2019), Which algorithmic choices matter at which batch sizes? NeurIPS.
Shallue et al. (2019), Measuring the effects of data parallelism on neural network training, JMLR 20(112).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

from pipeline.lab.theory.curves import powers
from pipeline.lab.theory.dynamics import SGD, Initial, Moments, Rule, Sampling, noise_factor, overflowing
from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.symmetric import Array

_BLOCK = 256  # steps looked at in one matrix product


def first_step(losses: Array, target: float) -> float:
    """First index of a loss curve (steps + 1,) at or below ``target``; inf if there is none."""
    reached = np.flatnonzero(np.asarray(losses) <= target)
    return float(reached[0]) if len(reached) else math.inf


def _independent(problem: Problem, batch_size: int, sampling: Sampling) -> float:
    """Noise factor, for the samplings under which a step is one fixed operator."""
    if sampling == "without_replacement":
        raise ValueError(
            "a search over steps knows with_replacement and fresh_subset; for without_replacement "
            "use expected_loss and first_step"
        )
    return noise_factor(problem.n, batch_size, sampling)


def _steps(moments: Moments, start: Array, operator: Array, target: float, max_steps: float) -> float:
    """Steps to ``target``, interpolated in the logarithm of the excess loss; inf if not within about max_steps."""
    minimum = moments.problem.minimum
    loss = float(moments.loss_row @ start)
    if loss <= target:
        return 0.0
    if target <= minimum:
        return math.inf
    with overflowing():
        rows = powers(operator.T, moments.loss_row, _BLOCK)[1:]
        jump = np.linalg.matrix_power(operator, _BLOCK)
        state, done, ceiling = start, 0, 1e6 * loss
        while done < max_steps:
            losses = rows @ state
            reached = first_step(losses, target)
            if np.isfinite(reached):
                after = losses[int(reached)]
                before = losses[int(reached) - 1] if reached else loss
                drop = np.log((before - minimum) / max(after - minimum, 1e-300))
                return float(done + reached + min(1.0, np.log((before - minimum) / (target - minimum)) / drop))
            following = jump @ state
            settled = np.allclose(following, state, rtol=1e-13, atol=1e-16)
            if settled or not np.isfinite(losses[-1]) or losses[-1] > ceiling:
                return math.inf
            state, done, loss = following, done + _BLOCK, float(losses[-1])
    return math.inf


def steps_to_target(
    problem: Problem,
    initial: Initial,
    lr: float,
    batch_size: int,
    target: float,
    *,
    sampling: Sampling = "with_replacement",
    rule: Rule = SGD,
    max_steps: int = 10_000_000,
) -> float:
    """First step at which the expected loss is at or below ``target``.

    The step at which the *expected* loss gets there; single runs scatter around it, and the expected first time of
    a run is not the same number.

    Parameters
    ----------
    problem, initial, lr, batch_size, rule
        As in `pipeline.lab.theory.curves.expected_loss`, with a constant lr.
    target : float
        A loss (not an excess).
    sampling : {"with_replacement", "fresh_subset"}
    max_steps : int
        Give up after about this many steps.

    Returns
    -------
    float
        A whole number, or inf if the target is never reached: below the minimum or the noise floor, divergence, or
        more than ``max_steps``.

    Raises
    ------
    ValueError
        For ``without_replacement`` (use `expected_loss` and `first_step`), or a bad batch size.
    """
    moments, factor = Moments.of(problem, rule), _independent(problem, batch_size, sampling)
    steps = np.ceil(_steps(moments, moments.start(initial), moments.operator(lr, factor), target, max_steps))
    return float(steps) if steps <= max_steps else math.inf


def _search_lr(cost: Callable[[float], float], upper: float) -> tuple[float, float]:
    """Global minimum of a cost over (0, upper]: a logarithmic grid from the top down, then a bounded refinement."""
    grid = np.geomspace(upper, 1e-6 * upper, 85)
    costs = [cost(float(lr)) for lr in grid]
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]):
        return math.nan, math.inf
    ceiling = 10 * costs[best]  # the refinement fits parabolas, which inf would break
    low, high = np.log(grid[min(best + 1, len(grid) - 1)]), np.log(grid[max(best - 1, 0)])
    fine = minimize_scalar(
        lambda log_lr: min(cost(float(np.exp(log_lr))), ceiling), bounds=(low, high), method="bounded"
    )
    if fine.fun < costs[best]:
        return float(np.exp(fine.x)), float(fine.fun)
    return float(grid[best]), float(costs[best])


def best_lr(
    problem: Problem,
    initial: Initial,
    batch_size: int,
    steps: int,
    *,
    sampling: Sampling = "with_replacement",
    rule: Rule = SGD,
) -> tuple[float, float]:
    """Constant learning rate with the smallest expected loss after ``steps`` steps, and that loss.

    Looked for in (0, (1 + momentum) / lambda_min]: beyond that even the flattest direction gets worse with the
    learning rate. Near the optimum the loss is flat, so the lr is good to about four digits.

    Raises
    ------
    ValueError
        If ``steps`` < 1, for ``without_replacement``, or for a bad batch size.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1; got {steps}")
    moments, factor = Moments.of(problem, rule), _independent(problem, batch_size, sampling)
    start = moments.start(initial)

    def final_loss(lr: float) -> float:
        with overflowing():
            loss = float(moments.loss_row @ (np.linalg.matrix_power(moments.operator(lr, factor), steps) @ start))
        return loss if np.isfinite(loss) else math.inf

    return _search_lr(final_loss, (1 + rule.momentum) / float(problem.eigenvalues[0]))


def best_lr_to_target(
    problem: Problem,
    initial: Initial,
    batch_size: int,
    target: float,
    *,
    sampling: Sampling = "with_replacement",
    rule: Rule = SGD,
    max_steps: int = 10_000_000,
) -> tuple[float, float]:
    """Constant learning rate that brings the expected loss to ``target`` soonest, and the steps it takes.

    Steps are a real number here (interpolated between the two steps around the target), so that the optimum and a
    scaling curve are smooth; `numpy.ceil` gives whole steps. (nan, inf) if no learning rate gets there.
    """
    moments, factor = Moments.of(problem, rule), _independent(problem, batch_size, sampling)
    start, best = moments.start(initial), float(max_steps)

    def steps(lr: float) -> float:
        nonlocal best
        # A rate that is already slower than the best known one need not be followed to its end.
        taken = _steps(moments, start, moments.operator(lr, factor), target, best)
        best = min(best, taken)
        return taken

    return _search_lr(steps, (1 + rule.momentum) / float(problem.eigenvalues[0]))


def scaling_curve(
    problem: Problem,
    initial: Initial,
    batch_sizes: Sequence[int],
    target: float,
    *,
    sampling: Sampling = "with_replacement",
    rule: Rule = SGD,
) -> tuple[Array, Array]:
    """Best constant learning rate for each batch size, and the steps to ``target`` at it, both (len(batch_sizes),).

    Steps halve as b doubles (perfect scaling) until the noise no longer matters; the bend depends on the target.
    """
    found = [best_lr_to_target(problem, initial, b, target, sampling=sampling, rule=rule) for b in batch_sizes]
    return np.array([lr for lr, _ in found]), np.array([steps for _, steps in found])


def noise_scale(problem: Problem, theta: Array) -> float:
    r"""Gradient noise scale :math:`B = \mathrm{tr}\,\Sigma(\theta) / |G(\theta)|^2`, in examples.

    Sigma is the covariance over the data of one example's gradient, G the full gradient: with b = B independent
    draws a minibatch gradient's noise is as large as its signal. It grows without bound towards theta*.

    Parameters
    ----------
    problem : Problem
    theta : array (d,)

    Returns
    -------
    float
        inf where the gradient vanishes.

    References
    ----------
    McCandlish et al. (2018), arXiv:1812.06162, section 2: the "simple" noise scale.
    """
    squared = float(np.sum(problem.gradient(theta) ** 2))
    return float(np.trace(problem.gradient_covariance(theta))) / squared if squared > 0 else math.inf
