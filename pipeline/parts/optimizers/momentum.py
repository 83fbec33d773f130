"""Gradient descent with heavy-ball momentum."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def init_states(params: "Sequence[torch.Tensor]") -> "list[torch.Tensor]":
    """Start with no velocity.

    Returns
    -------
    list of torch.Tensor
        The velocity of each parameter, in its shape.
    """
    return [p.new_zeros(p.shape) for p in params]


def momentum(
    params: "Sequence[torch.Tensor]", states: "Sequence[torch.Tensor]", hyperparams: Mapping[str, Any]
) -> None:
    r"""Take one step along the leaky sum of past gradients, in place.

    .. math:: v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta v

    The sum is not damped: in a constant direction the step grows to :math:`\eta / (1 - \mu)`.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : sequence of torch.Tensor
        The velocities :math:`v`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``momentum``: :math:`\mu`.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR
    Computational Mathematics and Mathematical Physics 4 (1964).
    """
    for p, v in zip(params, states, strict=True):
        g: Any = p.grad
        v.mul_(hyperparams["momentum"]).add_(g)
        p.data.sub_(hyperparams["lr"] * v)
