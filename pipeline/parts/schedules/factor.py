"""Exponential decay, in stairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.parts.base import ScheduleConfig


@dataclass
class Config(ScheduleConfig):
    """Multiply by ``factor`` after each ``every``, down to ``floor``."""

    factor: float = 0.9
    floor: float = 0.0
    every: str = "epoch"

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.factor", self.factor, above=0.0)
        checks.number("schedule.floor", self.floor, least=0.0)
        checks.one_of("schedule.every", self.every, ("epoch", "step"))


def factor(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Multiply the learning rate by a factor after each epoch, or each step.

    .. math:: f_t = \max(f_\mathrm{floor}, \alpha^t)

    with :math:`t` the epochs, or the steps, that are complete.

    Parameters
    ----------
    config : Config
        ``factor``: :math:`\alpha`; ``floor``; ``every``: ``epoch`` or ``step``.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One, then falling (or rising, where the factor is above 1).
    """
    t = np.arange(steps) // (steps_per_epoch if config.every == "epoch" else 1)
    return np.maximum(config.floor, config.factor ** t.astype(np.float64))
