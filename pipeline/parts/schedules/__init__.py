"""The learning-rate schedules: one file each, a function ``NAME(config, steps_per_epoch, steps)``.

It returns a factor per step, as an array of shape (steps,): the learning rate of step ``t`` is ``lr * factor[t]``.
Every schedule may be preceded by a warm-up, of which it need not know.
"""

from typing import TYPE_CHECKING

from pipeline import parts
from pipeline.lab.errors import UserError
from pipeline.parts.base import ScheduleConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def learning_rate_factors(config: ScheduleConfig, steps_per_epoch: int, steps: int) -> "NDArray[np.float64]":
    r"""Factors of the learning rate, by the schedule that the configuration names.

    A linear warm-up of :math:`W` steps from :math:`f_0` comes first: step :math:`t < W` has the factor
    :math:`f_0 + (1 - f_0) t / W`. The schedule begins at step :math:`W`, where its own time is 0. A warm-up longer
    than the run is cut off.

    Parameters
    ----------
    config : ScheduleConfig
        Names the schedule and has its keys.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        Finite and not negative.

    Raises
    ------
    UserError
        If the schedule returns anything else: a run would end early, or climb instead of descending.
    """
    import numpy as np

    part = parts.load("schedule", config.name)
    length = config.warmup_steps or round(config.warmup_epochs * steps_per_epoch)
    ramp = config.warmup_from + (1 - config.warmup_from) * np.arange(min(length, steps)) / max(length, 1)
    usable = f"schedule={config.name} is not usable: {parts.shown(part.path)}"
    try:
        rest = np.asarray(part.function(config, steps_per_epoch, steps - len(ramp)), dtype=np.float64)
    except Exception as error:  # whatever a file of the user's may raise
        raise UserError(f"{usable}: {type(error).__name__}: {error}") from None
    if rest.shape != (steps - len(ramp),) or not np.all(np.isfinite(rest)) or np.any(rest < 0):
        raise UserError(f"{usable} must return {steps - len(ramp)} finite factors of at least 0")
    return np.concatenate([ramp, rest])
