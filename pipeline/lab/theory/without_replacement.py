r"""Approximate the expected loss for one permutation per epoch, to first order in the sampling correlations.

Let :math:`w_i = \mathrm{svec}(u_i u_i^T - U)`, and :math:`q_k` the sum of w over the examples used so far in the epoch.
The minibatch that comes next is drawn from what is left, so with M examples left

.. math:: E[\bar w_k \mid \text{past}] = -q_k / M \quad \text{(exactly)}.

The recursion carries :math:`S = E[z z^T]` and :math:`R = E[q \otimes z z^T] / M`, and closes the hierarchy by one
assumption: E[q q^T z z^T] and the like are products of the exact finite-population moment of the sampling and S.
R starts every epoch at zero, as q does. With b = n it is the full batch, exactly; with n -> infinity it is
sampling with replacement.

References
----------
Ying, Yuan, Vlaski, Sayed (2019), Stochastic learning under random reshuffling with constant step-sizes, IEEE TSP 67(2).
Gurbuzbalaban, Ozdaglar, Parrilo (2021), Why random reshuffling beats stochastic gradient descent, Math. Program. 186.
Mishchenko, Khaled, Richtarik (2020), Random reshuffling: simple analysis with vast improvements, NeurIPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.lab.theory.dynamics import Moments, evaluate, noise_factor, quadratic_in_lr
from pipeline.lab.theory.symmetric import Array, congruence, smat


@dataclass(frozen=True, eq=False)
class _Closure:
    """Operators of one epoch, each a quadratic polynomial in lr on its first axis (f features, k moments).

    ``cross[b]`` is S -> V_b S A^T + A S V_b^T for the noise map V_b of feature b; ``pair`` and ``triple`` are
    its averages with the data's covariance and third moment of w.
    """

    drift: Array  # (3, k, k)
    noise: Array  # (3, k, k)
    cross: Array  # (3, k, f k)
    pair: Array  # (3, f k, k)
    triple: Array  # (3, f k, k)

    @classmethod
    def of(cls, moments: Moments) -> _Closure:
        problem, rule = moments.problem, moments.rule
        size, order = len(moments.loss_row), moments.order
        products = problem.products
        centred = products - products.mean(axis=0)
        covariance = centred.T @ centred / problem.n
        features = len(covariance)
        read = np.eye(problem.d + 1, order)
        basis = smat(np.eye(features))
        weighted = np.einsum("ia,ib,ic->abc", centred, products, products, optimize=True) / problem.n
        # E[w_a (u u^T - U) S (u u^T - U)], for every a.
        third = (weighted - 2 * congruence(problem.second_moment, smat(covariance))) @ congruence(read)

        def cross(lr: float) -> Array:
            mean, inject = rule.maps(problem, lr)
            return 2 * congruence(inject @ np.eye(problem.d + 1)[1:] @ basis @ read, mean)

        def triple(lr: float) -> Array:
            inject = rule.maps(problem, lr)[1] @ np.eye(problem.d + 1)[1:]
            result: Array = congruence(inject) @ third
            return result

        by_feature = quadratic_in_lr(cross)
        pair = np.einsum("ab,lbij->laij", covariance, by_feature)
        return cls(
            drift=moments.drift,
            noise=moments.noise,
            cross=by_feature.transpose(0, 2, 1, 3).reshape(3, size, features * size),
            pair=pair.reshape(3, features * size, size),
            triple=quadratic_in_lr(triple).reshape(3, features * size, size),
        )

    def at(self, lr: float) -> tuple[Array, Array, Array, Array, Array]:
        """The five operators for one learning rate."""
        return (
            evaluate(self.drift, lr),
            evaluate(self.noise, lr),
            evaluate(self.cross, lr),
            evaluate(self.pair, lr),
            evaluate(self.triple, lr),
        )


def epoch_batches(n: int, batch_size: int) -> list[int]:
    """Minibatch sizes of one epoch: all b but a short last one."""
    whole, rest = divmod(n, batch_size)
    return [batch_size] * whole + ([rest] if rest else [])


def reshuffled_moments(moments: Moments, start: Array, rates: Array, batch_size: int) -> Array:
    """svec(E[z z^T]) after every step of reshuffled minibatches: approximate, see the module.

    Parameters
    ----------
    moments : Moments
    start : array (k,) or (k, m)
        svec of the initial second moment; m columns are carried at once (the map is linear).
    rates : array (steps,)
        Learning rate of each step.
    batch_size : int

    Returns
    -------
    array (steps + 1, k) or (steps + 1, k, m)
    """
    n, sizes = moments.problem.n, epoch_batches(moments.problem.n, batch_size)
    closure = _Closure.of(moments)
    columns = start.reshape(len(start), -1)
    features = closure.cross.shape[2] // len(start)
    trajectory = np.empty((len(rates) + 1, *columns.shape))
    trajectory[0] = columns
    lr = np.nan
    for step, rate in enumerate(rates):
        position = step % len(sizes)
        if position == 0:  # an epoch remembers nothing of the one before
            memory = np.zeros((features * len(start), columns.shape[1]))
        if rate != lr:
            lr = float(rate)
            drift, noise, cross, pair, triple = closure.at(lr)
        size, second = sizes[position], trajectory[step]
        independent = drift + noise_factor(n, size, "without_replacement") * noise
        trajectory[step + 1] = independent @ second - cross @ memory
        if position + 1 < len(sizes):
            skew = (n - 2 * size) / (size * (n - 1) * (n - 2)) if n > 2 else 0.0
            carried = independent @ memory.reshape(features, *columns.shape)
            memory = carried.reshape(memory.shape) + pair @ second / (n - 1) + skew * (triple @ second)
    return trajectory.reshape(len(rates) + 1, *start.shape)
