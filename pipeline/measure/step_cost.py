r"""Microseconds of a training step, for every optimizer, batch size and implementation, and what they are spent on.

The *whole* is a run of the solo engine from Lightning's start to the written tables, measured as one. Its parts are
measured apart from it, in turn with it:

========================  ============  ====================================================================
part                      once per      what
========================  ============  ====================================================================
``data``                  step          drawing the order, slicing the minibatch
``forward_backward``      step          the loss and its gradient
``update``                step          the update rule, and clearing the gradients
``reading``               interval      the loss on all training rows
``lightning``             interval      what a Trainer does around one of its batches
``setup``                 run           making a Trainer, starting and ending a fit
``logging``               run           rows of the two tables, written whole
========================  ============  ====================================================================

so that, with :math:`I` intervals and :math:`T` steps, the whole should be
:math:`T (d + f + u) + (I + 1) r + I l + s + w`. All are divided by :math:`T`. ``step`` is the clock's time,
:math:`d + f + u`: it turns steps into seconds elsewhere.
"""

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from pipeline import optimizers
from pipeline.config.cell import Cell
from pipeline.config.compose import compose_cell
from pipeline.dataset import Dataset
from pipeline.measure.inputs import Inputs
from pipeline.measure.timing import quartiles
from pipeline.tables import CURVES, RUNS, write_table
from pipeline.train.clock import no_garbage_collection, one_thread
from pipeline.train.fit import fit, quiet_lightning
from pipeline.train.intervals import Intervals
from pipeline.train.rows import Tables
from pipeline.train.solo import SoloRun, warm_up

BATCH_SIZES = (1, 10, 100, 1500)
#: Steps of the measured runs: about as long as the chapter's, cut where a step is dear.
STEPS = {1: 400, 10: 300, 100: 75, 1500: 25}
#: Small enough for every rule and batch size: a diverging run would end early.
LR = 1e-3
#: Intervals of the two empty fits whose difference is the cost of an interval.
EMPTY = (1, 41)
SEED = 0

PER_STEP = ("data", "forward_backward", "update")
PER_INTERVAL = ("reading", "lightning")
PER_RUN = ("setup", "logging")
PARTS = (*PER_STEP, *PER_INTERVAL, *PER_RUN)


class EmptyRun(SoloRun):
    """A run that neither trains nor reads a loss: what remains is Lightning."""

    def training_step(self, steps: int, batch_idx: int) -> None:
        """Do nothing."""

    def read_loss(self) -> torch.Tensor:
        """Return a loss that never changes."""
        return self.one_half.reshape(1)


@dataclass(frozen=True, eq=False)
class Subject:
    """A cell to measure, and where its loss is read."""

    cell: Cell
    intervals: Intervals

    @property
    def steps(self) -> int:
        """Updates of its run."""
        return self.intervals.steps[-1]

    @property
    def key(self) -> tuple[str, str, int]:
        """Implementation, optimizer, batch size."""
        config = self.cell.config
        return config.implementation, config.optimizer.name, config.batch_size


def intervals_of_steps(examples: int, batch_size: int, steps: int, read_every: int = 200) -> Intervals:
    """The first intervals of a run, up to about so many steps; at least one.

    Examples
    --------
    >>> intervals_of_steps(1500, 1, 400).lengths, intervals_of_steps(1500, 1500, 3).lengths
    ([200, 200], [1, 1, 1])
    """
    intervals = Intervals(examples, batch_size, math.ceil(steps * batch_size / examples) or 1, read_every)
    keep = max(1, int(np.searchsorted(intervals.steps, steps, side="right")))
    intervals.lengths, intervals.steps = intervals.lengths[:keep], intervals.steps[:keep]
    intervals.seen = intervals.seen[:keep]
    return intervals


def subjects(dataset: Dataset, names: Sequence[str], batch_sizes: Mapping[int, int]) -> list[Subject]:
    """Every optimizer at every batch size, from scratch and, where torch itself has it, by torch.

    Parameters
    ----------
    dataset : Dataset
        Training examples.
    names : sequence of str
        Optimizers.
    batch_sizes : mapping
        Batch size to steps; above the number of examples it is the full batch.
    """
    found = []
    for name in names:
        config = compose_cell([f"optimizer={name}"])
        by_torch = str((config.optimizer.torch or {}).get("_target_", "")).startswith("torch.")
        for implementation in ("scratch", "torch") if by_torch else ("scratch",):
            for b, steps in {min(b, len(dataset.X)): steps for b, steps in batch_sizes.items()}.items():
                cell = Cell(replace(config, implementation=implementation, batch_size=b, lr=LR))
                found.append(Subject(cell, intervals_of_steps(len(dataset.X), b, steps)))
    return found


def step_parts(run: SoloRun, steps: int, now: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Train some steps with a stamp after each part; what the loop itself costs is the data's.

    Parameters
    ----------
    run : SoloRun
        Ready to train.
    steps : int
        How many.
    now : callable
        The clock's hand.

    Returns
    -------
    dict
        Seconds a step of ``data``, ``forward_backward``, ``update``.
    """
    net, update, half, minibatches, lrs = run.net, run.update, run.one_half, run.minibatches, run.lrs
    data = forward_backward = updating = 0.0
    end = now()
    for _ in range(steps):
        start = end
        X, y = next(minibatches)
        lr = next(lrs)
        drawn = now()
        F.mse_loss(net(X), y).backward(half)
        differentiated = now()
        update(lr)
        end = now()
        data += drawn - start
        forward_backward += differentiated - drawn
        updating += end - differentiated
    return {"data": data / steps, "forward_backward": forward_backward / steps, "update": updating / steps}


def ready(cell: Cell, dataset: Dataset) -> SoloRun:
    """A run that can train without Lightning."""
    run = SoloRun(cell, SEED, dataset)
    run.configure_optimizers()
    run.on_fit_start()
    return run


def whole_run(subject: Subject, dataset: Dataset, folder: Path) -> tuple[float, float]:
    """Train a run and write its tables.

    Returns
    -------
    whole, logging : float
        Seconds of everything, and of the rows and files alone.
    """
    config = subject.cell.config
    start = time.perf_counter()
    trained = fit(SoloRun(subject.cell, SEED, dataset), config.trainer, subject.intervals, None)
    fitted = time.perf_counter()
    tables = Tables([subject.cell], {config.data.name: dataset})
    tables.add([subject.cell], [SEED], trained, engine="solo")
    write_table(tables.runs(), RUNS, folder / "runs.parquet")
    write_table(tables.curves(), CURVES, folder / "curves.parquet")
    end = time.perf_counter()
    return end - start, end - fitted


def empty_fit(subject: Subject, dataset: Dataset, intervals: int) -> float:
    """Seconds of a fit that does nothing so many times."""
    nothing = intervals_of_steps(len(dataset.X), len(dataset.X), intervals)
    start = time.perf_counter()
    fit(EmptyRun(subject.cell, SEED, dataset), subject.cell.config.trainer, nothing, None)
    return time.perf_counter() - start


def reading(run: SoloRun, times: int = 20) -> float:
    """Seconds of reading the loss once."""
    start = time.perf_counter()
    for _ in range(times):
        run.read_loss()
    return (time.perf_counter() - start) / times


class Costs:
    """Samples of every part, in seconds per step, interval or run.

    Parameters
    ----------
    measured : sequence of Subject
        What is measured.
    """

    def __init__(self, measured: Sequence[Subject]) -> None:
        self.subjects = measured
        self.samples: dict[tuple[tuple[str, str, int], str], list[float]] = {}

    def add(self, subject: Subject, seconds: Mapping[str, float]) -> None:
        """Keep one sample of some parts."""
        for part, value in seconds.items():
            self.samples.setdefault((subject.key, part), []).append(value)

    def table(self) -> pd.DataFrame:
        """One row for every part of every subject."""
        return pd.DataFrame([row for subject in self.subjects for row in self._rows(subject)])

    def _rows(self, subject: Subject) -> list[dict[str, Any]]:
        implementation, optimizer, batch_size = subject.key
        samples = {part: np.array(self.samples[subject.key, part]) for part in (*PARTS, "whole")}
        samples["step"] = np.sum([samples[part] for part in PER_STEP], axis=0)
        rows = []
        for part in (*PARTS, "step", "whole"):
            per = "step" if part in (*PER_STEP, "step") else "interval" if part in PER_INTERVAL else "run"
            low, middle, high = quartiles(1e6 * samples[part])
            share = amortised(part, subject.intervals)
            rows.append(
                {
                    "implementation": implementation,
                    "optimizer": optimizer,
                    "batch_size": batch_size,
                    "part": part,
                    "us_per_step": share * middle,
                    "us_per_step_q25": share * low,
                    "us_per_step_q75": share * high,
                    "per": per,
                    "microseconds": middle,
                    "steps": subject.steps,
                    "repeats": len(samples[part]),
                }
            )
        return rows


def amortised(part: str, intervals: Intervals) -> float:
    """How often a part happens in a run, for each of its steps."""
    if part in (*PER_STEP, "step"):
        return 1.0
    # The loss is read before the first step too.
    times = {"reading": len(intervals) + 1, "lightning": len(intervals)}.get(part, 1)
    return times / intervals.steps[-1]


def measure_steps(dataset: Dataset, measured: Sequence[Subject], rounds: int) -> pd.DataFrame:
    """Measure the whole and the parts of every subject, in turn.

    Parameters
    ----------
    dataset : Dataset
        Training examples.
    measured : sequence of Subject
        What is measured.
    rounds : int
        Samples of each.

    Returns
    -------
    DataFrame
        See :data:`pipeline.measure.schemas.SCHEMAS`.
    """
    costs = Costs(measured)
    with ExitStack() as stack:
        for context in (one_thread(), no_garbage_collection(), quiet_lightning()):
            stack.enter_context(context)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        for subject in measured:
            warm_up(subject.cell, dataset)
        whole_run(measured[0], dataset, folder)  # what Lightning and pandas do once
        for _ in range(rounds):
            for subject in measured:
                run = ready(subject.cell, dataset)
                parts = step_parts(run, subject.steps) | {"reading": reading(run)}
                once, often = (empty_fit(subject, dataset, intervals) for intervals in EMPTY)
                lightning = (often - once) / (EMPTY[1] - EMPTY[0])
                parts |= {"lightning": lightning, "setup": once - EMPTY[0] * lightning}
                parts["whole"], parts["logging"] = whole_run(subject, dataset, folder)
                costs.add(subject, parts)
                gc.collect()  # Lightning's cycles; what was there before is frozen, so this is quick
    return costs.table()


def measure(inputs: Inputs) -> pd.DataFrame:
    """Measure every optimizer on the data set.

    Parameters
    ----------
    inputs : Inputs
        Needs the data.

    Returns
    -------
    DataFrame
        See :data:`pipeline.measure.schemas.SCHEMAS`.
    """
    dataset = inputs.needed_dataset()
    return measure_steps(dataset, subjects(dataset, optimizers.names(), STEPS), rounds=9 if inputs.full else 2)
