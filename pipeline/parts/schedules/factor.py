"""Exponential decay, in stairs."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import FactorConfig
from pipeline.parts.schedules._warm_up import with_warm_up


@with_warm_up
def factor(config: FactorConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Multiply the learning rate by a factor after each epoch, or each step.

    .. math:: f_t = \max(f_\mathrm{floor}, \alpha^t)

    with :math:`t` the epochs, or the steps, that are complete.

    Parameters
    ----------
    config : FactorConfig
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
