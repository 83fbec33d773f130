"""No schedule."""

import numpy as np
from numpy.typing import NDArray

from pipeline.parts.base import ScheduleConfig


def constant(config: ScheduleConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    """Keep the learning rate as it is.

    Returns
    -------
    ndarray of shape (steps,)
        Ones.
    """
    return np.ones(steps)
