"""Inputs and parameters of the rules that are not about one study: data, measurements, figures, MLflow."""

import hashlib
import json
import shlex
import sys
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell, compose_data
from pipeline.lab.config.compose import parse_overrides
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.paths import CONF
from pipeline.lab.settings import Tracking, airfoil_data
from pipeline.measure import PROCESSES, measurement, measurements
from pipeline.parts.data.digits import Config as DigitsConfig
from pipeline.parts.data.file import Config as OwnTable
from pipeline.workflow.code import digest_of
from pipeline.workflow.jobs import data_overrides
from pipeline.workflow.settings import Settings

#: Keys of a data set that do not change its rows: words, and how the file is fetched.
_NOT_ROWS = {"title", "credit", "licence", "sources", "on_unreachable", "timeout", "retries"}


class Inputs:
    """Files that rules read, and digests of settings that make them run again.

    Methods that take ``wildcards`` are input functions and parameters of rules.

    Parameters
    ----------
    settings : Settings
        From Snakemake's ``--config``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._results = settings.results

    # -- data

    def whitened(self, cell: Cell) -> str:
        """The whitened table, or the folder of images, that a cell trains on."""
        return f"{self._results}/data/{cell.config.data.file}"

    @cached_property
    @exit_on_user_error()
    def default_data(self) -> str:
        """The whitened table of the configuration's own data set: its minimum stands in the figures."""
        return self.whitened(self._default_cell)

    @cached_property
    @exit_on_user_error()
    def _default_cell(self) -> Cell:
        """The configuration's own cell; of the default batch size, or smaller where there are not as many examples."""
        overrides = self._settings.cell_overrides
        try:
            return Cell(compose_cell(overrides))
        except UserError:
            return Cell(compose_cell([*overrides, "batch_size=1"]))

    @property
    def claims_about(self) -> list[str]:
        """The command line that says which data the claims must be about, where the overrides choose data."""
        chosen = "data" in parse_overrides(self._settings.cell_overrides)
        return ["--data", self._default_cell.config.data.name] if chosen else []

    def data_overrides(self, wildcards: Any) -> list[str]:
        """The overrides that concern a data set."""
        own = [text for text in self._settings.overrides if text.lstrip("+").startswith("data.")]
        return [f"data={wildcards.data}", *own]

    @exit_on_user_error()
    def data_rows(self, wildcards: Any) -> str:
        """A digest of what a data set's file says of its rows."""
        config = asdict(compose_data(self.data_overrides(wildcards)))
        return digest_of({key: value for key, value in config.items() if key not in _NOT_ROWS})

    def warn_of_twin(self) -> None:
        """Say so where a real copy of the data was named and the offline twin is still in its place.

        The source is no parameter of the rule: the data's hash is fixed, so that a copy named in one
        shell and not in the next must not fetch, and train, everything again.
        """
        if airfoil_data() is None:
            return
        for path in Path(self._results, "data").glob("*.json"):
            provenance = json.loads(path.read_text())
            if provenance.get("offline_twin") and provenance.get("name") != path.stem:
                print(
                    f"{path.with_suffix('.dat')} is the offline twin, made when no source answered; "
                    "run snakemake --forcerun fetch once to take the copy that AIRFOIL_DATA names",
                    file=sys.stderr,
                )

    # -- measurements

    @property
    def measurements(self) -> list[str]:
        """The measurements that a plain ``snakemake`` makes, or those that ``--config measurements=[...]`` names."""
        chosen = self._settings.measurements
        if chosen is not None:
            return chosen
        data = self._default_cell.config.data
        own = isinstance(data, OwnTable)
        return [
            name
            for name, entry in measurements().items()
            if not own or not entry.data or (not entry.chapter and (data.task == "regression" or name == "step_cost"))
        ]

    def measured(self, name: str, process: int = 0) -> str:
        """The table of a measurement: that of all its processes, or as far as one of the earlier ones."""
        return f"{self._results}/measure/{f'processes/{name}-{process}' if 0 < process < PROCESSES else name}.parquet"

    def step_cost(self, wildcards: Any) -> list[str]:
        """The measured time of a step, where it is made: it turns the steps of stacked runs into seconds."""
        return [self.measured("step_cost")] if "step_cost" in self.measurements else []

    @cached_property
    @exit_on_user_error()
    def _measured_cell(self) -> Cell:
        """The configuration's own cell; measurements read a table, so it is the default's where that has images."""
        cell = self._default_cell
        return Cell(compose_cell()) if isinstance(cell.config.data, DigitsConfig) else cell

    @exit_on_user_error()
    def measurement_file(self, name: str) -> Path:
        """The Python file of a measurement."""
        return parts.find("measurement", name)

    @property
    def repeated(self) -> dict[str, list[str]]:
        """Measurements that several processes repeat: those of a plain run share theirs, others have their own."""
        names = [name for name, entry in measurements().items() if entry.repeated]
        # What times the first calls of a process comes first.
        together = sorted(set(names) & set(self.measurements), reverse=True)
        return ({"together": together} if together else {}) | {name: [name] for name in names if name not in together}

    def measure(self, names: list[str], process: int = 1) -> dict[str, str | list[str]]:
        """What a process reads that makes some measurements."""
        entries = [measurement(name) for name in names]
        return {
            **({"after": [self.measured(name, process - 1) for name in names]} if process > 1 else {}),
            **({"data": self.whitened(self._measured_cell)} if any(entry.data for entry in entries) else {}),
            **({"images": f"{self._results}/data/digits"} if any(entry.images for entry in entries) else {}),
        }

    def measure_options(self, wildcards: Any, input: Any) -> list[str]:
        """The command line of a measurement that says what it reads."""
        given = dict(input.items())
        options = {"--data": "data", "--images": "images", "--after": "after"}
        files = {key: [one] if isinstance(one, str) else one for key, one in given.items()}
        found = [text for option, key in options.items() if key in files for text in (option, *files[key])]
        return [*found, *(["--rows", str(self._measured_cell.config.data.rows)] if "data" in given else [])]

    def also(self, names: list[str]) -> list[str]:
        """Of ``step_cost``: the model and the classes that the overrides choose, so that runs of them have seconds."""
        chosen = parse_overrides(self._settings.cell_overrides)
        keys = [key for key in chosen if key.lstrip("+").startswith("model.")]
        wanted = [f"model={chosen['model']}"] if "model" in chosen and not keys else []
        cell = self._default_cell
        if isinstance(cell.config.data, OwnTable) and cell.config.data.task != "regression":
            wanted += data_overrides(cell)
        return [f"--also={shlex.join(wanted)}"] if "step_cost" in names and wanted else []

    # -- figures, claims, MLflow

    def pictures(self, studies: list[str]) -> list[tuple[str, str]]:
        """The folders of figures that a plain ``snakemake`` draws, and what they are of."""
        return [(study, f"Study {study}") for study in studies] + [("measure", "Measurements")] * bool(
            self.measurements
        )

    def own(self, kind: str) -> str:
        """Changes when a file of the user's for that kind of part does."""
        found = [path for folder in parts.search_path() for path in sorted((folder / kind).glob("*.py"))]
        return digest_of([path.read_text(encoding="utf-8") for path in found])

    @property
    def opted_in(self) -> list[str]:
        """Tables of opt-in measurements that somebody made: they are drawn too, and nothing waits for them."""
        return [table for table in map(self.measured, ("frameworks", "finders")) if Path(table).exists()]

    @property
    def opted_in_digest(self) -> str:
        """Changes when one of those tables does."""
        return digest_of([hashlib.sha256(Path(table).read_bytes()).hexdigest() for table in self.opted_in])

    @exit_on_user_error()
    def ledger(self, wildcards: Any) -> str:
        """A digest of the claims and their thresholds."""
        return digest_of(OmegaConf.to_container(read_config(CONF / "claims.yaml")))

    @property
    @exit_on_user_error()
    def tracking_store(self) -> str:
        """A digest of where MLflow keeps its runs: with another store, everything is logged again."""
        # Without the password: Snakemake writes its parameters down, and a new password is not a new store.
        return digest_of(Tracking.read().shown)

    @property
    def drawn(self) -> list[str]:
        """The command line that says where the figures are, if they have been drawn."""
        captions = Path(self._results, "figures", "captions.json")
        return [f"--figures={captions.as_posix()}"] if captions.exists() else []
