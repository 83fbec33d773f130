"""Piecewise constant learning rates."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.parts.base import ScheduleConfig


@dataclass
class Config(ScheduleConfig):
    """Multiply by ``factor`` at each of the ``milestones``, counted in epochs."""

    milestones: list[float] = field(default_factory=lambda: [1.0, 1.5])
    factor: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.factor", self.factor, above=0.0)
        for milestone in self.milestones:
            checks.number("schedule.milestones", milestone, above=0.0)


def multistep(config: Config, steps_per_epoch: int, steps: int) -> NDArray[np.float64]:
    r"""Multiply the learning rate by a factor at each milestone.

    .. math:: f_t = \alpha^{k(t)}

    with :math:`k(t)` the milestones at or before step :math:`t`.

    Parameters
    ----------
    config : Config
        ``milestones``, in epochs and not necessarily whole; ``factor``: :math:`\alpha`.
    steps_per_epoch, steps : int
        Updates in one pass over the data, and in the whole run.

    Returns
    -------
    ndarray of shape (steps,)
        One, then the factor's powers.
    """
    milestones = np.sort(config.milestones) * steps_per_epoch
    return config.factor ** np.searchsorted(milestones, np.arange(steps), side="right").astype(np.float64)
