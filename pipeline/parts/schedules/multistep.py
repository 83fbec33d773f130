"""Piecewise constant learning rates."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import MultiStepConfig
from pipeline.parts.schedules._warm_up import with_warm_up


@with_warm_up
def multistep(config: MultiStepConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Multiply the learning rate by a factor at each milestone.

    .. math:: f_t = \alpha^{k(t)}

    with :math:`k(t)` the milestones at or before step :math:`t`.

    Parameters
    ----------
    config : MultiStepConfig
        ``milestones``, in epochs and not necessarily whole; ``factor``: :math:`\alpha`.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One, then the factor's powers.
    """
    milestones = np.sort(config.milestones) * steps_per_epoch
    passed = np.searchsorted(milestones, np.arange(steps), side="right")
    return config.factor ** passed.astype(np.float64)
