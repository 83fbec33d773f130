r"""Measure the time of a training step and of its parts, for every optimizer, batch size and implementation.

The *whole* is a fit of the solo engine, measured as one. Its parts are stamped in another fit of the same cell, in
turn with it:

========================  ============  ====================================================================
part                      once per      what
========================  ============  ====================================================================
``data``                  step          drawing the order, slicing the minibatch
``forward_backward``      step          the loss and its gradient
``update``                step          the update rule, and clearing the gradients
``reading``               interval      the loss on all training rows
``lightning``             interval      what a Trainer does between two of its batches
``setup``                 run           making the run and a Trainer, starting and ending a fit
========================  ============  ====================================================================

Parts are stamped where they happen, and not in loops of their own: a step that follows Lightning's work finds the
processor's caches full of that, and takes half as long again as one that follows a step. What comes after the fit is
``logging``: the rows of the two tables, written whole, once per run. All are divided by the steps of the run. ``step``
is the clock's time, data, forward, backward and update: it turns steps into seconds elsewhere, for cells with the same
implementation, optimizer, model, data and sampling.
"""

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import quartiles
from pipeline.parts import optimizers
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.data import prepared
from pipeline.train.fit import fit, quiet_lightning
from pipeline.train.intervals import Intervals
from pipeline.train.readings import Trajectories, Validation
from pipeline.train.rows import Tables
from pipeline.train.solo import SoloRun, warm_up

#: Batch size to steps of the measured runs. Shorter than the chapter's: what happens once per run weighs more here.
STEPS = {1: 200, 10: 100, 100: 40, 1500: 15}
#: Small enough for every rule and batch size: a diverging run would end early.
LR = 1e-3
SEED = 0

PER_STEP = ("data", "forward_backward", "update")
PER_INTERVAL = ("reading", "lightning")
#: What adds up to the whole.
PARTS = (*PER_STEP, *PER_INTERVAL, "setup")


class StampedRun(SoloRun):
    """A run that notes what its seconds are spent on.

    Parameters
    ----------
    cell : Cell
        The configuration.
    seed : int
        The replicate.
    dataset : Dataset
        All training examples.
    now : callable
        The clock's hand.

    Attributes
    ----------
    spent : dict
        Part to seconds. They add up to the time from the making of the run to the last stamp.
    """

    def __init__(self, cell: Cell, seed: int, dataset: Dataset, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.last = now()
        self.spent = dict.fromkeys(PARTS, 0.0)
        super().__init__(cell, seed, dataset)

    def stamp(self, part: str) -> None:
        """Give the time since the last stamp to a part."""
        now = self.now()
        self.spent[part] += now - self.last
        self.last = now

    def training_step(self, steps: int, batch_idx: int) -> None:
        """Walk through the minibatches of one interval as the solo engine does, with a stamp after each part."""
        self.stamp("lightning" if batch_idx else "setup")
        net, update, criterion, scale, now = self.net, self.update, self.task.criterion, self.scale, self.now
        data = forward_backward = updating = 0.0
        end = self.last
        with self.clock:
            for (X, y), lr in zip(islice(self.minibatches, steps), self.lrs):  # noqa: B905 -- lrs may be endless
                drawn = now()
                criterion(net(X), y).backward(scale)
                differentiated = now()
                update(lr)
                data += drawn - end
                end = now()
                forward_backward += differentiated - drawn
                updating += end - differentiated
        for part, seconds in zip(PER_STEP, (data, forward_backward, updating), strict=True):
            self.spent[part] += seconds
        self.last = end

    def read_validation(self) -> Validation | None:
        """Read the loss of the examples held out, with a stamp before and after."""
        self.stamp("lightning" if self.clock.seconds else "setup")
        validation = super().read_validation()
        self.stamp("reading")
        return validation

    def read_loss(self) -> torch.Tensor:
        """Read the loss, with a stamp before and after."""
        self.stamp("lightning" if self.clock.seconds else "setup")
        loss = super().read_loss()
        self.stamp("reading")
        return loss


@dataclass(frozen=True, eq=False)
class Subject:
    """A cell to measure, its training examples, and where its loss is read."""

    cell: Cell
    dataset: Dataset
    intervals: Intervals

    @property
    def steps(self) -> int:
        """Updates of its run."""
        return self.intervals.steps[-1]


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


def subjects(
    dataset: Dataset, names: Sequence[str], batch_sizes: Mapping[int, int], overrides: Sequence[str] = ()
) -> list[Subject]:
    """Every optimizer at every batch size, from scratch and, if it is one of torch's own, by torch.

    Parameters
    ----------
    dataset : Dataset
        Training examples.
    names : sequence of str
        Optimizers.
    batch_sizes : mapping
        Batch size to steps; above the number of examples it is the full batch.
    overrides : sequence of str
        Of every cell: another model, say.
    """
    found = []
    for name in names:
        config = compose_cell(["batch_size=1", f"optimizer={name}", *overrides])
        by_torch = str((config.optimizer.torch or {}).get("_target_", "")).startswith("torch.")
        for implementation in ("scratch", "torch") if by_torch else ("scratch",):
            for b, steps in {min(b, len(dataset.X)): steps for b, steps in batch_sizes.items()}.items():
                cell = Cell(replace(config, implementation=implementation, batch_size=b, lr=LR))
                found.append(Subject(cell, dataset, intervals_of_steps(len(dataset.X), b, steps)))
    return found


def seconds_of_whole(subject: Subject) -> tuple[float, Trajectories]:
    """Seconds of a fit, including the making of its run; and its readings."""
    start = time.perf_counter()
    run = SoloRun(subject.cell, SEED, subject.dataset)
    trained = fit(run, subject.cell.config.trainer, subject.intervals, None)
    return time.perf_counter() - start, trained


def seconds_of_parts(subject: Subject) -> dict[str, float]:
    """Seconds of each part of such a fit."""
    run = StampedRun(subject.cell, SEED, subject.dataset)
    fit(run, subject.cell.config.trainer, subject.intervals, None)
    run.stamp("setup")
    return run.spent


def seconds_of_logging(subject: Subject, trained: Trajectories, folder: Path) -> float:
    """Seconds of making the tables of a run and writing them."""
    start = time.perf_counter()
    tables = Tables([subject.cell], {subject.cell.config.data.name: subject.dataset})
    tables.add([subject.cell], [SEED], trained, engine="solo")
    write_table(tables.runs(), RUNS, folder / "runs.parquet")
    write_table(tables.curves(), CURVES, folder / "curves.parquet")
    return time.perf_counter() - start


def rows_of(subject: Subject, samples: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """Summarise the samples of a subject: one row per part.

    Parameters
    ----------
    subject : Subject
        What was measured.
    samples : sequence of mapping
        Part to seconds of a whole run.

    Returns
    -------
    list of dict
        Rows of the table.
    """
    config = subject.cell.config
    seconds = pd.DataFrame(samples)
    seconds["step"] = seconds[list(PER_STEP)].sum(axis=1)
    times = {"step": subject.steps, "interval": len(subject.intervals), "run": 1}
    rows = []
    for part in (*PARTS, "step", "whole", "logging"):
        per = "step" if part in (*PER_STEP, "step") else "interval" if part in PER_INTERVAL else "run"
        low, middle, high = quartiles(1e6 * seconds[part])
        rows.append(
            {
                "implementation": config.implementation,
                "optimizer": config.optimizer.name,
                "model": config.model.name,
                "data": subject.dataset.name,
                "sampling": config.sampling.name,
                "batch_size": config.batch_size,
                "part": part,
                "us_per_step": middle / subject.steps,
                "us_per_step_q25": low / subject.steps,
                "us_per_step_q75": high / subject.steps,
                "per": per,
                "microseconds": middle / times[per],
                "steps": subject.steps,
                "repeats": len(seconds),
            }
        )
    return rows


def measure_steps(measured: Sequence[Subject], rounds: int) -> pd.DataFrame:
    """Measure the whole and the parts of every subject, in turn.

    Parameters
    ----------
    measured : sequence of Subject
        What is measured.
    rounds : int
        Samples of each.

    Returns
    -------
    DataFrame
        See ``conf/measurement/step_cost.yaml``.
    """
    samples: list[list[dict[str, float]]] = [[] for _ in measured]
    with torch_threads(), no_garbage_collection(), quiet_lightning(), TemporaryDirectory() as folder:
        for subject in measured:
            warm_up(subject.cell, subject.dataset)
        seconds_of_parts(measured[0])  # what Lightning does once
        for _ in range(rounds):
            logging: dict[tuple[str, int], float] = {}  # a table's size depends on nothing else
            for subject, own in zip(measured, samples, strict=True):
                whole, trained = seconds_of_whole(subject)
                size = subject.dataset.name, subject.cell.config.batch_size
                if size not in logging:
                    logging[size] = seconds_of_logging(subject, trained, Path(folder))
                own.append({**seconds_of_parts(subject), "whole": whole, "logging": logging[size]})
                gc.collect()  # Lightning's cycles; what was there before is frozen, so this is quick
    return pd.DataFrame([row for subject, own in zip(measured, samples, strict=True) for row in rows_of(subject, own)])


def step_cost(inputs: Inputs) -> pd.DataFrame:
    """Measure every optimizer on the data set, and again under each of the other settings that are asked for.

    Parameters
    ----------
    inputs : Inputs
        Needs the data. Each of ``also`` is a list of overrides, such as ``model=mlp``.

    Returns
    -------
    DataFrame
        See ``conf/measurement/step_cost.yaml``.

    Raises
    ------
    UserError
        If other keys of a model are asked for than its file has: a row names the model alone.
    """
    given = inputs.needed_dataset()
    # A rule for matrices is measured where it is asked for: here it would update one row of weights.
    names = [name for name in optimizers.names() if optimizers.load(name).rest is None]
    # A row names the data alone: of classes, what is learnt is in the overrides that name them.
    measured = [] if given.y.dtype == np.int64 else subjects(given, names, STEPS)
    usual = compose_cell([]).data.name
    for overrides in inputs.also:
        asked = compose_cell(["batch_size=1", *overrides])
        plain = [text for text in overrides if not text.lstrip("+").startswith("model.")]
        if asked.model != compose_cell(["batch_size=1", *plain]).model:
            raise UserError(
                f"--also '{' '.join(overrides)}' is not allowed: a model is measured as its file in conf/model has it, "
                f"because a row names {asked.model.name} alone; write a file for another one"
            )
        dataset = given if asked.data.name == usual else prepared(asked.data, inputs.folder)
        chosen = any(text.startswith("optimizer=") for text in overrides)
        measured += subjects(dataset, [asked.optimizer.name] if chosen else names, STEPS, overrides)
    if not measured:
        raise UserError("the data are classes: add --also='data=...', the overrides that say what is learnt from them")
    return measure_steps(measured, rounds=9 if inputs.full else 1)
