"""What the processes of a race do: train a unit of runs, or measure steps, and write what was found."""

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.analysis.costs import costs
from pipeline.answer.costs import StepTimes
from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.lab.files import write_whole, written_whole
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.parts.base import DataConfig
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.train.placement import backend
from pipeline.train.readings import Stop
from pipeline.train.rows import machine_of

COLUMNS = ["cell_id", "seed", "status", "final_loss", "final_validation_loss", "accuracy", "examples"]


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
        The loss to reach; None in the first round, which keeps its tables instead.
    whole : bool
        Train to the end, though all runs may be at the target before.
    """

    cells: tuple[Cell, ...]
    data_dir: Path
    path: Path
    metric: str
    target: float | None
    whole: bool


@dataclass(frozen=True)
class Steps:
    """Steps that are measured, alone on the machine.

    Parameters
    ----------
    cells : tuple of Cell
        One of each kind.
    data_dir : Path
        Where the data lie.
    path : Path
        Where the samples are kept: machine to kind to seconds.
    machine : str
        Where steps of this race were measured before; empty: nowhere.
    sweeps : int
        Samples of each, one kind after the other.
    """

    cells: tuple[Cell, ...]
    data_dir: Path
    path: Path
    machine: str
    sweeps: int = 5


def work_on(job: "Unit | Steps") -> dict[str, str]:
    """Train a unit, or measure steps, and write what was found; gives back the reasons of what failed."""
    if isinstance(job, Unit):
        return train_unit(job)
    machine = machine_of(backend(job.cells[0].config.trainer))
    if job.machine not in ("", machine):
        raise UserError(
            f"this race has measured its steps on {job.machine}, and the seconds of this machine, {machine}, do not "
            "compare with them: go on there, or race with scarce=steps, examples or loss"
        )
    fresh = StepTimes()
    cells = [replace(cell, config=replace(cell.config, engine="solo")) for cell in job.cells]
    fresh.measure(cells, dataset_of(cells[0].config.data, job.data_dir), job.sweeps)
    write_whole(job.path, json.dumps({machine: fresh.samples.to_dict("list")}) + "\n")
    return {}


def train_unit(unit: Unit) -> dict[str, str]:
    """Train a unit and write its runs, with their costs to the target; gives back the reasons of what failed."""
    dataset = dataset_of(unit.cells[0].config.data, unit.data_dir)
    reasons: dict[str, str] = {}
    stop = None if unit.whole or unit.target is None else Stop(unit.metric, unit.target)
    runs, curves = train_cells(unit.cells, {dataset.name: dataset}, failures=reasons, stop=stop)
    if unit.target is None:
        write_table(runs, RUNS, runs_of(unit.path))
        write_table(curves, CURVES, readings_of(unit.path))
    table = runs[COLUMNS].rename(columns={"examples": "seen"})
    if unit.target is not None:
        table = table.merge(costs(curves, unit.metric, unit.target), how="left", on=["cell_id", "seed"])
    with written_whole(unit.path) as temporary:
        table.to_parquet(temporary)
    return reasons


def readings_of(path: Path) -> Path:
    """Where the readings of a unit of the first round are."""
    return path.with_suffix(".curves.parquet")


def runs_of(path: Path) -> Path:
    """Where their runs are, with all columns."""
    return path.with_suffix(".runs.parquet")


#: Data sets that this process has read, so that each unit does not read them again.
_read: dict[tuple[str, Path], Dataset] = {}


def dataset_of(config: DataConfig, folder: Path) -> Dataset:
    """A data set, read once in each process."""
    key = repr(config), folder.absolute()
    if key not in _read:
        _read[key] = prepared(config, folder)
    return _read[key]


def _quiet() -> None:
    """Leave Ctrl-C to the process that started this one, which ends it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)


#: Does :func:`work_on` for each, and gives back the reasons of what failed in each as it ends.
Work = Callable[[Sequence[Unit | Steps]], Iterable[dict[str, str]]]


@contextmanager
def workers(count: int) -> Iterator[Work]:
    """Processes that train units side by side; one core trains in this process."""
    if count == 1:
        yield lambda jobs: map(work_on, jobs)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.answer.units"])
    with context.Pool(count, _quiet) as pool:  # leaving the block ends the processes
        yield lambda jobs: pool.imap_unordered(work_on, jobs)
