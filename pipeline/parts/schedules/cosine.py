"""Half a cosine, from the full learning rate to the final one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.parts.base import ScheduleConfig


@dataclass
class Config(ScheduleConfig):
    """Fall along half a cosine to ``final`` times ``lr``, within ``epochs`` or until the end."""

    final: float = 0.0
    epochs: float | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.final", self.final, least=0.0)
        if self.epochs is not None:
            checks.number("schedule.epochs", self.epochs, above=0.0)


def cosine(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Lower the learning rate along half a cosine: slowly at first, and slowly at last.

    .. math:: f_t = f_T + \frac{1 - f_T}{2} \left(1 + \cos\frac{\pi t}{T}\right), \qquad t \le T

    and :math:`f_T` from then on.

    Parameters
    ----------
    config : Config
        ``final``: :math:`f_T`; ``epochs``: :math:`T`, or None for all the steps that are left.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        From one to the final factor.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """
    length = steps if config.epochs is None else config.epochs * steps_per_epoch
    fraction = np.minimum(np.arange(steps) / max(length, 1), 1.0)
    return config.final + (1 - config.final) / 2 * (1 + np.cos(np.pi * fraction))
