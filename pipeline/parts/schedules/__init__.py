"""The learning-rate schedules: one file each, a function of the step.

A new schedule is three short things: a dataclass in :mod:`pipeline.lab.config.schedules`, the function
``NAME(config, steps_per_epoch, steps)`` in ``pipeline/parts/schedules/NAME.py``, and ``conf/schedule/NAME.yaml``,
which names the function in ``_target_``. The function returns a factor per step; the learning rate of step
``t`` is ``lr * factor[t]``.
"""

from pkgutil import iter_modules

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import ScheduleConfig
from pipeline.lab.config.target import resolve
from pipeline.lab.errors import UserError


def names() -> list[str]:
    """Every schedule that has a file here."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def learning_rate_factors(config: ScheduleConfig, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    """Factors of the learning rate, by the schedule that the configuration names.

    Parameters
    ----------
    config : ScheduleConfig
        Names the schedule.
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
    factors = np.asarray(
        resolve("schedule._target_", config._target_)(config, steps_per_epoch, steps), dtype=np.float64
    )
    if factors.shape != (steps,) or not np.all(np.isfinite(factors)) or np.any(factors < 0):
        raise UserError(
            f"schedule={config.name} is not usable: {config._target_} must return {steps} finite factors of at least 0"
        )
    return factors
