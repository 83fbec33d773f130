"""Nesterov's accelerated gradient."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.parts.optimizers.momentum import init_states

if TYPE_CHECKING:
    import torch

__all__ = ["init_states", "nesterov"]


def nesterov(
    params: "Sequence[torch.Tensor]", states: "Sequence[torch.Tensor]", hyperparams: Mapping[str, Any]
) -> None:
    r"""Take one step of Nesterov momentum, in place.

    .. math:: v \leftarrow \mu v + g, \qquad w \leftarrow w - \eta (g + \mu v)

    This is the form in which the gradient is taken at the parameters themselves: they stand
    for the looked-ahead point of the original.

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
    Y. Nesterov, "A method of solving a convex programming problem with convergence rate
    O(1/k^2)", Soviet Mathematics Doklady 27 (1983); in this form I. Sutskever et al., "On the
    importance of initialization and momentum in deep learning", ICML 2013.
    """
    for p, v in zip(params, states, strict=True):
        g: Any = p.grad
        v.mul_(hyperparams["momentum"]).add_(g)
        ahead = g.add(v, alpha=hyperparams["momentum"])
        p.data.sub_(ahead.mul_(hyperparams["lr"]))
