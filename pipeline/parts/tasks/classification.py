"""Classification: the cross-entropy of the logits, and the share of classes that are right."""

from typing import TYPE_CHECKING

from pipeline.parts.tasks import Task

if TYPE_CHECKING:
    import torch

OUTPUTS = "classes"


def classification() -> Task:
    """Learn a class."""
    import torch
    from torch.nn import functional as F

    return Task(F.cross_entropy, targets=torch.from_numpy, accuracy=accuracy)


def accuracy(prediction: "torch.Tensor", target: "torch.Tensor") -> float:
    """Share of the examples whose largest logit is that of their class.

    Parameters
    ----------
    prediction : Tensor of shape (n, classes)
        Logits.
    target : Tensor of int64, shape (n,)
        The classes.

    Returns
    -------
    float
        From 0 to 1.
    """
    return float((prediction.argmax(dim=1) == target).double().mean())
