r"""Dynamics of SGD and momentum: one step as a linear map of the state and of its second moment.

The state is :math:`z = (1, \Delta)`, or :math:`z = (1, \Delta, v)` with a momentum buffer. A step is

.. math:: z_{t+1} = A z_t + B \xi_t, \qquad
          \xi_t = P\,(\tfrac1b \sum_{i \in B_t} u_i u_i^T - U)\,J z_t,

where J reads :math:`(1, \Delta)` off the state, P drops the first row, and xi is the minibatch's gradient noise.
For minibatches drawn independently of the past, :math:`S_t = E[z_t z_t^T]` follows the closed linear recursion

.. math:: S_{t+1} = A S_t A^T + c\, B P\, (E[u u^T \bar S u u^T] - U \bar S U)\, P^T B^T, \qquad \bar S = J S_t J^T,

with c = 1/b for b independent draws and c = (n - b) / (b (n - 1)) for a fresh subset of b examples. The mean (the
first row of S) and the second moment of the error travel together, cross terms with the residual included.
Since A and B are affine in the learning rate, every operator is a quadratic polynomial in it.

References
----------
Polyak (1964), Some methods of speeding up the convergence of iteration methods, USSR Comput. Math. Math. Phys. 4(5).
Sutskever, Martens, Dahl, Hinton (2013), On the importance of initialization and momentum in deep learning, ICML.
Défossez, Bach (2015), Averaged least-mean-squares: bias-variance trade-offs and optimal sampling distributions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.symmetric import Array, congruence, smat, svec

Sampling = Literal["with_replacement", "fresh_subset", "without_replacement"]


@dataclass(frozen=True, eq=False)
class Initial:
    """Mean (d,) and covariance (d, d) of the initial parameters theta_0, bias last; the buffer starts at zero."""

    mean: Array
    covariance: Array

    @classmethod
    def at(cls, theta: Array) -> Initial:
        """Start from exactly theta (d,)."""
        theta = np.asarray(theta, dtype=np.float64)
        return cls(theta, np.zeros((len(theta), len(theta))))

    @classmethod
    def normal(cls, d: int, std: float = 0.01) -> Initial:
        """Weights N(0, std^2) independently, bias (the last of d parameters) exactly 0."""
        return cls(np.zeros(d), np.diag([*[std**2] * (d - 1), 0.0]))


@dataclass(frozen=True, eq=False)
class Rule:
    """An update rule: v <- mu v + g, then theta <- theta - lr v (or, for Nesterov, theta - lr (g + mu v)).

    Momentum 0 is plain SGD and has no buffer. This is torch.optim.SGD without dampening.

    Raises
    ------
    ValueError
        If momentum is outside [0, 1), or Nesterov is asked for without momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1); got {self.momentum}")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum > 0")

    def order(self, d: int) -> int:
        """Length of the state z for d parameters."""
        return 1 + d * (2 if self.momentum else 1)

    def maps(self, problem: Problem, lr: float) -> tuple[Array, Array]:
        """A (p, p) and B (p, d) of z <- A z + B xi for one learning rate."""
        d, mu = problem.d, self.momentum
        identity, order = np.eye(d), self.order(d)
        mean, noise = np.eye(order), np.zeros((order, d))
        error, buffer = slice(1, d + 1), slice(d + 1, order)
        # What the step takes from g itself, and from the old buffer.
        from_gradient, from_buffer = (1 + mu, mu**2) if self.nesterov else (1.0, mu)
        mean[error, error] = identity - lr * from_gradient * problem.hessian
        noise[error] = -lr * from_gradient * identity
        if mu:
            mean[error, buffer] = -lr * from_buffer * identity
            mean[buffer, error] = problem.hessian
            mean[buffer, buffer] = mu * identity
            noise[buffer] = identity
        return mean, noise


SGD = Rule()


def overflowing() -> np.errstate:
    """A run that diverges overflows in silence: its loss is reported as infinite."""
    return np.errstate(over="ignore", invalid="ignore")


def quadratic_in_lr(build: Callable[[float], Array]) -> Array:
    """Coefficients (3, ...) of an array that is a quadratic polynomial in lr, from its values at -1, 0 and 1."""
    below, at_zero, above = build(-1.0), build(0.0), build(1.0)
    return np.stack([at_zero, (above - below) / 2, (above + below) / 2 - at_zero])


def evaluate(coefficients: Array, lr: float) -> Array:
    """Value at lr of a polynomial from `quadratic_in_lr`."""
    result: Array = coefficients[0] + lr * (coefficients[1] + lr * coefficients[2])
    return result


@dataclass(frozen=True, eq=False)
class Moments:
    """The second-moment recursion of one rule on one problem, for every lr and noise factor.

    Attributes
    ----------
    order : int
        p, the length of the state; second moments are vectors of length k = p (p + 1) / 2.
    drift, noise : array (3, k, k)
        S -> A S A^T, and the noise term at c = 1, as polynomials in lr.
    loss_row : array (k,)
        Expected loss of a second moment s: ``loss_row @ s``.
    """

    problem: Problem
    rule: Rule
    order: int
    drift: Array
    noise: Array
    loss_row: Array

    @classmethod
    def of(cls, problem: Problem, rule: Rule = SGD) -> Moments:
        """Operators of ``rule`` on ``problem``."""
        order, d = rule.order(problem.d), problem.d
        read = congruence(np.eye(d + 1, order))
        centred = (problem.joint_fourth_moment - congruence(problem.second_moment)) @ read

        def noise(lr: float) -> Array:
            inject = rule.maps(problem, lr)[1] @ np.eye(d + 1)[1:]
            result: Array = congruence(inject) @ centred
            return result

        return cls(
            problem=problem,
            rule=rule,
            order=order,
            drift=quadratic_in_lr(lambda lr: congruence(rule.maps(problem, lr)[0])),
            noise=quadratic_in_lr(noise),
            loss_row=svec(problem.second_moment) @ read / 2,
        )

    def operator(self, lr: float, noise_factor: float) -> Array:
        """Matrix (k, k) that takes svec(S_t) to svec(S_{t+1})."""
        return evaluate(self.drift, lr) + noise_factor * evaluate(self.noise, lr)

    def start(self, initial: Initial) -> Array:
        """svec(S_0), (k,), of an initial distribution.

        Raises
        ------
        ValueError
            If the initial mean or covariance does not have the problem's d.
        """
        d = self.problem.d
        if np.shape(initial.mean) != (d,) or np.shape(initial.covariance) != (d, d):
            raise ValueError(
                f"initial mean and covariance must be ({d},) and ({d}, {d}), bias last; "
                f"got {np.shape(initial.mean)} and {np.shape(initial.covariance)}"
            )
        mean = np.zeros(self.order)
        mean[0], mean[1 : d + 1] = 1.0, initial.mean - self.problem.minimizer
        second = np.outer(mean, mean)
        second[1 : d + 1, 1 : d + 1] += initial.covariance
        return svec(second)

    def split(self, moments: Array) -> tuple[Array, Array]:
        """Mean (..., d) and covariance (..., d, d) of the parameter error in second moments (..., k)."""
        second, error = smat(moments), slice(1, self.problem.d + 1)
        mean = second[..., 0, error]
        return mean, second[..., error, error] - mean[..., :, None] * mean[..., None, :]


def noise_factor(n: int, batch_size: int, sampling: Sampling = "with_replacement") -> float:
    """Variance of a minibatch mean, as a multiple of the variance of one example.

    Parameters
    ----------
    n, batch_size : int
    sampling : {"with_replacement", "fresh_subset", "without_replacement"}
        1 / b for independent draws; (n - b) / (b (n - 1)) for a subset of b distinct examples.

    Raises
    ------
    ValueError
        If batch_size < 1, or batch_size > n for a subset, or the sampling is unknown.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}")
    if sampling == "with_replacement":
        return 1 / batch_size
    if sampling not in ("fresh_subset", "without_replacement"):
        raise ValueError(f"sampling must be with_replacement, fresh_subset or without_replacement; got {sampling!r}")
    if batch_size > n:
        raise ValueError(f"batch_size must be at most n = {n} without replacement; got {batch_size}")
    return (n - batch_size) / (batch_size * (n - 1)) if n > 1 else 0.0
