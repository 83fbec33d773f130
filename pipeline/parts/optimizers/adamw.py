"""AdamW: Adam with weight decay beside the gradient, not inside it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.parts.optimizers.adam import adam, init_states

if TYPE_CHECKING:
    import torch

__all__ = ["adamw", "init_states"]


def adamw(params: "Sequence[torch.Tensor]", states: dict[str, Any], hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of AdamW, in place.

    .. math:: w \leftarrow (1 - \eta \lambda) w

    and then a step of Adam with the gradient taken before the decay.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient.
    states : dict
        The time and the moments; see :func:`pipeline.parts.optimizers.adam.init_states`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``weight_decay``: :math:`\lambda`; ``beta1``, ``beta2``, ``eps``: Adam's.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """
    keep = 1 - hyperparams["lr"] * hyperparams["weight_decay"]
    for p in params:
        p.data.mul_(keep)
    adam(params, states, hyperparams)
