"""Adam: momentum and RMSprop together, corrected for their start at zero."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def init_states(params: "Sequence[torch.Tensor]") -> dict[str, Any]:
    """Start at time 0 with no past gradients.

    Returns
    -------
    dict
        ``t``: steps taken; ``moments``: a list of (mean gradient, mean squared gradient), one
        pair for each parameter, in its shape.
    """
    return {"t": 0, "moments": [(p.new_zeros(p.shape), p.new_zeros(p.shape)) for p in params]}


def adam(params: "Sequence[torch.Tensor]", states: dict[str, Any], hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of Adam, in place.

    .. math::

        m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    The code computes the same fraction multiplied above and below by :math:`c = \sqrt{1 - \beta_2^t}`, so that both
    corrections are numbers and cost no operation on tensors:

    .. math::

        w \leftarrow w - \frac{\eta c}{1 - \beta_1^t} \, \frac{m}{\sqrt{s} + c \epsilon}

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : dict
        The time :math:`t` and the moments :math:`m, s`; see :func:`init_states`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``beta1``, ``beta2``: :math:`\beta_1, \beta_2`; ``eps``: :math:`\epsilon`.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """
    beta1, beta2 = hyperparams["beta1"], hyperparams["beta2"]
    states["t"] += 1
    c = math.sqrt(1 - beta2 ** states["t"])
    eps = hyperparams["eps"] * c  # c eps
    lr = hyperparams["lr"] * (c / (1 - beta1 ** states["t"]))  # eta c / (1 - beta1^t)
    for p, (m, s) in zip(params, states["moments"], strict=True):
        g: Any = p.grad
        m.lerp_(g, 1 - beta1)  # m <- beta1 m + (1 - beta1) g
        s.lerp_(g * g, 1 - beta2)  # s <- beta2 s + (1 - beta2) g^2
        p.data.addcdiv_(lr * m, s.sqrt().add_(eps), value=-1)  # w <- w - lr m / (sqrt(s) + eps)
