"""Lion: the sign of the momentum."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.parts.optimizers.momentum import init_states

if TYPE_CHECKING:
    import torch

__all__ = ["init_states", "lion"]


def lion(params: "Sequence[torch.Tensor]", states: "Sequence[torch.Tensor]", hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of Lion, in place.

    .. math::

        c = \beta_1 m + (1 - \beta_1) g, \qquad
        w \leftarrow (1 - \eta \lambda) w - \eta\,\mathrm{sign}(c), \qquad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    Every coordinate moves by :math:`\eta` in each step, whatever the gradient's size.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : sequence of torch.Tensor
        The mean gradients :math:`m`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``beta1``, ``beta2``: :math:`\beta_1, \beta_2`; ``weight_decay``: :math:`\lambda`.

    References
    ----------
    X. Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.
    """
    lr, weight_decay = hyperparams["lr"], hyperparams["weight_decay"]
    for p, m in zip(params, states, strict=True):
        g: Any = p.grad
        step = m.lerp(g, 1 - hyperparams["beta1"]).sign_()
        m.lerp_(g, 1 - hyperparams["beta2"])
        if weight_decay:
            step.add_(p.data, alpha=weight_decay)
        p.data.sub_(step.mul_(lr))
