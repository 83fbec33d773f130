"""A large step down after each epoch."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import StepPerEpochConfig
from pipeline.parts.schedules._warm_up import with_warm_up


@with_warm_up
def step_per_epoch(config: StepPerEpochConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Divide the learning rate after each epoch (by 10: exercise 2 of the textbook's section).

    .. math:: f_t = d^{-e(t)}

    with :math:`e(t)` the epochs that are complete.

    Parameters
    ----------
    config : StepPerEpochConfig
        ``divide_by``: :math:`d`.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One in the first epoch, 1 / d in the second, and so on.
    """
    return config.divide_by ** -(np.arange(steps) // steps_per_epoch).astype(np.float64)
