"""Trains a race's cells, on all cores, and keeps every run: what was trained once is read and not trained again."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.costs import costs
from pipeline.answer.bets import Array
from pipeline.answer.contest import ACCURACY
from pipeline.answer.costs import StepTimes
from pipeline.answer.units import Steps, Unit, Work, dataset_of, readings_of, runs_of
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.errors import UserError, first_line
from pipeline.lab.facts import json_object
from pipeline.lab.tables import CURVES, RUNS, join_tables
from pipeline.parts import tasks
from pipeline.parts.base import LR_MOST

#: How a damaged file of an answer is mended.
AGAIN = "delete that folder, and start again with the same words"
#: Most runs of one unit of work: enough to stack, few enough for several cores to share.
UNIT_RUNS = 520
#: How far the target lies above the best median of the first seeds.
SLACK = 0.01
#: Learning rates that are added beyond a border at a time, and how often.
ADDED, WIDER = 2, 3
#: Samples of each step in the first round, the most of all steps that are then taken at once, and the most of a step:
#: measured so often without being decided, a question is left open.
FIRST, AT_ONCE, SAMPLES = 5, 800, 640
REFERENCE = "sgd"


def _read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    try:
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)
    except (OSError, ValueError) as error:
        raise UserError(f"a table of {paths[0].parent} cannot be read ({first_line(error)}): {AGAIN}") from None


class Training:
    """What a race calls to train: rounds of units, read back where they were trained before.

    Parameters
    ----------
    cells : list of Cell
        What is raced; more may be appended.
    folder : Path
        Where runs are kept.
    data_dir : Path
        Where the data lie.
    work : callable
        As of :func:`pipeline.answer.units.workers`.
    metric : str
        ``loss``, ``validation_loss``, ``validation_accuracy`` or ``auto``.
    target : float or None
        The loss or accuracy to reach; None: derived from the first seeds.
    clock : bool
        Whether seconds are asked for: the first round measures steps, when it has trained.

    Attributes
    ----------
    epochs, seconds : float
        Passes over the data of all runs, and what training them took now.
    failures : dict
        Cell to why it failed.
    """

    def __init__(
        self,
        cells: list[Cell],
        folder: Path,
        data_dir: Path,
        work: Work,
        metric: str = "auto",
        target: float | None = None,
        clock: bool = False,
    ) -> None:
        self.cells, self.folder, self.data_dir, self.work, self.clock = cells, folder, data_dir, work, clock
        self.dataset = dataset_of(cells[0].config.data, data_dir)
        held_out = self.dataset.held_out is not None
        if metric.startswith("validation") and not held_out:
            raise UserError(
                f"metric={metric} is not allowed: the data hold no examples out; use metric=loss, or data with "
                "some, as data=table data.path=... data.validation=0.2"
            )
        if metric == ACCURACY and tasks.load(task := cells[0].config.data.task).accuracy is None:
            raise UserError(f"metric={metric} is not allowed: data.task={task} knows no accuracy; use validation_loss")
        self.metric = ("validation_loss" if held_out else "loss") if metric == "auto" else metric
        self.target = target
        self.times = StepTimes()
        self.failures: dict[str, str] = {}
        self.epochs = self.seconds = 0.0
        self.widened: dict[tuple[str, bool], int] = {}
        self.machine, self.first = "", list[Unit]()

    def __call__(self, cells: NDArray[np.intp], seeds: range, whole: NDArray[np.bool_]) -> dict[str, Array]:
        """Train some cells with some seeds; see :class:`pipeline.answer.race.Field`."""
        chosen = [self.cells[i] for i in cells]
        units = self._units(chosen, seeds, {cell.id for cell, to_end in zip(chosen, whole, strict=True) if to_end})
        started = time.monotonic()
        for reasons in self.work([unit for unit in units if not unit.path.exists()]):
            self.failures |= reasons
        self.seconds += time.monotonic() - started
        if self.clock and not seeds.start:
            self._measure({self.times.kind(cell): cell for cell in chosen}, FIRST)
        table = _read_tables([unit.path for unit in units])
        self.epochs += float(table["seen"].sum()) / self.cells[0].config.data.examples
        if not seeds.start:
            self.first, self.target = units, self.target or self._derived(table, chosen)
            curves = _read_tables([readings_of(unit.path) for unit in units])
            table = table.merge(costs(curves, self.metric, self.target), how="left", on=["cell_id", "seed"])
        found = self._values(table, chosen, seeds)
        found["loss"][~whole] = np.nan  # of runs that may have stopped at the target
        return found

    def _units(self, cells: Sequence[Cell], seeds: range, to_end: set[str]) -> list[Unit]:
        """Cells that can be stacked together, to the end if one of them is asked for its end; the longest first."""
        groups: dict[str, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(canonical_json({**cell.identity, "lr": None}), []).append(cell)
        units = []
        for group in sorted(groups.values(), key=lambda own: -own[0].steps):
            for i in range(0, len(group), UNIT_RUNS):
                own = group[i : i + UNIT_RUNS]
                whole = any(cell.id in to_end for cell in own)
                size = max(1, UNIT_RUNS // len(own))
                for start in range(seeds.start, seeds.stop, size):
                    count = min(size, seeds.stop - start)
                    given = tuple(replace(c, config=replace(c.config, seeds=count, first_seed=start)) for c in own)
                    target = self.target if seeds.start else None
                    text = canonical_json([[cell.id for cell in own], start, count, target, whole])
                    path = (
                        self.folder / "runs" / f"{start:06d}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"
                    )
                    units.append(Unit(given, self.data_dir, path, self.metric, target, whole))
        return units

    def _derived(self, runs: pd.DataFrame, cells: Sequence[Cell]) -> float:
        """A per cent above the lowest median of the reference, by the seeds of the first round, or a point below."""
        names = {cell.id: cell.config.optimizer.name for cell in cells}
        medians = self._losses(runs).groupby(runs["cell_id"]).median()
        wanted = REFERENCE if REFERENCE in names.values() else next(iter(names.values()))
        own = medians[[names[str(cell)] == wanted for cell in medians.index]]
        best = float(own.min() if np.isfinite(own.min()) else medians.min())
        if not np.isfinite(best):
            raise UserError("no cell has a finite loss with its first seeds: choose lower learning rates")
        return 1 - best - SLACK if self.metric == ACCURACY else best * (1 + SLACK)

    def _losses(self, runs: pd.DataFrame) -> "pd.Series[float]":
        """Final losses, or shares that are classified wrongly; infinite where a run diverged or failed."""
        final = 1 - runs["accuracy"] if self.metric == ACCURACY else runs[f"final_{self.metric}"]
        return final.astype(float).where(runs["status"] == "ok", np.inf)

    def _values(self, table: pd.DataFrame, cells: Sequence[Cell], seeds: range) -> dict[str, Array]:
        position = {cell.id: i for i, cell in enumerate(cells)}
        at = table["cell_id"].map(position).to_numpy(), table["seed"].to_numpy() - seeds.start
        columns = {"loss": self._losses(table), "steps": table["steps"], "examples": table["examples"]}
        found = {}
        for name, column in columns.items():
            found[name] = np.full((len(cells), len(seeds)), np.inf)
            found[name][at] = column.astype(float).fillna(np.inf)
        found["seconds"] = found["steps"]  # weighed by the race, as the measured step changes
        return found

    def widen(self, position: int) -> int:
        """Append cells beyond the lowest or highest learning rate of a cell's optimizer and batch size, if it has that.

        Returns
        -------
        int
            How many: none where the rate is inside, or was tried often enough.
        """
        leader = self.cells[position]
        alike = {**leader.identity, "lr": None}
        rates = sorted({cell.config.lr for cell in self.cells if {**cell.identity, "lr": None} == alike})
        side = leader.config.lr == rates[-1], leader.config.lr == rates[0]
        if len(rates) < 3 or not any(side) or self.widened.get((canonical_json(alike), side[0]), 0) >= WIDER:
            return 0
        self.widened[canonical_json(alike), side[0]] = self.widened.get((canonical_json(alike), side[0]), 0) + 1
        ratio = rates[-1] / rates[-2] if side[0] else rates[0] / rates[1]
        beyond = (float(f"{leader.config.lr * ratio**i:.4g}") for i in range(1, ADDED + 1))
        new = [lr for lr in beyond if lr <= LR_MOST]
        self.cells += [replace(leader, config=replace(leader.config, lr=lr)) for lr in new]
        return len(new)

    def weigh(self, name: str, cells: NDArray[np.intp]) -> Array:
        """Seconds of a step of some cells, for the measure of seconds; one for all others."""
        return np.array([self.times.seconds(self.cells[i]) if name == "seconds" else 1.0 for i in cells])

    def spread(self, name: str, leader: int, cells: NDArray[np.intp]) -> Array:
        """How far the logarithm of the ratio of a cell's value to the leader's may be wrong for all seeds alike."""
        found = self.times.spread(self.cells[leader], [self.cells[i] for i in cells])
        return found if name == "seconds" else np.zeros(len(cells))

    def measure(self, cells: NDArray[np.intp]) -> bool:
        """Measure the steps of some cells as often again as they were; False where that was done often enough."""
        kinds = {
            self.times.kind(cell): cell for cell in (self.cells[i] for i in cells) if self.times.count(cell) < SAMPLES
        }
        if kinds:
            self._measure(kinds, max(1, min(AT_ONCE // len(kinds), *map(self.times.count, kinds.values()))))
        return bool(kinds)

    def _measure(self, kinds: Mapping[str, Cell], sweeps: int) -> None:
        """Measure a step of some kinds, alone on the machine; what an interrupted race measured is read back."""
        path = self.folder / "seconds" / f"{len(self.times.samples):06d}.json"
        if not path.exists():
            list(self.work([Steps(tuple(kinds.values()), self.data_dir, path, self.machine, sweeps)]))
        for self.machine, samples in json_object(path, AGAIN).items():
            self.times.add(samples)

    def write_tables(self, folder: Path) -> None:
        """Join the tables of the first round, which gave all cells the same seeds, into those of a study."""
        for name, schema, place in (("runs", RUNS, runs_of), ("curves", CURVES, readings_of)):
            join_tables([place(unit.path) for unit in self.first], schema, folder / f"{name}.parquet")
