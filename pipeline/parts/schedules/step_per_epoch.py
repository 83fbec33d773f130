"""A large step down after each epoch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.parts.base import ScheduleConfig


@dataclass
class Config(ScheduleConfig):
    """Divide by ``divide_by`` after each epoch."""

    divide_by: float = 10.0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.divide_by", self.divide_by, above=0.0)


def step_per_epoch(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Divide the learning rate after each epoch (by 10: exercise 2 of the textbook's section).

    .. math:: f_t = d^{-e(t)}

    with :math:`e(t)` the epochs that are complete.

    Parameters
    ----------
    config : Config
        ``divide_by``: :math:`d`.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One in the first epoch, 1 / d in the second, and so on.
    """
    return config.divide_by ** -(np.arange(steps) // steps_per_epoch).astype(np.float64)
