"""Reading the loss, and noticing divergence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from pipeline.train.clock import Clock
from pipeline.train.intervals import Intervals

#: A loss above this many times the initial one is divergence, as is one that is not finite.
DIVERGED_ABOVE = 1e6

#: Told of every reading: the updates since the last one, summed over runs, and the median loss.
Progress = Callable[[int, float], None]
#: Loss and accuracy over the examples held out, shape (runs,) each; no accuracy where the task knows none.
Validation = tuple[torch.Tensor, torch.Tensor | None]


@dataclass(frozen=True)
class Trajectories:
    """The readings of runs that were trained together.

    Attributes
    ----------
    step, examples : ndarray of int64, shape (readings,)
        Updates done and examples seen by each run.
    seconds : ndarray of float64, shape (readings,)
        Training seconds of all of them together.
    loss : ndarray of float64, shape (readings, runs)
        The loss over all training rows; infinity where it is not finite.
    length : ndarray of int64, shape (runs,)
        Readings of each run up to its end: the one that shows its divergence, or the last.
    diverged : ndarray of bool, shape (runs,)
        Whether the run's end is its divergence.
    validation_loss, validation_accuracy : ndarray of float64, shape (readings, runs), or None
        The loss over the examples held out, infinity where it is not finite, and the share of them that were
        classified well; None where there are none, or the task knows no accuracy.
    """

    step: NDArray[np.int64]
    examples: NDArray[np.int64]
    seconds: NDArray[np.float64]
    loss: NDArray[np.float64]
    length: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    validation_loss: NDArray[np.float64] | None = None
    validation_accuracy: NDArray[np.float64] | None = None

    def of(self, runs: slice) -> "Trajectories":
        """The readings of some of the runs."""
        mine = {name: value[..., runs] for name, value in vars(self).items() if name in _PER_RUN and value is not None}
        return replace(self, **mine)


_PER_RUN = {"loss", "length", "diverged", "validation_loss", "validation_accuracy"}


def write_trajectories(trajectories: Trajectories, path: Path) -> None:
    """Write readings to a file of arrays, for another process: unlike a pickle it can run no code."""
    values = {field.name: getattr(trajectories, field.name) for field in fields(trajectories)}
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items() if value is not None}
    with path.open("wb") as file:  # an open file, because numpy would add .npz to a name
        np.savez(file, **arrays)


def read_trajectories(path: Path) -> Trajectories:
    """Read what :func:`write_trajectories` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Trajectories(**arrays)


def has_diverged(loss: torch.Tensor, initial: torch.Tensor) -> torch.Tensor:
    """Tell which losses mean divergence: not finite, or above 10^6 times the initial one."""
    return ~(loss <= DIVERGED_ABOVE * initial) | ~loss.isfinite()


@dataclass(frozen=True)
class Stop:
    """When training may end early: once every run was read at a loss, or an accuracy, or better, or has diverged.

    Parameters
    ----------
    metric : str
        ``loss``, ``validation_loss`` or ``validation_accuracy``.
    target : float
        The loss, or the accuracy.
    """

    metric: str
    target: float


class Watched(Protocol):
    """What a module needs so that :class:`Readings` can watch it."""

    clock: Clock

    def read_loss(self) -> torch.Tensor:
        """The loss over all training examples, shape (runs,)."""

    def read_validation(self) -> Validation | None:
        """Loss and accuracy over the examples held out; None where there are none."""


class Readings(pl.Callback):
    """Reads the losses before the first update and after every interval, outside the clock.

    Parameters
    ----------
    run : Watched
        The module that is trained.
    intervals : Intervals
        Where the readings fall.
    progress : callable, optional
        Told of every reading.
    stop : Stop, optional
        Where training ends early.
    """

    def __init__(
        self, run: Watched, intervals: Intervals, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        self.stop = stop
        self.done: torch.Tensor | bool = False
        self.run = run
        self.intervals = intervals
        self.progress = progress
        self.losses: list[torch.Tensor] = []
        self.validations: list[Validation] = []
        self.diverged: list[torch.Tensor] = []
        self.seconds: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the initial loss."""
        self._read(updates=0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: object, batch: int, batch_idx: int
    ) -> None:
        """Read the loss; stop when no run is left that has not diverged, or is where training ends."""
        self._read(updates=batch)
        if self.stop is not None:
            self.done |= self._at_target(self.stop)
        if bool((self.diverged[-1] | self.done).all()):
            trainer.should_stop = True

    def _at_target(self, stop: Stop) -> torch.Tensor:
        loss, accuracy = (self.losses[-1], None) if stop.metric == "loss" else self.validations[-1]
        if stop.metric == "validation_accuracy":
            assert accuracy is not None  # who asks for a stop has looked for it
            return accuracy >= stop.target
        return loss <= stop.target

    def _read(self, updates: int) -> None:
        validation = self.run.read_validation()
        if validation is not None:
            self.validations.append(validation)
        # Last, because processes that train together meet here.
        loss = self.run.read_loss()
        diverged = has_diverged(loss, self.losses[0] if self.losses else loss)
        self.losses.append(loss)
        self.diverged.append(diverged | self.diverged[-1] if self.diverged else diverged)
        self.seconds.append(self.run.clock.seconds if updates else 0.0)
        if self.progress is not None and updates:
            self.progress(updates * len(loss), float(loss.nanmedian()))

    def trajectories(self) -> Trajectories:
        """All readings, and where each run ends."""
        readings = len(self.losses)
        loss = _finite(self.losses)
        validation_loss, accuracies = zip(*self.validations, strict=True) if self.validations else ((), ())
        known = [accuracy for accuracy in accuracies if accuracy is not None]
        diverged = torch.stack(self.diverged).cpu().numpy()
        ended = diverged[-1]
        return Trajectories(
            step=np.array([0, *self.intervals.steps[: readings - 1]]),
            examples=np.array([0, *self.intervals.seen[: readings - 1]]),
            seconds=np.array(self.seconds),
            loss=loss,
            length=np.where(ended, diverged.argmax(axis=0) + 1, readings),
            diverged=ended,
            validation_loss=_finite(validation_loss) if validation_loss else None,
            validation_accuracy=torch.stack(known).double().cpu().numpy() if known else None,
        )


def _finite(losses: Sequence[torch.Tensor]) -> NDArray[np.float64]:
    """Readings of the loss as one array; infinity where one is not finite."""
    values = torch.stack(list(losses)).double().cpu().numpy()
    return np.where(np.isfinite(values), values, np.inf)
