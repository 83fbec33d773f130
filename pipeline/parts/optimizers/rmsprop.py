"""RMSprop: Adagrad that forgets."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def init_states(params: "Sequence[torch.Tensor]") -> "list[torch.Tensor]":
    """Start with no past gradients.

    Returns
    -------
    list of torch.Tensor
        The mean squared gradient of each parameter, in its shape.
    """
    return [p.new_zeros(p.shape) for p in params]


def rmsprop(params: "Sequence[torch.Tensor]", states: "Sequence[torch.Tensor]", hyperparams: Mapping[str, Any]) -> None:
    r"""Take one step of RMSprop, in place.

    .. math::

        s \leftarrow \alpha s + (1 - \alpha) g^2, \qquad
        w \leftarrow w - \eta \frac{g}{\sqrt{s + \epsilon_\mathrm{root}} + \epsilon}

    torch.optim has :math:`\epsilon` alone (``eps_root`` 0); the textbook's version from scratch has
    :math:`\epsilon_\mathrm{root}` alone (``eps`` 0, ``eps_root`` 1e-6), and calls :math:`\alpha` gamma.

    Parameters
    ----------
    params : sequence of torch.Tensor
        The parameters :math:`w`; each ``.grad`` is the minibatch gradient :math:`g`.
    states : sequence of torch.Tensor
        The mean squared gradients :math:`s`.
    hyperparams : mapping
        ``lr``: :math:`\eta`, a number or a tensor that broadcasts against each parameter;
        ``alpha``: :math:`\alpha`; ``eps``: :math:`\epsilon`; ``eps_root``: :math:`\epsilon_\mathrm{root}`.

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural Networks for Machine
    Learning (2012).
    """
    forget = 1 - hyperparams["alpha"]
    for p, s in zip(params, states, strict=True):
        g: Any = p.grad
        s.lerp_(g * g, forget)
        root = s.add(hyperparams["eps_root"]).sqrt_().add_(hyperparams["eps"])
        p.data.addcdiv_(hyperparams["lr"] * g, root, value=-1)
