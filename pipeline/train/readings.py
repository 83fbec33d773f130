"""Reading the loss, and noticing divergence."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import pytorch_lightning as pl

from pipeline.train.clock import Clock
from pipeline.train.intervals import Intervals

#: A loss above this many times the initial one is divergence, as is one that is not finite.
DIVERGED_ABOVE = 1e6

#: Told of every reading: the updates since the last one, summed over runs, and the (mean) loss.
Progress = Callable[[int, float], None]


@dataclass
class Curve:
    """The readings of one run.

    Attributes
    ----------
    step, examples : list of int
        Updates done and examples seen.
    seconds, loss : list of float
        Training seconds, and half the mean squared error over all training rows.
    diverged_step : int or None
        The step of the reading that was not finite or too large; the run stops there.
    """

    step: list[int] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    diverged_step: int | None = None

    def add(self, step: int, examples: int, seconds: float, loss: float) -> None:
        """Add a reading. A loss that is not finite is written as infinity."""
        loss = loss if math.isfinite(loss) else math.inf
        if self.loss and loss > DIVERGED_ABOVE * self.loss[0]:
            self.diverged_step = step
        self.step.append(step)
        self.examples.append(examples)
        self.seconds.append(seconds)
        self.loss.append(loss)


class Watched(Protocol):
    """What a module must have, for its loss to be read."""

    clock: Clock

    def read_loss(self) -> float:
        """Half the mean squared error over all training examples."""


class Readings(pl.Callback):
    """Reads the loss before the first update and after every interval, outside the clock.

    The module it trains is a :class:`Watched` one.

    Parameters
    ----------
    intervals : Intervals
        Where the readings fall.
    progress : callable, optional
        Told of every reading.
    """

    def __init__(self, intervals: Intervals, progress: Progress | None = None) -> None:
        self.intervals = intervals
        self.progress = progress
        self.curve = Curve()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Read the initial loss."""
        self.curve.add(0, 0, 0.0, cast(Watched, module).read_loss())

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: object, batch: int, batch_idx: int
    ) -> None:
        """Read the loss; stop a run that diverged."""
        watched = cast(Watched, module)
        step, examples = self.intervals.steps[batch_idx], self.intervals.seen[batch_idx]
        self.curve.add(step, examples, watched.clock.seconds, watched.read_loss())
        if self.progress is not None:
            self.progress(batch, self.curve.loss[-1])
        if self.curve.diverged_step is not None:
            trainer.should_stop = True
