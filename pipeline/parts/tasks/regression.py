"""Regression: half the mean squared error."""

from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import UserError
from pipeline.parts.tasks import Task

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def regression() -> Task:
    r"""Learn a number: the loss is :math:`\frac{1}{2b} \sum_i (\hat y_i - y_i)^2`, as in the chapter."""
    from torch.nn import functional as F

    return Task(F.mse_loss, targets=targets, scale=0.5)


def targets(y: "NDArray[Any]") -> "torch.Tensor":
    """Numbers, float32 of shape (n, 1).

    Raises
    ------
    UserError
        If they are classes.
    """
    import torch

    if y.dtype.kind != "f":
        raise UserError(
            "data.task=regression is not allowed: the targets are classes; use data.task=classification, or binary "
            "where there are two"
        )
    return torch.from_numpy(y).unsqueeze(1)
