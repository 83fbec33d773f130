"""Classification: the cross-entropy of the logits, and the share of classes that are right."""

from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import UserError
from pipeline.parts.tasks import Task

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

OUTPUTS = "classes"


def classification() -> Task:
    """Learn a class."""
    from torch.nn import functional as F

    return Task(F.cross_entropy, targets=targets, accuracy=accuracy)


def targets(y: "NDArray[Any]") -> "torch.Tensor":
    """Classes, int64 of shape (n,).

    Raises
    ------
    UserError
        If they are no whole numbers from 0.
    """
    import torch

    if y.dtype.kind not in "iu" or (len(y) and y.min() < 0):
        raise UserError(
            "data.task=classification is not allowed: the targets are no classes, whole numbers 0, 1, ...; use "
            "data.task=regression for numbers"
        )
    return torch.from_numpy(y).long()


def accuracy(prediction: "torch.Tensor", target: "torch.Tensor") -> "torch.Tensor":
    """Share of the examples whose largest logit is that of their class.

    Parameters
    ----------
    prediction : Tensor of shape (n, classes)
        Logits.
    target : Tensor of int64, shape (n,)
        The classes.

    Returns
    -------
    Tensor of float64, shape ()
        From 0 to 1.
    """
    return (prediction.argmax(dim=1) == target).double().mean()
