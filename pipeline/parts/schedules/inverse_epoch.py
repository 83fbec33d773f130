"""The decay that stochastic approximation asks for, epoch by epoch."""

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import InverseEpochConfig
from pipeline.parts.schedules._warm_up import with_warm_up


@with_warm_up
def inverse_epoch(config: InverseEpochConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Let the learning rate fall as the inverse of the epoch's number.

    .. math:: f_t = \frac{1}{1 + r\, e(t)}

    with :math:`e(t)` the epochs that are complete: its sum over the epochs diverges and the sum of its
    squares does not, so that SGD reaches the minimum itself and not a noise floor around it.

    Parameters
    ----------
    config : InverseEpochConfig
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
    epoch = (np.arange(steps) // steps_per_epoch).astype(np.float64)
    return 1.0 / (1.0 + config.rate * epoch)
