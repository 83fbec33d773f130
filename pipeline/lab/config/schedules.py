"""The structured configurations of the learning-rate schedules: types, defaults and ranges of their keys."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from pipeline.lab.config import checks
from pipeline.lab.errors import UserError


@dataclass
class ScheduleConfig:
    """A learning-rate schedule: ``name`` and the function in :mod:`pipeline.parts.schedules` behind it.

    Every schedule may be preceded by a linear warm-up of so many steps, or so many epochs; it
    starts from ``warmup_from`` times ``lr``.
    """

    name: str = MISSING
    _target_: str = MISSING
    warmup_steps: int = 0
    warmup_epochs: float = 0.0
    warmup_from: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.whole("schedule.warmup_steps", self.warmup_steps, least=0)
        checks.number("schedule.warmup_epochs", self.warmup_epochs, least=0.0)
        checks.number("schedule.warmup_from", self.warmup_from, least=0.0)
        if self.warmup_steps and self.warmup_epochs:
            raise UserError(
                f"schedule.warmup_steps={self.warmup_steps} and schedule.warmup_epochs={self.warmup_epochs} are not "
                "allowed together: give one of them"
            )


@dataclass
class FactorConfig(ScheduleConfig):
    """Multiply by ``factor`` after each ``every``, down to ``floor``."""

    factor: float = 0.9
    floor: float = 0.0
    every: str = "epoch"

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.factor", self.factor, above=0.0)
        checks.number("schedule.floor", self.floor, least=0.0)
        checks.one_of("schedule.every", self.every, ("epoch", "step"))


@dataclass
class MultiStepConfig(ScheduleConfig):
    """Multiply by ``factor`` at each of the ``milestones``, counted in epochs."""

    milestones: list[float] = field(default_factory=lambda: [1.0, 1.5])
    factor: float = 0.5

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.factor", self.factor, above=0.0)
        for milestone in self.milestones:
            checks.number("schedule.milestones", milestone, above=0.0)


@dataclass
class StepPerEpochConfig(ScheduleConfig):
    """Divide by ``divide_by`` after each epoch."""

    divide_by: float = 10.0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.divide_by", self.divide_by, above=0.0)


@dataclass
class InverseEpochConfig(ScheduleConfig):
    """Fall as ``1 / (1 + rate * e)`` with the number ``e`` of complete epochs."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.rate", self.rate, least=0.0)


@dataclass
class CosineConfig(ScheduleConfig):
    """Fall along half a cosine to ``final`` times ``lr``, within ``epochs`` or until the end."""

    final: float = 0.0
    epochs: float | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.number("schedule.final", self.final, least=0.0)
        if self.epochs is not None:
            checks.number("schedule.epochs", self.epochs, above=0.0)
