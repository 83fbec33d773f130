"""Stochastic gradient descent."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def sgd(params: "Sequence[torch.Tensor]", states: None, hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of (minibatch) stochastic gradient descent, in place.

    .. math:: w \leftarrow w - \eta g

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : None
        The rule remembers nothing.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter.

    References
    ----------
    H. Robbins, S. Monro, "A stochastic approximation method", Annals of Mathematical
    Statistics 22 (1951).
    """
    for p in params:
        p.data.sub_(hyperparams["lr"] * p.grad)
