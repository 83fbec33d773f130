"""No schedule."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import ScheduleConfig
from pipeline.parts.schedules._warm_up import with_warm_up


@with_warm_up
def constant(config: ScheduleConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    """Keep the learning rate as it is.

    Returns
    -------
    ndarray of shape (steps,)
        Ones.
    """
    return np.ones(steps)
