"""Adadelta: steps in the units of the parameters."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def init_states(params: "Sequence[torch.Tensor]") -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Start with no past gradients and no past steps.

    Returns
    -------
    list of (torch.Tensor, torch.Tensor)
        The mean squared gradient and the mean squared step of each parameter, in its shape.
    """
    return [(p.new_zeros(p.shape), p.new_zeros(p.shape)) for p in params]


def adadelta(
    params: "Sequence[torch.Tensor]",
    states: "Sequence[tuple[torch.Tensor, torch.Tensor]]",
    hyperparams: Mapping[str, Any],
) -> None:
    r"""Take one step of Adadelta, in place.

    .. math::

        s \leftarrow \rho s + (1 - \rho) g^2, \qquad
        d = \frac{\sqrt{u + \epsilon}}{\sqrt{s + \epsilon}} g, \qquad
        u \leftarrow \rho u + (1 - \rho) d^2, \qquad
        w \leftarrow w - \eta d

    The paper and the textbook have no learning rate: :math:`\eta = 1`. The first steps are as
    small as :math:`\sqrt{\epsilon}`, so ``eps`` decides how fast it starts.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : sequence of (torch.Tensor, torch.Tensor)
        The mean squared gradients :math:`s` and the mean squared steps :math:`u`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``rho``: :math:`\rho`; ``eps``: :math:`\epsilon`.

    References
    ----------
    M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701 (2012).
    """
    eps, forget = hyperparams["eps"], 1 - hyperparams["rho"]
    for p, (s, u) in zip(params, states, strict=True):
        g: Any = p.grad
        s.lerp_(g * g, forget)
        step = u.add(eps).div_(s + eps).sqrt_().mul_(g)
        u.lerp_(step * step, forget)
        p.data.sub_(step.mul_(hyperparams["lr"]))
