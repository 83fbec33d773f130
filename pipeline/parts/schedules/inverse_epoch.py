"""The decay that stochastic approximation asks for, epoch by epoch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.parts.base import ScheduleConfig


@dataclass
class Config(ScheduleConfig):
    """Fall as ``1 / (1 + rate * e)`` with the number ``e`` of complete epochs."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.rate", self.rate, least=0.0)


def inverse_epoch(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Let the learning rate fall as the inverse of the epoch's number.

    .. math:: f_t = \frac{1}{1 + r\, e(t)}

    with :math:`e(t)` the epochs that are complete: its sum over the epochs diverges and the sum of its
    squares does not, so that SGD reaches the minimum itself and not a noise floor around it.

    Parameters
    ----------
    config : Config
        ``rate``: :math:`r`.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One in the first epoch, 1 / (1 + r) in the second, and so on.

    References
    ----------
    H. Robbins, S. Monro, "A stochastic approximation method", Annals of Mathematical
    Statistics 22 (1951).
    """
    return 1.0 / (1.0 + config.rate * (np.arange(steps) // steps_per_epoch).astype(np.float64))
