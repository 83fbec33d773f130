"""What is learnt: the loss that is minimised, and how well it went on examples held out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch.nn import functional as F


@dataclass(frozen=True)
class Task:
    """A loss, ``scale * criterion(prediction, target)``.

    Parameters
    ----------
    criterion : callable
        Mean over the examples of a minibatch.
    scale : float
        A backward pass that starts from it saves multiplying the loss, forward and backward: a tenth of a step.
    targets : callable
        From a data set's targets to the tensor that the criterion takes.
    classes : bool
        Whether the prediction's largest element names a class, so that there is an accuracy.
    """

    criterion: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    scale: float
    targets: Callable[[NDArray[Any]], torch.Tensor]
    classes: bool


#: By :attr:`pipeline.lab.config.data.DataConfig.task`.
TASKS = {
    # half the mean squared error, as in the chapter
    "regression": Task(F.mse_loss, 0.5, lambda y: torch.from_numpy(y).unsqueeze(1), classes=False),
    "classification": Task(F.cross_entropy, 1.0, torch.from_numpy, classes=True),
}


@torch.no_grad()
def accuracy(net: torch.nn.Module, X: torch.Tensor, y: torch.Tensor) -> float:
    """Share of the examples whose largest logit is that of their class.

    Parameters
    ----------
    net : torch.nn.Module
        From ``(n, ...)`` to logits ``(n, classes)``.
    X : Tensor of shape (n, ...)
        Examples.
    y : Tensor of int64, shape (n,)
        Their classes.

    Returns
    -------
    float
        From 0 to 1.
    """
    return float((net(X).argmax(dim=1) == y).double().mean())
