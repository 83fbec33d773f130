"""Two classes by one logit: the binary cross-entropy, and the share of classes that are right."""

from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import UserError
from pipeline.parts.tasks import Task

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def binary() -> Task:
    r"""Learn which of two classes: the loss is the mean of :math:`\log(1 + e^{-s_i z_i})`, :math:`s_i = \pm 1`."""
    from torch.nn import functional as F

    return Task(F.binary_cross_entropy_with_logits, targets=targets, accuracy=accuracy)


def targets(y: "NDArray[Any]") -> "torch.Tensor":
    """Zeros and ones, float32 of shape (n, 1).

    Raises
    ------
    UserError
        If there are others.
    """
    import torch

    found = torch.from_numpy(y)
    if not bool(((found == 0) | (found == 1)).all()):
        other = found[(found != 0) & (found != 1)][0].item()
        raise UserError(f"data.task=binary is not allowed: a target is {other:g}, and all must be 0 or 1")
    return found.float().unsqueeze(1)


def accuracy(prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
    """Share of the examples whose logit is above 0 where the target is 1, and at most 0 where it is 0."""
    return ((prediction > 0) == (target > 0.5)).double().mean()
