"""A study: a named set of cells, packed into jobs."""

import copy
import dataclasses
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.config.cell import WORDS_VERSION, Cell, slug
from pipeline.lab.config.compose import compose_values, first_line, own_defaults, parse_overrides
from pipeline.lab.config.extension import Widening, read_rounds, widened
from pipeline.lab.config.limits import check_runs, check_steps, split_limits
from pipeline.lab.config.schema import CellConfig, StudyConfig
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError
from pipeline.lab.grouping import grouped
from pipeline.parts.base import DataConfig
from pipeline.parts.own import KINDS, allow, is_reference, short

#: The job of a study that is raced; the names that other jobs are made of begin otherwise.
RACE = "_race"


@dataclass(frozen=True)
class Study:
    """A study's settings and its cells.

    Parameters
    ----------
    config : StudyConfig
        The study's file, checked.
    overrides : tuple of str
        Hydra overrides that reach every cell.
    rounds : tuple of tuple of Widening
        Learning rates that were added since; see :mod:`pipeline.lab.config.extension`.
    data : DataConfig, optional
        Data of all cells that have no file in ``conf/data``.
    """

    config: StudyConfig
    overrides: tuple[str, ...] = ()
    rounds: tuple[tuple[Widening, ...], ...] = ()
    data: DataConfig | None = None

    @property
    def name(self) -> str:
        """The study's name, which is its folder below ``results``."""
        return self.config.name

    @property
    def words(self) -> dict[str, Any]:
        """Content of ``study.json``: what people read about the study, apart from its numbers."""
        data = {cell.config.data.name: cell.config.data for cell in self.cells}
        facts = {name: {key: getattr(one, key) for key in ("title", "credit", "licence")} for name, one in data.items()}
        labels = {cell.id: cell.label for cell in self.cells if cell.label}
        return {
            "version": WORDS_VERSION,
            "name": self.name,
            "title": self.config.title,
            "order": self.config.order,
            "target": dataclasses.asdict(self.config.target),
            "labels": labels,
            "data": facts,
        }

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells in the file's order, each once, then those of the extensions."""
        return [cell for cells in self.jobs.values() for cell in cells] if self.rounds else self._own_cells

    @cached_property
    def _own_cells(self) -> list[Cell]:
        return expand(self.config, self.overrides, self.data)

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Job id to the cells that agree on every ``pack_by`` axis; ``ext1`` and so on for the extensions.

        A race is one job.
        """
        if self.config.search == "race":
            return {RACE: self._own_cells}
        jobs = grouped((job_id(cell, self.config.pack_by), cell) for cell in self._own_cells)
        if "lr" in parse_overrides(self.overrides):  # one rate for all: there is nothing to extend
            return jobs
        known = {cell.id for cell in self._own_cells}
        for number, added in enumerate(self.rounds, start=1):
            for cell in widened(self._own_cells, added):
                if cell.id not in known:
                    known.add(cell.id)
                    jobs.setdefault(extension_job_id(number, cell, self.config.pack_by), []).append(cell)
        return jobs


def study_names() -> list[str]:
    """The studies that have a file in ``conf/study`` or in a folder of the user's."""
    return list(parts.configurations("study"))


def load_study(name: str, overrides: Sequence[str] = (), extension: Path | None = None) -> Study:
    """Read and check ``study/NAME.yaml``.

    Parameters
    ----------
    name : str
        One of :func:`study_names`.
    overrides : sequence of str
        Hydra overrides that reach every cell of the study.
    extension : Path, optional
        The folder of the study's extensions; without it the study is what its file says.

    Returns
    -------
    Study
        The same object where the same is asked for again, so that its cells are made once.

    Raises
    ------
    UserError
        If there is no such study, or a key, type or range in it is wrong.
    """
    file = parts.configuration("study", name)
    return _study(file, file.stat().st_mtime_ns, tuple(overrides), read_rounds(extension) if extension else ())


@lru_cache(maxsize=64)
def _study(file: Path, written: int, overrides: tuple[str, ...], rounds: tuple[tuple[Widening, ...], ...]) -> Study:
    of_cells, given = split_limits(overrides)
    config = _read_study(file)
    race = {**config.race, **given.pop("race", {})}
    return Study(dataclasses.replace(config, race=race, **given), tuple(of_cells), rounds)


def _read_study(file: Path) -> StudyConfig:
    """Read a study's file."""
    where = parts.shown(file)
    checks.word("study", file.stem)
    values = read_config(file)
    own_defaults(values, where, [])
    for key in values:
        checks.one_of(f"{where}: key", str(key), [field.name for field in dataclasses.fields(StudyConfig)])
    _check_shape(values, where)
    _allow_own(values, file.parent.parent, where)
    try:
        config = cast(StudyConfig, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(StudyConfig), values)))
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {first_line(error)}") from None
    if config.name != file.stem:
        raise UserError(f"{where}: name={config.name} is not allowed: it must be {file.stem}, as the file is called")
    return config


def _check_shape(values: DictConfig, where: str) -> None:
    """Refuse what is not a mapping, or not a list, where one is needed; OmegaConf would name types of Python's."""
    examples = {"common": "{lr: 0.1}", "cells": "{gd: {batch_size: 1500}}", "grid": "{lr: [0.1, 0.2]}"}
    for key in [key for key in examples if key in values]:
        if not isinstance(values[key], DictConfig):
            raise UserError(f"{where}: {key}={values[key]} is not allowed: it must have keys, as {examples[key]}")
    for axis, points in values.get("grid", {}).items():
        if not isinstance(points, ListConfig):
            raise UserError(f"{where}: grid.{axis}={points} is not allowed: it must be a list, as [0.1, 0.2]")
    for label, own in values.get("cells", {}).items():
        if not isinstance(own, DictConfig):
            raise UserError(f"{where}: cells.{label}={own} is not allowed: it must have keys, as {{lr: 0.1}}")


def _allow_own(values: DictConfig, folder: Path, where: str) -> None:
    """Let the models and optimizers be used that a study names by their files in its own folder."""

    def allowed(kind: str, value: Any) -> Any:
        """The same, as it is found from the working folder."""
        try:
            return allow(kind, value, within=folder) if is_reference(value) else value
        except UserError as error:
            raise UserError(f"{where}: {error}") from None

    for kind in KINDS:
        for keys in (values.get("common", {}), *values.get("cells", {}).values()):
            if kind in keys:
                keys[kind] = allowed(kind, keys[kind])
        if kind in values.get("grid", {}):
            values.grid[kind] = [allowed(kind, one) for one in values.grid[kind]]


def expand(study: StudyConfig, overrides: Sequence[str] = (), data: DataConfig | None = None) -> list[Cell]:
    """Make the cells of a study.

    A cell's keys come from the study's ``common``, its own entry in ``cells``,
    the ``grid``, and last from ``overrides``; what comes later wins.

    Parameters
    ----------
    study : StudyConfig
        The study.
    overrides : sequence of str
        Hydra overrides that reach every cell.
    data : DataConfig, optional
        Data of all cells that have no file in ``conf/data``.

    Returns
    -------
    list of Cell
        Cells made equal by the overrides are one cell, under the first label. Where the overrides choose other data,
        a batch size of the grid with more examples than they have is the full batch, and that is said.

    Raises
    ------
    UserError
        If a key is unknown, a value has the wrong type or is out of range.
    """
    forced = parse_overrides(overrides)
    base = {"engine": study.engine, "seeds": study.seeds, **study.common}
    _check_count(study, base, forced)
    cells: dict[str, Cell] = {}
    most = _examples(base, forced) if "data" in forced and "batch_size" in study.grid else None
    for label, own in (study.cells or {"": {}}).items():
        for point in itertools.product(*study.grid.values()):
            chosen = dict(zip(study.grid, point, strict=True))
            if most is not None and type(chosen["batch_size"]) is int and chosen["batch_size"] > most:
                _announce_full_batch(study.name, chosen["batch_size"], most)
                chosen["batch_size"] = most
            values = {**base, **own, **chosen, **forced}
            try:
                first = compose_values(values, data)
            except UserError as error:
                raise UserError(f"study {study.name}: {error}") from None
            identity = Cell(first).identity
            lrs = [first.lr] if not study.lr_points or "lr" in forced else lr_axis(first, study.lr_points)
            for lr in lrs:
                cell = Cell(copy.copy(first), study.name, label)
                # To check and to identify each rate anew would take most of the time; its range was checked.
                cell.config.lr, vars(cell)["identity"] = lr, {**identity, "lr": lr}
                if cell.id not in cells:
                    check_steps(cell, study.max_steps)
                    cells[cell.id] = cell
    return list(cells.values())


def _examples(base: dict[str, Any], forced: dict[str, Any]) -> int | None:
    """Training examples of the data that overrides choose; None where they are refused, which each cell says."""
    try:
        return compose_values({**base, **forced, "batch_size": 1}).data.examples
    except UserError:
        return None


@cache
def _announce_full_batch(study: str, batch_size: int, examples: int) -> None:
    if parent_process() is None:
        print(f"study {study}: batch_size={batch_size} is the full batch here, {examples} examples", file=sys.stderr)


def _check_count(study: StudyConfig, base: dict[str, Any], forced: dict[str, Any]) -> None:
    """Count the runs before any is made: a slip in a grid may ask for more than memory holds."""
    points = math.prod(len(values) for axis, values in study.grid.items() if axis not in forced and axis != "seeds")
    rates = 1 if "lr" in forced else max(study.lr_points, 1)
    given = [{**base, **own, **forced}.get("seeds") for own in (study.cells or {"": {}}).values()]
    if "seeds" in study.grid and "seeds" not in forced:
        given = study.grid["seeds"] * len(given)
    seeds = sum(one for one in given if isinstance(one, int))  # what is none is refused when its cell is made
    made_of = f"{seeds:,} seeds of all labels x {points:,} points of the grid x {rates:,} learning rates"
    check_runs(f"study {study.name}", seeds * points * rates, made_of, study.max_runs)


def lr_axis(cell: CellConfig, points: int) -> list[float]:
    """Log-spaced learning rates over the range that the cell's optimizer states.

    Rounded to four significant digits, so that they read well and repeat exactly.
    """
    low, high = (math.log10(value) for value in cell.optimizer.lr_range)
    return [float(f"{10 ** (low + (high - low) * i / max(points - 1, 1)):.4g}") for i in range(points)]


def job_id(cell: Cell, pack_by: Sequence[str]) -> str:
    """Name the job of a cell by the values it is packed by, or ``all``."""
    parts = []
    for axis in pack_by:
        value = getattr(cell.config, axis)
        if isinstance(value, float):
            parts.append(f"{axis}{slug(value)}")
        elif isinstance(value, int):
            parts.append(f"{axis.replace('batch_size', 'b')}{value}")
        else:
            parts.append(short(str(getattr(value, "name", value))))
    return "-".join(parts) or "all"


def extension_job_id(number: int, cell: Cell, pack_by: Sequence[str]) -> str:
    """Name the job of a cell that an extension added: ``ext1``, or ``ext1-sgd`` where jobs are packed by optimizer."""
    return "-".join([f"ext{number}", *([job_id(cell, pack_by)] if pack_by else [])])
