"""What the Snakefile asks: which studies, jobs and files there are.

Imports no torch, Lightning or MLflow: Snakemake reads it at every start, and again for every job on a
cluster. Cells are looked up here by the job's id; nothing is parsed back out of a path.
"""

import dataclasses
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pipeline.contrib.frameworks import FRAMEWORKS
from pipeline.figures.names import figure_names
from pipeline.lab.config import Study, load_study
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import as_overrides, compose_cell
from pipeline.lab.config.data import DigitsConfig
from pipeline.lab.config.extension import Widening, read_rounds
from pipeline.lab.config.study import study_names
from pipeline.lab.devices import gpus_wanted
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.paths import CONF
from pipeline.lab.urls import masked
from pipeline.measure import MEASUREMENTS, Measurement
from pipeline.track.uri import DEFAULT_URI
from pipeline.workflow.settings import read_request

#: The code behind each stage. An edit reruns the stages that list the file, and what hangs on them.
#: ``pipeline/lab/config`` is in none: what it decides reaches a job through the cells in its parameters.
_SHARED = ("lab/errors.py", "lab/files.py")
_STAGE_CODE = {
    "fetch": ("fetch/*.py", "lab/urls.py"),
    "whiten": ("whiten/*.py",),
    "digits": ("parts/data/digits.py",),
    "many_devices": ("measure/many_devices.py",),
    "train": (
        "train/*.py",
        "lab/devices.py",
        "lab/dataset.py",
        "lab/tables.py",
        "parts/models/__init__.py",
        "parts/optimizers/__init__.py",
    ),
    "collect": ("collect/*.py", "lab/tables.py"),
    "track": ("track/*.py", "lab/urls.py", "lab/tables.py", "lab/results.py", "lab/config/cell.py"),
    "extend": ("analysis/*.py", "lab/tables.py"),
    "measure": (
        "measure/__*.py",
        "measure/table.py",
        "measure/schemas.py",
        "measure/inputs.py",
        "measure/timing.py",
        "lab/machine.py",
    ),
    "figures": (
        "figures/*.py",
        "figures/measured/*.py",
        "measure/__init__.py",
        "measure/schemas.py",
        "measure/table.py",
        "analysis/*.py",
        "lab/theory/*.py",
        "lab/published/*.py",
        "lab/dataset.py",
        "lab/tables.py",
    ),
    "claims": (
        "claims/*.py",
        "claims/statistics/*.py",
        "analysis/*.py",
        "lab/formats.py",
        "measure/schemas.py",
        "lab/dataset.py",
        "lab/tables.py",
    ),
    "report": (
        "report/*.py",
        "report/templates/*",
        "report/assets/*",
        "report/locale/*/*",
        "figures/*.py",
        "analysis/*.py",
        "lab/published/*.py",
        "lab/machine.py",
        "lab/tables.py",
    ),
    "framework_problem": (
        "contrib/frameworks/problem.py",
        "contrib/frameworks/prepare.py",
        "train/order.py",
        "train/intervals.py",
    ),
    "framework_environment": ("contrib/frameworks/environment.py",),
    "framework_run": ("contrib/frameworks/problem.py", "contrib/frameworks/harness.py", "contrib/frameworks/launch.py"),
    "collect_frameworks": (
        "contrib/frameworks/table.py",
        "contrib/frameworks/reference.py",
        "measure/schemas.py",
        "measure/table.py",
    ),
    "draw_frameworks": (
        "figures/measured/frameworks.py",
        "figures/measured/registry.py",
        "figures/entry.py",
        "lab/formats.py",
        "figures/style.py",
        "measure/schemas.py",
    ),
}
#: What each measurement adds to the stage's code: its own file, and those that it measures.
_MEASUREMENT_CODE = {
    "vectorisation": ("train/clock.py",),
    "memory": ("measure/vectorisation.py", "lab/machine.py", "train/clock.py"),
    "gradient_noise": ("lab/theory/*.py", "lab/dataset.py"),
    "noise_scale": ("measure/gradient_noise.py", "lab/theory/*.py", "lab/dataset.py"),
    "step_cost": ("train/*.py", "parts/optimizers/*.py", "parts/models/linear.py", "lab/dataset.py", "lab/tables.py"),
    "epoch_metric": ("measure/chapter.py", "lab/dataset.py"),
    "loading": ("parts/data/digits.py", "train/clock.py", "lab/dataset.py"),
}
_PACKAGE = Path("pipeline")


class Lab:
    """The workflow's view of the configuration.

    Parameters
    ----------
    config : mapping
        Snakemake's ``config``: ``overrides`` (Hydra overrides that reach every cell), ``results``
        (the folder of the results), ``studies`` and ``measurements`` (names), ``report_lang`` (``en`` or ``pt``).

    Raises
    ------
    UserError
        If an override cannot be read, or Snakemake's ``config`` has another key.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        request = read_request(config)
        self._chosen = {"studies": request.studies, "measurements": request.measurements}
        self.overrides = request.overrides
        self.cell_overrides = request.cell_overrides
        self.results = request.results
        self.report_lang = request.report_lang
        #: The interpreter's own folder comes first, so that jobs run in the environment snakemake runs in.
        self.path = shlex.quote(Path(sys.executable).parent.as_posix())
        self._load = lru_cache(maxsize=None)(self._study)
        # Asked several times for every job: read anew only after a file was put into the folder.
        self._read_rounds = lru_cache(maxsize=None)(lambda folder, written: read_rounds(Path(folder)))
        self._digest = lru_cache(maxsize=None)(_digest)

    # -- studies and jobs

    def study(self, name: str) -> Study:
        """A study with its extensions, which may be one more after a checkpoint than before."""
        folder = self._extension(name)
        try:
            written = os.stat(folder).st_mtime_ns  # noqa: PTH116  (a Path for each of a million questions takes longer)
        except (FileNotFoundError, NotADirectoryError):
            return self._load(name, ())
        return self._load(name, self._read_rounds(folder, written))

    def _study(self, name: str, rounds: tuple[tuple[Widening, ...], ...]) -> Study:
        return dataclasses.replace(load_study(name, self.overrides), rounds=rounds)

    def _extension(self, study: str) -> str:
        return f"{self.results}/{study}/extension"

    @property
    def studies(self) -> list[str]:
        """Every study."""
        return study_names()

    # Snakemake would tell a mistake that is found in these with a traceback; so they end it themselves.

    @property
    @exit_on_user_error()
    def default_studies(self) -> list[str]:
        """The studies that a plain ``snakemake`` runs, or those that ``--config studies=[...]`` names."""
        if self._chosen["studies"] is not None:
            return self._chosen["studies"]
        chosen = [self.study(name).config for name in self.studies if not self.study(name).config.opt_in]
        return [config.name for config in sorted(chosen, key=lambda config: (config.order, config.name))]

    @exit_on_user_error()
    def jobs(self, study: str) -> dict[str, list[Cell]]:
        """The jobs of a study, each with its cells."""
        return self.study(study).jobs

    def job(self, wildcards: Any) -> list[Cell]:
        """The cells of a job."""
        return self.jobs(wildcards.study)[wildcards.job]

    def folders(self, studies: list[str]) -> list[str]:
        """The folders of studies."""
        return [f"{self.results}/{study}" for study in studies]

    def job_folders(self, wildcards: Any) -> list[str]:
        """The folders of a study's jobs."""
        return [f"{self.results}/{wildcards.study}/jobs/{job}" for job in self.jobs(wildcards.study)]

    def job_tables(self, wildcards: Any) -> list[str]:
        """The tables of a study's jobs."""
        folders = self.job_folders(wildcards)
        return [f"{folder}/{table}.parquet" for folder in folders for table in ("runs", "curves")]

    def job_extension(self, wildcards: Any) -> list[str]:
        """Where a job's cells are written down, if they are not in the study's file."""
        known = self._load(wildcards.study, ())
        extension = self._extension(wildcards.study)
        return [] if wildcards.job in known.jobs else as_overrides({"extension": extension})

    def job_places(self, wildcards: Any, output: Any) -> list[str]:
        """Where a job reads and writes, quoted as Hydra needs it: the results' folder may have any name."""
        out = Path(output.runs).parent.as_posix()
        return as_overrides({"out": out, "data_dir": f"{self.results}/data", "hydra.run.dir": out})

    def widened_tables(self, checkpoints: Any) -> Callable[[Any], list[str]]:
        """The tables of the cells that the next extension of each swept study adds, as an input function."""
        swept = [name for name in self.default_studies if self.study(name).config.lr_points]
        rounds = {name: len(self.study(name).rounds) + 1 for name in swept}

        def tables(wildcards: Any) -> list[str]:
            """The job's tables, and those of the rounds that its checkpoints have asked for."""
            found = []
            for name, number in rounds.items():
                checkpoints.widen.get(study=name, round=number)
                jobs = [job for job in self.jobs(name) if f"{job}-".startswith(f"ext{number}-")]
                found += [f"{self.results}/{name}/jobs/{job}/runs.parquet" for job in jobs]
            return found

        return tables

    def job_data(self, wildcards: Any) -> list[str]:
        """The whitened tables and the folders of images that a job trains on."""
        return sorted({self.whitened(cell) for cell in self.job(wildcards)})

    def job_code(self, wildcards: Any) -> list[str]:
        """The code that a job runs: the training stage, and the building blocks its cells use."""
        blocks = set()
        for cell in self.job(wildcards):
            config = cell.config
            blocks |= {config.model._target_, config.schedule._target_}
            if config.implementation == "scratch":
                blocks.add(f"pipeline.parts.optimizers.{config.optimizer.name}.{config.optimizer.name}")
        own = {target for target in blocks if target.startswith("pipeline.")}  # not what conf/targets.yaml adds
        files = {"/".join(target.split(".")[:-1]) + ".py" for target in own}
        if any(isinstance(cell.config.data, DigitsConfig) for cell in self.job(wildcards)):
            files.add("pipeline/parts/data/digits.py")
        return self._training_code + sorted(files)

    def job_conf(self, wildcards: Any) -> list[str]:
        """The configuration files that a job's cells are composed of."""
        groups = ("data", "model", "optimizer", "schedule", "sampling")
        chosen = {(group, getattr(cell.config, group).name) for cell in self.job(wildcards) for group in groups}
        for group, name in sorted(chosen):
            if not (CONF / group / f"{name}.yaml").is_file():
                raise UserError(f"{group}.name={name} is not allowed: there is no conf/{group}/{name}.yaml")
        return sorted(f"conf/{group}/{name}.yaml" for group, name in chosen)

    @cached_property
    def _training_code(self) -> list[str]:
        return self.code("train")

    @exit_on_user_error()
    def job_files(self, wildcards: Any) -> str:
        """A digest of a job's code and configuration files: when one of them is edited, the job runs again.

        One value in place of some thirty input files each, on which Snakemake would spend minutes where there are
        ten thousand jobs.
        """
        return self._digest((*self.job_code(wildcards), *self.job_conf(wildcards)))

    def job_cells(self, wildcards: Any) -> str:
        """A digest of the cells and how often each is run: when it changes, the job runs again."""
        cells = [f"{cell.id}/{cell.config.seeds}/{cell.config.engine}" for cell in self.job(wildcards)]
        return hashlib.sha256("\n".join(cells).encode()).hexdigest()[:16]

    def job_threads(self, wildcards: Any, cores: int, gpus: int | None = None) -> int:
        """A job that is timed holds the whole machine, so that nothing runs beside it.

        On one of several GPUs, it holds that GPU and its share of the cores.
        """
        if self.study(wildcards.study).config.engine == "solo":
            wanted = self.job_gpus(wildcards)
            return max(1, cores * wanted // gpus) if gpus and 0 < wanted < gpus else cores
        return min(cores, max(cell.config.trainer.devices for cell in self.job(wildcards)))

    def job_gpus(self, wildcards: Any) -> int:
        """GPU tokens that a job takes."""
        return gpus_wanted(cell.config.trainer for cell in self.job(wildcards))

    @property
    def frameworks(self) -> list[str]:
        """The frameworks that are set beside each other."""
        return list(FRAMEWORKS)

    # -- files

    def code(self, stage: str) -> list[str]:
        """The code of a stage."""
        return _files((*_STAGE_CODE[stage], *_SHARED))

    # -- measurements

    @property
    def measurements(self) -> dict[str, Measurement]:
        """Every measurement, by name."""
        return MEASUREMENTS

    @property
    def default_measurements(self) -> list[str]:
        """The measurements that a plain ``snakemake`` makes, or those that ``--config measurements=[...]`` names."""
        chosen = self._chosen["measurements"]
        return list(MEASUREMENTS) if chosen is None else chosen

    @property
    def pictures(self) -> list[tuple[str, str, str]]:
        """The figures that a plain ``snakemake`` draws: path, title, and the study or "Measurements"."""
        drawn = []
        for figure in figure_names():
            if figure.study in self.default_studies or figure.measurement in self.default_measurements:
                origin = f"Study {figure.study}" if figure.study else "Measurements"
                drawn.append((f"{self.results}/figures/{figure.name}.svg", figure.title, origin))
        return drawn

    def step_cost(self, wildcards: Any) -> list[str]:
        """The measured time of a step, where it is made: it turns the steps of stacked runs into seconds."""
        return [self.measured("step_cost")] if "step_cost" in self.default_measurements else []

    def measure_code(self, name: str) -> list[str]:
        """The code of a measurement."""
        return _files((*_STAGE_CODE["measure"], *_SHARED, f"measure/{name}.py", *_MEASUREMENT_CODE[name]))

    def measured(self, name: str) -> str:
        """The table of a measurement."""
        return f"{self.results}/measure/{name}.parquet"

    @property
    def opted_in(self) -> list[str]:
        """Tables of opt-in measurements that somebody made: they are drawn too, and nothing waits for them."""
        return [table for table in (self.measured("frameworks"),) if Path(table).exists()]

    @property
    def opted_in_digest(self) -> str:
        """Changes when one of those tables does."""
        return hashlib.sha256(b"".join(Path(table).read_bytes() for table in self.opted_in)).hexdigest()[:16]

    @cached_property
    @exit_on_user_error()
    def _measured_cell(self) -> Cell:
        """The configuration's own cell; measurements read a table, so it is the default's where that has images."""
        config = compose_cell(self.cell_overrides)
        return Cell(compose_cell() if isinstance(config.data, DigitsConfig) else config)

    def measure_inputs(self, name: str) -> dict[str, str]:
        """What a measurement reads."""
        entry = MEASUREMENTS[name]
        data = {"data": self.whitened(self._measured_cell)} if entry.data else {}
        return data | ({"images": f"{self.results}/data/digits"} if entry.images else {})

    def measure_options(self, wildcards: Any, input: Any) -> list[str]:
        """The command line of a measurement that says what it reads."""
        given = dict(input.items())
        rows = str(self._measured_cell.config.data.rows)
        data = ["--data", given["data"], "--rows", rows] if "data" in given else []
        return [*data, *(["--images", given["images"]] if "images" in given else [])]

    # -- data

    def whitened(self, cell: Cell) -> str:
        """The whitened table, or the folder of images, that a cell trains on."""
        return f"{self.results}/data/{cell.config.data.file}"

    @cached_property
    @exit_on_user_error()
    def default_data(self) -> str:
        """The whitened table of the configuration's own data set: its minimum stands in the figures."""
        return self.whitened(Cell(compose_cell(self.cell_overrides)))

    def data_conf(self, wildcards: Any) -> list[str]:
        """The configuration files of a data set."""
        return [f"conf/data/{wildcards.data}.yaml"]

    def data_overrides(self, wildcards: Any) -> list[str]:
        """The overrides that concern a data set."""
        own = [text for text in self.overrides if text.lstrip("+").startswith("data.")]
        return [f"data={wildcards.data}", *own]

    @property
    def tracking_store(self) -> str:
        """A digest of where MLflow keeps its runs: with another store, everything is logged again."""
        # Without the password: Snakemake writes its parameters down, and a new password is not a new store.
        uri = masked(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI)
        return hashlib.sha256(uri.encode()).hexdigest()[:16]

    @property
    def drawn(self) -> list[str]:
        """The command line that says where the figures are, if they have been drawn."""
        captions = Path(self.results, "figures", "captions.json")
        return [f"--figures={captions.as_posix()}"] if captions.exists() else []

    def warn_of_twin(self) -> None:
        """Say so where a real copy of the data was named and the offline twin is still in its place.

        The source is no parameter of the rule: the data's hash is fixed, so that a copy named in one
        shell and not in the next must not fetch, and train, everything again.
        """
        if not os.environ.get("AIRFOIL_DATA"):
            return
        for path in Path(self.results, "data").glob("*.json"):
            provenance = json.loads(path.read_text())
            if provenance.get("offline_twin") and provenance.get("name") != path.stem:
                print(
                    f"{path.with_suffix('.dat')} is the offline twin, made when no source answered; "
                    "run snakemake --forcerun fetch once to take the copy that AIRFOIL_DATA names",
                    file=sys.stderr,
                )


def _files(patterns: Iterable[str]) -> list[str]:
    """The files of the package that match."""
    return sorted({path.as_posix() for pattern in patterns for path in _PACKAGE.glob(pattern)})


def _digest(files: tuple[str, ...]) -> str:
    """A digest of what is in some files, and of their names."""
    digest = hashlib.sha256()
    for name in files:
        content = Path(name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
