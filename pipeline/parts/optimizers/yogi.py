"""Yogi: Adam whose second moment changes by small steps only."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.parts.optimizers.adam import init_states

if TYPE_CHECKING:
    import torch

__all__ = ["init_states", "yogi"]


def yogi(params: "Sequence[torch.Tensor]", states: dict[str, Any], hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of Yogi, in place.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        s \leftarrow s + (1 - \beta_2)\,\mathrm{sign}(g^2 - s)\,g^2, \qquad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    Where gradients suddenly become small, Adam forgets the large ones and takes long steps; here
    :math:`s` then falls by no more than :math:`(1 - \beta_2) g^2`. The moments start from zero, as
    in the textbook.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : dict
        The time :math:`t` and the moments :math:`m, s`; see :func:`pipeline.parts.optimizers.adam.init_states`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``beta1``, ``beta2``: :math:`\beta_1, \beta_2`; ``eps``: :math:`\epsilon`.

    References
    ----------
    M. Zaheer, S. Reddi, D. Sachan, S. Kale, S. Kumar, "Adaptive methods for nonconvex
    optimization", NeurIPS 2018.
    """
    beta1, beta2 = hyperparams["beta1"], hyperparams["beta2"]
    states["t"] += 1
    # As in Adam: the fraction multiplied above and below by c.
    c = math.sqrt(1 - beta2 ** states["t"])
    eps = hyperparams["eps"] * c  # c eps
    lr = hyperparams["lr"] * (c / (1 - beta1 ** states["t"]))  # eta c / (1 - beta1^t)
    for p, (m, s) in zip(params, states["moments"], strict=True):
        g: Any = p.grad
        m.lerp_(g, 1 - beta1)
        squared = g * g
        s.addcmul_((squared - s).sign_(), squared, value=1 - beta2)
        p.data.addcdiv_(lr * m, s.sqrt().add_(eps), value=-1)
