"""Studies and their training jobs: which there are, what each reads, and the parameters that make it run again.

Imports no torch, Lightning or MLflow: Snakemake reads it at every start, and again for every job on a cluster.
Cells are looked up by the job's id; nothing is parsed back out of a path.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.lab.command import overrides_of
from pipeline.lab.config import Study, load_study
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import as_overrides, compose_data, parse_overrides
from pipeline.lab.config.extension import Widening, read_rounds
from pipeline.lab.config.limits import without_search
from pipeline.lab.config.study import RACE, study_names
from pipeline.lab.devices import gpus_wanted
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.parts import configurations, find, optimizers, own
from pipeline.parts.data.file import Config as OwnTable
from pipeline.workflow import code
from pipeline.workflow.code import digest_of
from pipeline.workflow.settings import Settings

#: Reach a training job through its input files and through its cells, which are a parameter.
_APART = ("pipeline.fetch", "pipeline.whiten", "pipeline.track", "pipeline.lab.config")


class Jobs:
    """The studies and their jobs.

    Methods that take ``wildcards`` are input functions and parameters of rules.

    Parameters
    ----------
    settings : Settings
        From Snakemake's ``--config``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: Overrides of a job that trains, whatever its study is searched by.
        self.overrides = without_search(settings.overrides)
        self._results = settings.results
        self._load = lru_cache(maxsize=None)(self._study)
        self._data_files = frozenset(configurations("data"))
        self._said = False
        self._own_tables: dict[str, Cell] = {}
        # Asked several times for every job: read anew only after a file was put into the folder.
        self._read_rounds = lru_cache(maxsize=None)(lambda folder, written: read_rounds(Path(folder)))

    # -- studies

    def study(self, name: str) -> Study:
        """A study with its extensions, which may be one more after a checkpoint than before."""
        folder = self._extension(name)
        try:
            written = os.stat(folder).st_mtime_ns  # noqa: PTH116  (a Path for each of a million calls takes longer)
        except (FileNotFoundError, NotADirectoryError):
            return self._load(name, ())
        return self._load(name, self._read_rounds(folder, written))

    def _study(self, name: str, rounds: tuple[tuple[Widening, ...], ...]) -> Study:
        return dataclasses.replace(load_study(name, self._settings.overrides), rounds=rounds)

    def _extension(self, study: str) -> str:
        return f"{self._results}/{study}/extension"

    @property
    def studies(self) -> list[str]:
        """Every study."""
        return study_names()

    # Snakemake shows an exception in these as a traceback; so they end the process themselves.

    @property
    @exit_on_user_error()
    def default_studies(self) -> list[str]:
        """The studies that a plain ``snakemake`` runs, or those that ``--config studies=[...]`` names."""
        if self._settings.studies is not None:
            return self._settings.studies
        chosen = [self.study(name).config for name in self.studies if not self.study(name).config.opt_in]
        left_out = self._left_out([config.name for config in chosen])
        chosen = [config for config in chosen if config.name not in left_out]
        return [config.name for config in sorted(chosen, key=lambda config: (config.order, config.name))]

    def _left_out(self, names: list[str]) -> dict[str, str]:
        """The studies that cannot be run on the data that the overrides choose, and why; it is said, once."""
        data = parse_overrides(self._settings.cell_overrides).get("data")
        if data is None:
            return {}
        compose_data(self._settings.cell_overrides)  # refused here in its own words, whatever the studies
        found = {}
        for name in names:
            about = self.study(name).config.about
            if about and data not in (about, f"{about}_twin"):
                found[name] = f"it is about {about}"
                continue
            try:
                self.study(name).jobs  # noqa: B018 -- makes the cells
            except UserError as error:
                found[name] = str(error)
        if found and not self._said:
            self._said = True
            for name, why in found.items():
                print(f"left out on this data: study {name}: {why}", file=sys.stderr)
        if len(found) == len(names):
            raise UserError(f"data={data} is not allowed: no study can be run on it ({'; '.join(found.values())})")
        return found

    def folders(self, studies: list[str]) -> list[str]:
        """The folders of studies."""
        return [f"{self._results}/{study}" for study in studies]

    @exit_on_user_error()
    def words(self, wildcards: Any) -> str:
        """A digest of the study's title and labels: when one is edited, only what shows it is made again."""
        return digest_of(self.study(wildcards.study).words)

    # -- jobs

    @exit_on_user_error()
    def of(self, study: str) -> dict[str, list[Cell]]:
        """The jobs of a study, each with its cells."""
        return self.study(study).jobs

    def cells(self, wildcards: Any) -> list[Cell]:
        """The cells of a job."""
        return self.of(wildcards.study)[wildcards.job]

    def tables(self, wildcards: Any) -> list[str]:
        """The tables of a study's jobs."""
        folders = [f"{self._results}/{wildcards.study}/jobs/{job}" for job in self.of(wildcards.study)]
        return [f"{folder}/{table}.parquet" for folder in folders for table in ("runs", "curves")]

    def widened_tables(self, checkpoints: Any) -> Callable[[Any], list[str]]:
        """The tables of the cells that the next extension of each swept study adds, as an input function."""
        configs = [self.study(name).config for name in self.default_studies]
        swept = [config.name for config in configs if config.lr_points and config.search == "grid"]
        rounds = {name: len(self.study(name).rounds) + 1 for name in swept}

        def tables(wildcards: Any) -> list[str]:
            """The job's tables, and those of the rounds that its checkpoints have asked for."""
            found = []
            for name, number in rounds.items():
                checkpoints.widen.get(study=name, round=number)
                jobs = [job for job in self.of(name) if f"{job}-".startswith(f"ext{number}-")]
                found += [f"{self._results}/{name}/jobs/{job}/runs.parquet" for job in jobs]
            return found

        return tables

    @exit_on_user_error()
    def cells_digest(self, study: str) -> str:
        """A digest of a study's cells, in their order."""
        return digest_of([[cell.id, cell.label] for cell in self.study(study).cells])

    # -- one training job

    @exit_on_user_error()
    def data(self, wildcards: Any) -> list[str]:
        """The whitened tables and the folders of images that a job trains on."""
        fetched = {
            cell.config.data.name for cell in self.cells(wildcards) if not isinstance(cell.config.data, OwnTable)
        }
        for name in fetched - self._data_files:
            raise UserError(f"data.name={name} is not allowed: there is no conf/data/{name}.yaml")
        self._own_tables |= {cell.config.data.file: cell for cell in self.cells(wildcards)}
        return sorted({f"{self._results}/data/{cell.config.data.file}" for cell in self.cells(wildcards)})

    @exit_on_user_error()
    def own_table(self, wildcards: Any) -> Cell:
        """A cell that trains on the prepared table of that name."""
        file = f"{wildcards.data}-{wildcards.digest}.parquet"
        if file not in self._own_tables:
            studies = [*dict.fromkeys([*self.default_studies, *self.studies])]
            cells = (cell for study in studies for cells in self.of(study).values() for cell in cells)
            found = next((cell for cell in cells if cell.config.data.file == file), None)
            if found is None:
                raise UserError(f"{file} is not the table of any study; run snakemake as it was run when it was made")
            self._own_tables[file] = found
        return self._own_tables[file]

    def own_files(self, wildcards: Any) -> list[str]:
        """What a table of one's own is read from."""
        config = self.own_table(wildcards).config.data
        return config.files if isinstance(config, OwnTable) else []

    def own_overrides(self, wildcards: Any) -> list[str]:
        """The overrides that compose a table of one's own, with its hash."""
        cell = self.own_table(wildcards)
        return [*data_overrides(cell), *self._promised([cell])]

    def _promised(self, cells: list[Cell]) -> list[str]:
        """What a table of one's own was when the workflow was planned; a job refuses another one."""
        data = {cell.config.data.file: cell.config.data for cell in cells}
        config = next(iter(data.values()))
        if len(data) != 1 or not isinstance(config, OwnTable):
            return []
        # The job's command line starts from the default data, which have no key `split`: hence the plus.
        return as_overrides({"data.sha1": config.sha1, "+data.split": config.split})

    def extension(self, wildcards: Any) -> list[str]:
        """Where a job's cells are written down, if they are not in the study's file."""
        known = self._load(wildcards.study, ()).jobs
        return [] if wildcards.job in known else as_overrides({"extension": self._extension(wildcards.study)})

    def places(self, wildcards: Any, output: Any) -> list[str]:
        """Where a job reads and writes, quoted as Hydra needs it: the results' folder may have any name."""
        out = Path(output.runs).parent.as_posix()
        own = as_overrides({"out": out, "data_dir": f"{self._results}/data", "hydra.run.dir": out})
        return [*own, *self._promised(self.study(wildcards.study).cells)]  # an override reaches every cell of the study

    def configuration(self, wildcards: Any) -> str:
        """A digest of what decides a job's numbers, other than code: its cells, their steps, replicates and engine."""
        return digest_of(
            [[cell.id, cell.steps, cell.config.seeds, cell.config.engine] for cell in self.cells(wildcards)]
        )

    @exit_on_user_error()
    def code(self, wildcards: Any) -> str:
        """A digest of the code that a job runs: the stage, and the parts that its cells use."""
        parts = {path for cell in self.cells(wildcards) for path in part_files(cell)}
        stage = "pipeline.answer" if wildcards.job == RACE else "pipeline.train.__main__"
        return code.digest(stage, apart=_APART, parts=tuple(sorted(parts)))

    def race(self, wildcards: Any) -> str:
        """A digest of what decides a race, its cells apart."""
        config = self.study(wildcards.study).config
        return digest_of([config.race, dataclasses.asdict(config.target)])

    def race_places(self, wildcards: Any, output: Any) -> list[str]:
        """Where a race reads and writes: what it keeps, to go on with after it was stopped, is beside its tables."""
        folder, data_dir = Path(output.runs).parent.as_posix(), f"{self._results}/data"
        own = [f"out={folder}/kept", f"tables={folder}", f"data_dir={data_dir}"]
        return [*own, *self._promised(self.cells(wildcards))]

    def threads(self, wildcards: Any, cores: int, gpus: int | None = None) -> int:
        """A job that is timed holds the whole machine, so that nothing runs beside it.

        On one of several GPUs, it holds that GPU and its share of the cores.
        """
        if self.study(wildcards.study).config.engine == "solo":
            wanted = self.gpus(wildcards)
            return max(1, cores * wanted // gpus) if gpus and 0 < wanted < gpus else cores
        return min(cores, max(cell.config.trainer.devices for cell in self.cells(wildcards)))

    def gpus(self, wildcards: Any) -> int:
        """GPU tokens that a job takes."""
        return gpus_wanted(cell.config.trainer for cell in self.cells(wildcards))


def data_overrides(cell: Cell) -> list[str]:
    """The overrides that compose a cell's data."""
    return [text for text in overrides_of(json.loads(cell.config_json)) if text.startswith(("data=", "data."))]


def part_files(cell: Cell) -> list[Path]:
    """The files of a cell's parts."""
    config = cell.config
    used = [("model", config.model.name), ("schedule", config.schedule.name)]
    used += [("task", config.data.task), ("data", config.data.reader)]
    if config.implementation == "torch" and own.is_reference(config.optimizer.name):
        used.append(("optimizer", config.optimizer.name))
    if config.implementation == "scratch":
        rules = [config.optimizer.name, optimizers.load(config.optimizer.name).rest]
        used += [("optimizer", rule) for rule in rules if rule]
    return [find(kind, name) for kind, name in used]
