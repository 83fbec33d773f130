"""The tables that claims are held against, and which of them a claim has used."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pipeline.analysis.seconds import StepCosts
from pipeline.analysis.sweep import Sweep
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.measure.table import Measured, read_measured


class NoData(Exception):
    """A claim cannot be decided because a table, or something in it, is missing; the message says which."""


@dataclass(frozen=True, eq=False)
class StudyTables:
    """A study's tables, read once.

    Parameters
    ----------
    runs, curves : DataFrame
        As of :data:`pipeline.lab.tables.RUNS` and :data:`pipeline.lab.tables.CURVES`.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    _sweeps: list[Sweep] = field(default_factory=list, init=False, repr=False)

    @property
    def sweep(self) -> Sweep:
        """The study read as a grid."""
        if not self._sweeps:
            self._sweeps.append(Sweep(self.runs, self.curves, StepCosts()))
        return self._sweeps[0]

    @property
    def offline_twin(self) -> bool:
        """Whether any run was trained on the generated stand-in."""
        return bool(self.runs["data"].str.endswith("_twin").any())

    def cell(self, label: str) -> pd.DataFrame:
        """The runs of the cell of a label, by seed.

        Raises
        ------
        NoData
            If no run has the label, or several cells share it.
        """
        configs = {config: json.loads(config).get("label") for config in self.runs["config"].unique()}
        own = self.runs[self.runs["config"].map(configs) == label]
        cells = len(own["cell_id"].unique())
        if cells != 1:
            study = self.runs["study"].iloc[0] if len(self.runs) else "?"
            raise NoData(f"no data: study {study} has {cells} cells called {label!r}, not one")
        return own.set_index("seed").sort_index()


@dataclass(frozen=True, eq=False)
class Evidence:
    """All tables there are.

    Parameters
    ----------
    studies : mapping
        A study's name to its tables.
    measurements : mapping
        A measurement's name to it.
    table : DataFrame, optional
        The whitened table, the target in its last column.
    table_is_twin : bool
        Whether that is the generated stand-in.
    folder : str
        The folder of the results, for messages.
    used : dict
        Names of the files that were asked for, to whether they speak of the offline twin.
    """

    studies: Mapping[str, StudyTables] = field(default_factory=dict)
    measurements: Mapping[str, Measured] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    table_is_twin: bool = False
    folder: str = "results"
    used: dict[str, bool] = field(default_factory=dict)

    def recording(self) -> "Evidence":
        """The same tables, nothing used yet."""
        return Evidence(self.studies, self.measurements, self.table, self.table_is_twin, self.folder)

    def study(self, name: str) -> StudyTables:
        """A study's tables.

        Raises
        ------
        NoData
            If it was not run.
        """
        path = f"{self.folder}/{name}/runs.parquet"
        if name not in self.studies:
            self.used[path] = False
            raise NoData(f"no data: make {path} with snakemake {name}")
        found = self.studies[name]
        self.used[path] = found.offline_twin
        return found

    def measurement(self, name: str) -> pd.DataFrame:
        """A measurement's table.

        Raises
        ------
        NoData
            If it was not made.
        """
        path = f"{self.folder}/measure/{name}.parquet"
        if name not in self.measurements:
            self.used[path] = False
            raise NoData(f"no data: make {path} with snakemake measure")
        found = self.measurements[name]
        self.used[path] = found.offline_twin
        return found.table

    def data(self) -> pd.DataFrame:
        """The whitened table.

        Raises
        ------
        NoData
            If it was not given.
        """
        if self.table is None:
            raise NoData("no data: name the whitened table with --data")
        self.used[f"{self.folder}/data"] = self.table_is_twin
        return self.table


def read_evidence(folder: Path, studies: list[str], measurements: list[str], data: Path | None) -> Evidence:
    """Read the tables that exist.

    Parameters
    ----------
    folder : Path
        The folder of the results.
    studies, measurements : list of str
        Names; those without a table are left out.
    data : Path, optional
        The whitened table.

    Returns
    -------
    Evidence

    Raises
    ------
    UserError
        If a table exists and cannot be read.
    """
    found = {}
    for name in studies:
        path = folder / name
        if (path / "runs.parquet").exists():
            tables = read_table(path / "runs.parquet", RUNS), read_table(path / "curves.parquet", CURVES)
            found[name] = StudyTables(*tables)
    paths = {name: folder / "measure" / f"{name}.parquet" for name in measurements}
    measured = {name: read_measured(path) for name, path in paths.items() if path.exists()}
    table, twin = (None, False) if data is None else _read_whitened(data)
    return Evidence(found, measured, table, twin, folder.name)


def _read_whitened(path: Path) -> tuple[pd.DataFrame, bool]:
    from pipeline.lab.dataset import load_dataset

    twin = load_dataset(path, rows=1).offline_twin
    try:
        return pd.read_parquet(path), twin
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
