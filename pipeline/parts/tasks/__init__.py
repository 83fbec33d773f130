"""The tasks, what is learnt: one file each, a function ``NAME()`` that returns a :class:`Task`.

``OUTPUTS = "classes"`` in its file says that it learns classes; without it a model must predict ``values``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import parts

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Task:
    """A loss, ``scale * criterion(prediction, target)``, and how well it went on examples held out.

    Parameters
    ----------
    criterion : callable
        Mean over the examples of a minibatch, each of which has a loss of its own.
    targets : callable
        From a data set's targets, an array of shape (n,), to the tensor that the criterion takes.
    scale : float
        A backward pass that starts from it saves multiplying the loss, forward and backward: a tenth of a step.
    accuracy : callable, optional
        From predictions and targets to the share of examples that are right, from 0 to 1.
    """

    criterion: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
    targets: "Callable[[NDArray[Any]], torch.Tensor]"
    scale: float = 1.0
    accuracy: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor | float] | None" = None


def load(name: str) -> Task:
    """Look a task up by its name."""
    task: Task = parts.load("task", name).function()
    return task


def outputs(name: str) -> str:
    """What a model must predict for a task, ``values`` or ``classes``."""
    return str(getattr(parts.load("task", name).module, "OUTPUTS", "values"))
