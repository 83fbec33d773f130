"""A linear warm-up before any schedule."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.schedules import ScheduleConfig

Config = TypeVar("Config", bound=ScheduleConfig)


def with_warm_up(
    schedule: Callable[[Config, int, int], NDArray[np.float64]],
) -> Callable[[Config, int, int], NDArray[np.float64]]:
    r"""Let a schedule be preceded by the linear warm-up of its configuration.

    In a warm-up of :math:`W` steps from :math:`f_0`, step :math:`t < W` has the factor
    :math:`f_0 + (1 - f_0) t / W`. The schedule begins at step :math:`W`, where its own time is 0.

    Parameters
    ----------
    schedule : callable
        ``schedule(config, steps_per_epoch, steps)``, which knows nothing of warm-ups.

    Returns
    -------
    callable
        The same, with as many factors in all. A warm-up longer than the run is cut off.
    """

    @wraps(schedule)
    def warmed_up(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
        length = config.warmup_steps or round(config.warmup_epochs * steps_per_epoch)
        if not length:
            return schedule(config, steps_per_epoch, steps)
        ramp = config.warmup_from + (1 - config.warmup_from) * np.arange(min(length, steps)) / length
        return np.concatenate([ramp, schedule(config, steps_per_epoch, steps - len(ramp))])

    return warmed_up
