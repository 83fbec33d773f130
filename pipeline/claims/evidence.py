"""The tables that claims are tested on, read when a claim first asks for them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from pipeline.analysis.sweep import Sweep
from pipeline.lab.results import CellResults, StudyResults
from pipeline.measure.table import Measured, read_measured
from pipeline.parts.base import TWIN_NAME

#: The data set that the offline twin stands in for.
TWIN_OF = "airfoil"


class NoData(Exception):
    """A claim cannot be tested because a table, or something in it, is missing; the message says which."""


class NotApplicable(Exception):
    """A claim is about other data than those that a study or a measurement used; the message says which."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """The tables in a folder of results.

    Parameters
    ----------
    folder : Path
        The folder.
    studies, measurements, sweeps : dict
        What was read so far, by name.
    data : str
        The data set that the present claim is about; empty for any.
    used : dict
        Files that the present claim has asked for, to the name of the data they are about; empty where they are
        missing or about none.
    """

    folder: Path = Path("results")
    studies: dict[str, StudyResults] = field(default_factory=dict)
    measurements: dict[str, Measured] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    data: str = ""
    used: dict[str, str] = field(default_factory=dict)

    def about(self, data: str) -> "Evidence":
        """The same tables for a claim about some data, nothing used yet."""
        return replace(self, data=data, used={})

    @property
    def offline_twin(self) -> bool:
        """Whether anything that was used is of the generated stand-in."""
        return TWIN_NAME in self.used.values()

    def study(self, name: str) -> StudyResults:
        """A study.

        Raises
        ------
        NoData
            If it was not run.
        NotApplicable
            If it was trained on other data than the claim is about.
        UserError
            If its tables cannot be read.
        """
        path = self._path(f"{name}/runs.parquet")
        if name not in self.studies:
            if not (self.folder / name / "runs.parquet").exists():
                self.used[path] = ""
                raise NoData(f"no data: make {path} with snakemake {name}")
            self.studies[name] = StudyResults.read(self.folder / name)
        found = self.studies[name]
        self._note(path, f"study {name}", [TWIN_NAME] if found.offline_twin else [facts.name for facts in found.data])
        return found

    def sweep(self, name: str) -> Sweep:
        """A study read as a grid; see :meth:`study`."""
        found = self.study(name)
        if name not in self.sweeps:
            self.sweeps[name] = Sweep(found)
        return self.sweeps[name]

    def cell(self, study: str, label: str) -> CellResults:
        """The cell of a label.

        Raises
        ------
        NoData
            If the study was not run, or no cell or several cells have the label.
        """
        cells = [cell for cell in self.study(study).cells.values() if cell.label == label]
        if len(cells) != 1:
            raise NoData(f"no data: study {study} has {len(cells)} cells called {label!r}, not one")
        return cells[0]

    def measurement(self, name: str) -> pd.DataFrame:
        """A measurement's table.

        Raises
        ------
        NoData
            If it was not made.
        NotApplicable
            If it was made on other data than the claim is about.
        UserError
            If it cannot be read.
        """
        path = self._path(f"measure/{name}.parquet")
        if name not in self.measurements:
            if not (self.folder / "measure" / f"{name}.parquet").exists():
                self.used[path] = ""
                raise NoData(f"no data: make {path} with snakemake measure")
            self.measurements[name] = read_measured(self.folder / "measure" / f"{name}.parquet")
        found = self.measurements[name]
        data = TWIN_NAME if found.offline_twin else str((found.facts.get("data") or {}).get("name") or "")
        self._note(path, f"measurement {name}", [data])
        return found.table

    def minimum(self, study: str) -> float:
        """The least loss of a linear model on a study's data.

        Raises
        ------
        NoData
            If the study was not run, or is not of least squares on one table.
        """
        least = self.study(study).minimum
        if least is None:
            raise NoData(f"no data: study {study} has no least squares minimum")
        return least

    def _path(self, name: str) -> str:
        return f"{self.folder.name}/{name}"

    def _note(self, path: str, what: str, names: list[str]) -> None:
        """Note that a file was used, and refuse data that the claim is not about."""
        self.used[path] = names[0]
        stand_for = {TWIN_OF if name == TWIN_NAME else name for name in names if name}
        if self.data and stand_for - {self.data}:
            raise NotApplicable(f"it is about {self.data}, and {what} used {', '.join(sorted(stand_for))}")
