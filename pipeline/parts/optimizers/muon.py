"""Muon: momentum whose matrices are made orthogonal; AdamW for all that is no matrix."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.parts.optimizers.momentum import init_states

if TYPE_CHECKING:
    import torch

__all__ = ["REST", "init_states", "muon", "takes"]

#: The rule of the parameters that are no matrices.
REST = "adamw"

#: Coefficients of the quintic iteration: steep at zero, so that few steps bring small singular values near 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def takes(p: "torch.Tensor") -> bool:
    """Whether a parameter is a matrix."""
    return p.dim() == 2


def muon(params: "Sequence[torch.Tensor]", states: "Sequence[torch.Tensor]", hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of Muon, in place.

    .. math::

        v \leftarrow \mu v + (1 - \mu) g, \qquad
        O = \mathrm{NS}((1 - \mu) g + \mu v), \qquad
        w \leftarrow (1 - \eta \lambda) w - \eta \sqrt{\max(1, r / c)}\, O

    :math:`\mathrm{NS}` replaces the singular values of a matrix of r rows and c columns by numbers near 1, so that a
    step is as long in every direction of the layer; see :func:`orthogonalized`.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The matrices :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : sequence of torch.Tensor
        The velocities :math:`v`.
    hyperparams : mapping
        ``lr``: :math:`\eta`; ``momentum``: :math:`\mu`; ``weight_decay``: :math:`\lambda`; ``ns_steps``: iterations;
        ``eps``: the least norm that a velocity is divided by. What begins with ``rest_`` is for the other parameters.

    References
    ----------
    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks",
    https://kellerjordan.github.io/posts/muon/ (2024).
    """
    lr, mu = hyperparams["lr"], hyperparams["momentum"]
    for w, v in zip(params, states, strict=True):
        g: Any = w.grad
        v.mul_(mu).add_(g * (1 - mu))
        step = orthogonalized(g * (1 - mu) + v * mu, int(hyperparams["ns_steps"]), hyperparams["eps"])
        w.data.mul_(1 - lr * hyperparams["weight_decay"])
        w.data.sub_(step * (lr * math.sqrt(max(1, w.shape[0] / w.shape[1]))))


def orthogonalized(matrix: "torch.Tensor", steps: int, eps: float) -> "torch.Tensor":
    r"""Bring the singular values of a matrix near 1, by Newton-Schulz iterations.

    .. math:: X \leftarrow a X + (b X X^\top + c (X X^\top)^2) X

    Parameters
    ----------
    matrix : Tensor of shape (r, c)
        Any matrix.
    steps : int
        Iterations; five bring singular values of 0.01 and more of the norm to 0.7 - 1.2.
    eps : float
        The least Frobenius norm to divide by.

    Returns
    -------
    Tensor of shape (r, c)
        With the singular vectors of the matrix.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[0] <= matrix.shape[1]
    x: torch.Tensor = matrix if wide else matrix.T  # the smaller of the two products
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.T
