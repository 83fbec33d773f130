r"""The least-squares problem: a linear model with a bias, and the moments of its data.

With parameter error :math:`\Delta = \theta - \theta^*`, residual :math:`r_i = y_i - x_i^T \theta^*`,
:math:`u_i = (-r_i, x_i)` and :math:`z = (1, \Delta)`, the error on one example is :math:`u_i^T z`. Hence

.. math:: L(\theta) = \tfrac12\, z^T U z, \qquad U = \tfrac1n \sum_i u_i u_i^T,

and every moment that the second moment of SGD needs sits in one operator, the fourth moment of u.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.lab.theory.symmetric import Array, smat, svec


@dataclass(frozen=True, eq=False)
class Problem:
    r"""Linear regression :math:`L(\theta) = \frac1{2n} \sum_i (x_i^T \theta - y_i)^2` and its data moments.

    Build it with `from_data`. All arrays are float64; losses are in squared units of the target.

    Attributes
    ----------
    minimizer : array (d,)
        theta*, the bias last.
    rows : array (n, d + 1)
        u_i = (-r_i, x_i): minus the residual at theta*, then the example with its constant 1.
    """

    minimizer: Array
    rows: Array

    @classmethod
    def from_data(cls, features: Array, target: Array, *, bias: bool = True) -> Problem:
        """Solve the least-squares problem and keep what its moments need.

        Parameters
        ----------
        features : array (n, k)
            One example a row, without the constant.
        target : array (n,)
        bias : bool
            Append the constant 1 as the last feature (d = k + 1); otherwise d = k.

        Raises
        ------
        ValueError
            If shapes disagree, a value is not finite, or the Hessian is singular (no unique minimum).
        """
        features, target = np.asarray(features, dtype=np.float64), np.asarray(target, dtype=np.float64)
        if features.ndim != 2 or target.shape != features.shape[:1]:
            raise ValueError(f"features must be (n, k) and target (n,); got {features.shape} and {target.shape}")
        if not (np.isfinite(features).all() and np.isfinite(target).all()):
            raise ValueError("features and target must be finite")
        design = np.column_stack([features, np.ones(len(features))]) if bias else features
        solution, _, rank, _ = np.linalg.lstsq(design, target, rcond=None)
        if rank < design.shape[1]:
            raise ValueError(f"the Hessian is singular: rank {rank} of {design.shape[1]}, so no unique minimum")
        minimizer = np.asarray(solution, dtype=np.float64)
        return cls(minimizer=minimizer, rows=np.column_stack([design @ minimizer - target, design]))

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.rows.shape[0])

    @property
    def d(self) -> int:
        """Number of parameters, bias included."""
        return int(self.rows.shape[1]) - 1

    @cached_property
    def second_moment(self) -> Array:
        r"""U = E[u u^T], (d + 1, d + 1): 2 L* and the Hessian on its diagonal, E[-r x] = 0 beside them."""
        second = self.rows.T @ self.rows / self.n
        # Zero by the normal equations; the rounding left there would let the mean drift away from theta*.
        second[0, 1:] = second[1:, 0] = 0.0
        return second

    @property
    def hessian(self) -> Array:
        """H = E[x x^T], (d, d)."""
        return self.second_moment[1:, 1:]

    @property
    def minimum(self) -> float:
        """L*, the loss at theta*."""
        return float(self.second_moment[0, 0] / 2)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the Hessian, ascending, (d,)."""
        return np.linalg.eigvalsh(self.hessian).astype(np.float64)

    @property
    def max_stable_lr_full_batch(self) -> float:
        """Full batch descends for 0 < lr < 2 / lambda_max."""
        return float(2 / self.eigenvalues[-1])

    @property
    def best_fixed_lr_full_batch(self) -> float:
        """2 / (lambda_max + lambda_min): the constant lr with the best worst-case rate (Polyak, 1964)."""
        return float(2 / (self.eigenvalues[-1] + self.eigenvalues[0]))

    @cached_property
    def products(self) -> Array:
        """svec(u_i u_i^T), (n, k) with k = (d + 1)(d + 2) / 2: example i's whole contribution to the loss."""
        return svec(self.rows[:, :, None] * self.rows[:, None, :])

    @cached_property
    def joint_fourth_moment(self) -> Array:
        """Matrix on svec of S -> E[u u^T S u u^T], (k, k): the fourth moments of the residual and the features."""
        return self.products.T @ self.products / self.n

    def loss(self, theta: Array) -> float:
        """L(theta) for theta (d,)."""
        state = np.concatenate([[1.0], np.asarray(theta) - self.minimizer])
        return float(state @ self.second_moment @ state / 2)

    def gradient(self, theta: Array) -> Array:
        """Full gradient at theta (d,): H (theta - theta*)."""
        result: Array = self.hessian @ (np.asarray(theta) - self.minimizer)
        return result

    def gradient_covariance(self, theta: Array) -> Array:
        """Covariance over the data of one example's gradient at theta (d,), (d, d), divided by n."""
        state = np.concatenate([[1.0], np.asarray(theta) - self.minimizer])
        gradient = self.gradient(theta)
        squares: Array = smat(self.joint_fourth_moment @ svec(np.outer(state, state)))[1:, 1:]
        return squares - np.outer(gradient, gradient)
