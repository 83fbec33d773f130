"""Vectorise symmetric matrices, so that a linear map between them is an ordinary matrix.

``svec`` stacks the upper triangle row by row with off-diagonal entries times sqrt(2), so that
``svec(S) @ svec(R) == trace(S @ R)``: a self-adjoint map of symmetric matrices becomes a symmetric matrix,
and its eigenvalues come from ``eigh``.

References
----------
Alizadeh, Haeberly, Overton (1998), Primal-dual interior-point methods for semidefinite programming: convergence
rates, stability and numerical results, SIAM J. Optim. 8(3): ``svec`` and the symmetric Kronecker product.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@lru_cache(maxsize=32)
def _upper(order: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Row and column of every upper-triangle entry, and its weight (1 on the diagonal, sqrt(2) off it)."""
    rows, columns = np.triu_indices(order)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))


def svec(matrices: Array) -> Array:
    """Symmetric matrices as vectors, with the inner product kept.

    Parameters
    ----------
    matrices : array (..., p, p)
        Symmetric; only the upper triangle is read.

    Returns
    -------
    array (..., p (p + 1) / 2)
    """
    rows, columns, weight = _upper(matrices.shape[-1])
    result: Array = matrices[..., rows, columns] * weight
    return result


def smat(vectors: Array) -> Array:
    """Inverse of `svec`.

    Parameters
    ----------
    vectors : array (..., p (p + 1) / 2)

    Returns
    -------
    array (..., p, p)

    Raises
    ------
    ValueError
        If the length is not p (p + 1) / 2 for a whole p.
    """
    length = vectors.shape[-1]
    order = (isqrt(8 * length + 1) - 1) // 2
    if order * (order + 1) // 2 != length:
        raise ValueError(f"length {length} is not p (p + 1) / 2 for a whole number p")
    rows, columns, weight = _upper(order)
    matrices = np.zeros((*vectors.shape[:-1], order, order))
    matrices[..., rows, columns] = vectors / weight
    matrices[..., columns, rows] = matrices[..., rows, columns]
    return matrices


def congruence(left: Array, right: Array | None = None) -> Array:
    r"""Matrix of :math:`S \mapsto \frac12 (A S B^T + B S A^T)` on `svec` (the symmetric Kronecker product).

    Parameters
    ----------
    left : array (..., q, p)
        A; leading axes are broadcast.
    right : array (..., q, p), optional
        B; A itself if left out, which gives S -> A S A^T.

    Returns
    -------
    array (..., q (q + 1) / 2, p (p + 1) / 2)
    """
    right = left if right is None else right
    order = left.shape[-1]
    basis = smat(np.eye(order * (order + 1) // 2))
    product = left[..., None, :, :] @ basis @ np.swapaxes(right, -1, -2)[..., None, :, :]
    image = svec((product + np.swapaxes(product, -1, -2)) / 2)
    return np.swapaxes(image, -1, -2)
