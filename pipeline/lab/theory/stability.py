r"""Compute the largest stable learning rate in mean square, and the stationary loss.

A rule is mean-square stable when the recursion of the second moment of (Delta, v) has spectral radius below 1. That
implies a stable mean (Jensen), and is stricter than it: SGD can diverge where full batch is stable.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq

from pipeline.lab.theory.dynamics import SGD, Moments, Rule, Sampling, noise_factor, overflowing
from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.symmetric import Array
from pipeline.lab.theory.without_replacement import epoch_batches, reshuffled_moments


def spectral_radius(moments: Moments, lr: float, noise_factor: float) -> float:
    """Spectral radius of the second-moment recursion, the constant and the mean left out."""
    # svec lists row 0 of the second moment (the constant and the mean) first.
    operator = moments.operator(lr, noise_factor)[moments.order :, moments.order :]
    return float(np.abs(np.linalg.eigvals(operator)).max())


def max_stable_lr(
    problem: Problem, batch_size: float, *, sampling: Sampling = "with_replacement", rule: Rule = SGD
) -> float:
    r"""Largest learning rate stable in mean square.

    For plain SGD :math:`S \mapsto S - \eta\,C_1 S + \eta^2 C_2 S` with C_1 S = HS + SH and C_2 S = E[G S G] (G the
    minibatch Hessian), both self-adjoint and C_1 > 0, so the stable set is the interval below

    .. math:: \eta_{\max} = 1 / \lambda_{\max}(C_1^{-1} C_2),

    which is 2 / lambda_max(H) for b -> infinity, and for normal, whitened features 2 b / (b + d + 1).
    With momentum it is the first crossing of spectral radius 1, found on a grid of 96 learning rates and refined.

    Parameters
    ----------
    problem : Problem
    batch_size : float
        b >= 1; ``math.inf`` (with replacement) is the full batch.
    sampling : {"with_replacement", "fresh_subset"}
    rule : Rule

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For ``without_replacement``, whose approximation is not reliable at the edge of stability.

    References
    ----------
    Défossez, Bach (2015), Averaged least-mean-squares, AISTATS: the largest step size as such an eigenvalue.
    Ma, Bassily, Belkin (2018), The power of interpolation, ICML: its dependence on the batch size.
    """
    if sampling == "without_replacement":
        raise ValueError("max_stable_lr knows with_replacement and fresh_subset; got without_replacement")
    factor = 0.0 if np.isinf(batch_size) else noise_factor(problem.n, int(batch_size), sampling)
    moments = Moments.of(problem, rule)
    if not rule.momentum:
        error = slice(moments.order, None)
        linear = -moments.drift[1][error, error]
        quadratic = (moments.drift[2] + factor * moments.noise[2])[error, error]
        return float(1 / eigh(quadratic, linear, eigvals_only=True)[-1])
    # The mean of heavy ball is stable up to here, and that of Nesterov less far; noise only lowers it.
    upper = 2 * (1 + rule.momentum) / float(problem.eigenvalues[-1])
    grid = np.geomspace(1e-6 * upper, upper * (1 + 1e-9), 96)
    stable = grid[0]
    for lr in grid[1:]:
        if spectral_radius(moments, lr, factor) >= 1:
            return float(brentq(lambda rate: spectral_radius(moments, rate, factor) - 1, stable, lr, xtol=1e-13))
        stable = lr
    return float(upper)


def stationary_moments(operator: Array) -> Array | None:
    """Fixed point s = operator @ s with the constant 1 kept, (k,); None if the recursion does not contract."""
    homogeneous, forcing = operator[1:, 1:], operator[1:, 0]
    if not np.isfinite(operator).all() or np.abs(np.linalg.eigvals(homogeneous)).max() >= 1:
        return None
    return np.concatenate([[1.0], np.linalg.solve(np.eye(len(forcing)) - homogeneous, forcing)])


def epoch_operator(moments: Moments, lr: float, batch_size: int) -> Array:
    """Matrix (k, k) from the second moment at the start of a reshuffled epoch to that at its end (approximate)."""
    steps = len(epoch_batches(moments.problem.n, batch_size))
    columns = reshuffled_moments(moments, np.eye(len(moments.loss_row)), np.full(steps, lr), batch_size)
    at_end: Array = columns[-1]
    return at_end


def noise_floor(
    problem: Problem, lr: float, batch_size: int, *, sampling: Sampling = "with_replacement", rule: Rule = SGD
) -> float:
    """Expected loss above the minimum once a constant learning rate has run for ever.

    Parameters
    ----------
    problem : Problem
    lr : float
    batch_size : int
    sampling : {"with_replacement", "fresh_subset", "without_replacement"}
        Without replacement it is the value at the end of an epoch, and approximate.
    rule : Rule

    Returns
    -------
    float
        E L - L* >= 0; inf where the recursion does not contract.
    """
    moments = Moments.of(problem, rule)
    factor = noise_factor(problem.n, batch_size, sampling)
    with overflowing():
        shuffled = sampling == "without_replacement"
        operator = epoch_operator(moments, lr, batch_size) if shuffled else moments.operator(lr, factor)
    stationary = stationary_moments(operator)
    # The constant's own share of the loss is the minimum; leaving it out avoids a cancellation.
    return math.inf if stationary is None else max(float(moments.loss_row[1:] @ stationary[1:]), 0.0)
