"""Trains a race's cells, on all cores, and keeps every run: what was trained once is read and not trained again."""

import hashlib
import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.answer.costs import StepTimes, costs
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError, first_line
from pipeline.lab.facts import json_object
from pipeline.lab.files import write_whole, written_whole
from pipeline.parts.base import LR_MOST, DataConfig
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.train.readings import Stop

Array = NDArray[np.float64]

#: How a damaged file of an answer is mended.
AGAIN = "delete that folder, and start again with the same words"
#: Most runs of one unit of work: enough to stack, few enough for several cores to share.
UNIT_RUNS = 520
#: How far the target lies above the best median of the first seeds.
SLACK = 0.01
#: Most kinds of steps that are measured again after each round.
KINDS = 30
#: Learning rates that are added beyond a border at a time, and how often.
ADDED, WIDER = 2, 3
REFERENCE = "sgd"
COLUMNS = ["cell_id", "seed", "status", "final_loss", "final_validation_loss", "examples"]


@dataclass(frozen=True)
class Unit:
    """Runs that one process trains together.

    Parameters
    ----------
    cells : tuple of Cell
        With the unit's seeds.
    data_dir : Path
        Where the data lie.
    path : Path
        Where its runs are kept.
    metric : str
        The column of losses that decides.
    target : float or None
        The loss to reach; None in the first round, which keeps its readings instead.
    whole : bool
        Train to the end, though all runs may be at the target before.
    """

    cells: tuple[Cell, ...]
    data_dir: Path
    path: Path
    metric: str
    target: float | None
    whole: bool


def train_unit(unit: Unit) -> dict[str, str]:
    """Train a unit and write its runs, with their costs to the target; gives back the reasons of what failed."""
    dataset = _dataset(unit.cells[0].config.data, unit.data_dir)
    reasons: dict[str, str] = {}
    stop = None if unit.whole or unit.target is None else Stop(unit.metric, unit.target)
    runs, curves = train_cells(unit.cells, {dataset.name: dataset}, failures=reasons, stop=stop)
    if unit.target is None:
        with written_whole(readings_of(unit.path)) as temporary:
            curves.drop(columns=["study", "seconds", "epoch"]).to_parquet(temporary)
    table = runs[COLUMNS].rename(columns={"examples": "seen"})
    if unit.target is not None:
        table = table.merge(costs(curves, unit.metric, unit.target), how="left", on=["cell_id", "seed"])
    with written_whole(unit.path) as temporary:
        table.to_parquet(temporary)
    return reasons


def _read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    try:
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)
    except (OSError, ValueError) as error:
        raise UserError(f"a table of {paths[0].parent} cannot be read ({first_line(error)}): {AGAIN}") from None


def readings_of(path: Path) -> Path:
    """Where the readings of a unit of the first round are."""
    return path.with_suffix(".curves.parquet")


#: Data sets that this process has read, so that each unit does not read them again.
_read: dict[tuple[str, Path], Dataset] = {}


def _dataset(config: DataConfig, folder: Path) -> Dataset:
    key = repr(config), folder.absolute()
    if key not in _read:
        _read[key] = prepared(config, folder)
    return _read[key]


def _quiet() -> None:
    """Leave Ctrl-C to the process that started this one, which ends it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)


#: Trains units, and gives back the reasons of what failed in each as it ends.
Work = Callable[[Sequence[Unit]], Iterable[dict[str, str]]]


@contextmanager
def workers(count: int) -> Iterator[Work]:
    """Processes that train units side by side; one core trains in this process."""
    if count == 1:
        yield lambda units: map(train_unit, units)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.answer.training"])
    with context.Pool(count, _quiet) as pool:  # leaving the block ends the processes
        yield lambda units: pool.imap_unordered(train_unit, units)


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
        As of :func:`workers`.
    metric : str
        ``loss``, ``validation_loss`` or ``auto``.
    target : float or None
        The loss to reach; None: derived from the first seeds.
    clock : bool
        Whether seconds are asked for: each round measures steps, when it has trained.

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
        self.dataset = _dataset(cells[0].config.data, data_dir)
        held_out = self.dataset.held_out is not None
        if metric == "validation_loss" and not held_out:
            raise UserError(
                "metric=validation_loss is not allowed: the data hold no examples out; use metric=loss, or data with "
                "some, as data=table data.path=... data.validation=0.2"
            )
        self.metric = ("validation_loss" if held_out else "loss") if metric == "auto" else metric
        self.target = target
        self.times = StepTimes()
        self.failures: dict[str, str] = {}
        self.epochs = self.seconds = 0.0
        self.widened: dict[tuple[str, bool], int] = {}

    def __call__(self, cells: NDArray[np.intp], seeds: range, whole: NDArray[np.bool_]) -> dict[str, Array]:
        """Train some cells with some seeds; see :class:`pipeline.answer.race.Field`."""
        chosen = [self.cells[i] for i in cells]
        first = self.target is None
        units = [
            unit
            for kind in (True, False)
            for unit in self._units([c for c, to_end in zip(chosen, whole, strict=True) if to_end == kind], seeds, kind)
        ]
        started = time.monotonic()
        for reasons in self.work([unit for unit in units if not unit.path.exists()]):
            self.failures |= reasons
        self.seconds += time.monotonic() - started
        if self.clock:
            self._measure(chosen, seeds.start)
        table = _read_tables([unit.path for unit in units])
        self.epochs += float(table["seen"].sum()) / self.cells[0].config.data.examples
        if first:
            self.target = self._derived(table, chosen)
            curves = _read_tables([readings_of(unit.path) for unit in units])
            table = table.merge(costs(curves, self.metric, self.target), how="left", on=["cell_id", "seed"])
        found = self._values(table, chosen, seeds)
        found["loss"][~whole] = np.nan  # of runs that may have stopped at the target
        return found

    def _units(self, cells: Sequence[Cell], seeds: range, whole: bool) -> list[Unit]:
        """Cells that can be stacked together; those that take longest first."""
        groups: dict[str, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(canonical_json({**cell.identity, "lr": None}), []).append(cell)
        units = []
        for group in sorted(groups.values(), key=lambda own: -own[0].steps):
            for i in range(0, len(group), UNIT_RUNS):
                own = group[i : i + UNIT_RUNS]
                size = max(1, UNIT_RUNS // len(own))
                for start in range(seeds.start, seeds.stop, size):
                    count = min(size, seeds.stop - start)
                    given = tuple(replace(c, config=replace(c.config, seeds=count, first_seed=start)) for c in own)
                    text = canonical_json([[cell.id for cell in own], start, count, self.target, whole])
                    path = (
                        self.folder / "runs" / f"{start:06d}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"
                    )
                    units.append(Unit(given, self.data_dir, path, self.metric, self.target, whole))
        return units

    def _derived(self, runs: pd.DataFrame, cells: Sequence[Cell]) -> float:
        """A per cent above the lowest median of the reference, by the seeds of the first round."""
        names = {cell.id: cell.config.optimizer.name for cell in cells}
        medians = self._losses(runs).groupby(runs["cell_id"]).median()
        wanted = REFERENCE if REFERENCE in names.values() else next(iter(names.values()))
        own = medians[[names[str(cell)] == wanted for cell in medians.index]]
        best = float(own.min() if np.isfinite(own.min()) else medians.min())
        if not np.isfinite(best):
            raise UserError("no cell has a finite loss with its first seeds: choose lower learning rates")
        return best * (1 + SLACK)

    def _losses(self, runs: pd.DataFrame) -> "pd.Series[float]":
        """Final losses; infinite where a run diverged or failed."""
        return runs[f"final_{self.metric}"].astype(float).where(runs["status"] == "ok", np.inf)

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

    def _measure(self, cells: Sequence[Cell], number: int) -> None:
        """Measure a step of some cells, alone on the machine; what an interrupted race measured is read back."""
        kinds = {self.times.kind(cell): cell for cell in cells}
        if number and len(kinds) > KINDS:
            return
        path = self.folder / "seconds" / f"{number:06d}.json"
        if not path.exists():
            fresh = StepTimes()
            fresh.measure([replace(c, config=replace(c.config, engine="solo")) for c in kinds.values()], self.dataset)
            write_whole(path, json.dumps(fresh.samples) + "\n")
        for kind, seconds in json_object(path, AGAIN).items():
            self.times.samples.setdefault(kind, []).extend(seconds)
