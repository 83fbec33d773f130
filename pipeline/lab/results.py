"""The results of a study: tables, cells with their configurations, labels, and facts about the data.

Every stage after training reads a study through :class:`StudyResults`.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.config.cell import canonical_json, examples_in
from pipeline.lab.dataset import load_dataset
from pipeline.lab.errors import UserError
from pipeline.lab.facts import DataFacts, facts_of, read_provenance
from pipeline.lab.grouping import grouped
from pipeline.lab.published import published_for
from pipeline.lab.reading import clocks_of, judged_by_validation, metric_of, of_one_clock, study_words, whole_cells
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.lab.theory.problem import Problem
from pipeline.lab.variation import told_apart
from pipeline.parts.base import TWIN_NAME

#: Learning rates of one configuration that make a study a sweep.
SWEEP_RATES = 3
#: Share of the cells that have published values, from which on a study is an exercise.
PUBLISHED_SHARE = 2 / 3
#: Readings that :meth:`StudyResults.pieces` holds at once, unless a single cell has more.
PIECE_ROWS = 2**16


@dataclass(frozen=True, eq=False)
class CellResults:
    """A cell with its configuration and its runs.

    Parameters
    ----------
    id : str
        The cell's id.
    label : str
        The label that the study gives it, often empty.
    name : str
        For people and unique within the study: the label, with the batch size and the learning rate where it needs
        them, else the id.
    config : mapping
        The effective configuration.
    runs : DataFrame
        Its rows of the table of runs.
    """

    id: str
    label: str
    name: str
    config: Mapping[str, Any]
    runs: pd.DataFrame = field(repr=False)

    @property
    def optimizer(self) -> str:
        """Name of the update rule."""
        return str(self.runs["optimizer"].iloc[0])

    @property
    def implementation(self) -> str:
        """``scratch`` or ``torch``."""
        return str(self.runs["implementation"].iloc[0])

    @property
    def batch_size(self) -> int:
        """Examples per minibatch."""
        return int(self.runs["batch_size"].iloc[0])

    @property
    def lr(self) -> float:
        """Learning rate."""
        return float(self.runs["lr"].iloc[0])

    @property
    def offline_twin(self) -> bool:
        """Whether it was trained on the generated stand-in."""
        return bool((self.runs["data"] == TWIN_NAME).any())

    @property
    def examples(self) -> int | None:
        """Training examples, copies included: those of an epoch. None where the configuration does not say."""
        return examples_in(self.config)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """Number of runs by status, ``ok`` first."""
        counts = Counter(map(str, self.runs["status"]))
        return {
            status: counts[status] for status in dict.fromkeys(["ok", "diverged", "error", *counts]) if counts[status]
        }

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Final losses, infinite where a run diverged; runs that failed are left out."""
        runs = self.runs[self.runs["status"] != "error"]
        losses = runs["final_loss"].to_numpy(dtype=float, na_value=np.nan)
        losses = np.where(runs["status"] == "diverged", np.inf, losses)
        return np.asarray(losses[~np.isnan(losses)])

    @property
    def seconds_per_epoch(self) -> NDArray[np.float64]:
        """Training seconds per epoch of each run that has a clock."""
        values = self.runs["seconds_per_epoch"].to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(values[np.isfinite(values)])


@dataclass(frozen=True, eq=False)
class StudyResults:
    """The results of one study.

    Parameters
    ----------
    runs, curves : DataFrame
        As of :data:`pipeline.lab.tables.RUNS` and :data:`pipeline.lab.tables.CURVES`.
    folder, data_dir : Path, optional
        Where they were read, and the folder of the data.
    words : mapping
        What ``study.json`` says of ``name``, ``title``, ``kind``, ``order``, ``target``, ``labels`` and ``data``.
    metric : str
        What the columns ``loss``, ``initial_loss``, ``final_loss`` and ``best_loss`` hold: the ``loss`` of the training
        examples, or the ``validation_loss`` of those held out.
    clocks : mapping
        Machine to how many runs it has timed; the seconds of the first one are kept, those of others are left out.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    folder: Path | None = None
    data_dir: Path | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "loss"
    clocks: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, data_dir: Path | None = None) -> Self:
        """Read a study, judged by the loss that it chooses.

        Parameters
        ----------
        folder : Path
            With ``runs.parquet``, ``curves.parquet`` and, if ``collect`` wrote it, ``study.json``.
        data_dir : Path, optional
            The folder of the data; ``data`` beside the study's folder by default.

        Returns
        -------
        StudyResults

        Raises
        ------
        UserError
            If a file is missing, unreadable or of another version, or the study has no runs.
        """
        runs = read_table(folder / "runs.parquet", RUNS)
        if runs.empty:
            raise UserError(f"{folder / 'runs.parquet'} has no runs: train the study first")
        curves = read_table(folder / "curves.parquet", CURVES)
        words, clocks = study_words(folder / "study.json"), clocks_of(folder / "runs.parquet")
        tables = of_one_clock(runs, curves, clocks)
        found = cls.judged(*tables, words, folder, data_dir or folder.parent / "data")
        return dataclasses.replace(found, clocks=clocks)

    @classmethod
    def judged(
        cls,
        runs: pd.DataFrame,
        curves: pd.DataFrame,
        words: Mapping[str, Any],
        folder: Path | None = None,
        data_dir: Path | None = None,
    ) -> Self:
        """A study of these tables, judged by the metric that it states; see :meth:`read`."""
        metric = metric_of(runs, words, folder)
        if metric == "validation_loss":
            runs, curves = judged_by_validation(runs, curves)
        return cls(runs, curves, folder, data_dir, words, metric)

    @classmethod
    def pieces(cls, folder: Path, rows: int = PIECE_ROWS, data_dir: Path | None = None) -> Iterator[Self]:
        """Read a study some whole cells at a time, so that memory does not grow with the study.

        Training and ``collect`` write the rows of a cell together, and the cells in the same order in both tables.
        Tables in another order are read at once.

        Parameters
        ----------
        folder : Path
            As for :meth:`read`.
        rows : int
            About as many readings, and no more runs, are in a piece.
        data_dir : Path, optional
            The folder of the data.

        Yields
        ------
        StudyResults
            At least one, empty where the study is.

        Raises
        ------
        UserError
            As :meth:`read` does.
        """
        rest = folder, data_dir or folder.parent / "data", study_words(folder / "study.json")
        clocks = clocks_of(folder / "runs.parquet")
        for tables in whole_cells(folder, rows):
            runs, curves = of_one_clock(*tables, clocks)
            yield cls(runs, curves, *rest, clocks=clocks)

    @property
    def name(self) -> str:
        """The study's name."""
        known = self.words.get("name") or (self.runs["study"].iloc[0] if len(self.runs) else "")
        return str(known or (self.folder.name if self.folder else ""))

    @property
    def title(self) -> str:
        """Its title; the name where it has none."""
        return str(self.words.get("title") or self.name)

    @property
    def order(self) -> int:
        """Its place in the report."""
        return int(self.words.get("order", 100))

    @cached_property
    def kind(self) -> str:
        """``sweep``, ``curves`` or ``exercise``; inferred where the study does not say."""
        if "kind" in self.words:
            return str(self.words["kind"])
        cells = self.cells.values()
        alike = Counter(canonical_json({**cell.config, "lr": None, "stack": None}) for cell in cells)
        if max(alike.values(), default=0) >= SWEEP_RATES:
            return "sweep"
        published = sum(published_for(cell.config) is not None for cell in cells)
        return "exercise" if published >= PUBLISHED_SHARE * len(cells) else "curves"

    @cached_property
    def cells(self) -> dict[str, CellResults]:
        """The cells by id, in the order of the table of runs."""
        groups = {str(cell_id): rows for cell_id, rows in self.runs.groupby("cell_id", sort=False)}
        configs = {cell_id: json.loads(str(rows["config"].iloc[0])) for cell_id, rows in groups.items()}
        given = self.words.get("labels")
        labels = {
            cell_id: str((config.get("label") if given is None else given.get(cell_id)) or "")
            for cell_id, config in configs.items()
        }
        names = _names(labels, groups)
        return {i: CellResults(i, labels[i], names[i], configs[i], groups[i]) for i in groups}

    @cached_property
    def data(self) -> list[DataFacts]:
        """The data sets that the study was trained on, one for each name, preparation and number of rows."""
        return list(dict.fromkeys(map(self.data_of, self.cells.values())))

    @cached_property
    def series(self) -> dict[str, str]:
        """Cell id to its series: cells that differ in nothing but batch size and learning rate.

        A series has the name of its optimizer, and behind it what tells it from the optimizer's other series:
        ``sgd``, or ``sgd, mlp`` and ``sgd, linear`` where the study varies the model.
        """
        found = {}
        for optimizer in dict.fromkeys(cell.optimizer for cell in self.cells.values()):
            own = [cell for cell in self.cells.values() if cell.optimizer == optimizer]
            for cell, words in zip(own, told_apart([cell.config for cell in own]), strict=True):
                found[cell.id] = ", ".join(filter(None, (optimizer, words)))
        return found

    def split(self) -> dict[str, "StudyResults"]:
        """Take apart what cannot be compared: cells that differ in more than optimizer, batch size and learning rate.

        Returns
        -------
        dict
            What is special about each part, such as ``mlp, epochs 4`` (empty where there is one part alone), to its
            cells.
        """
        words = told_apart([cell.config for cell in self.cells.values()], ("optimizer",))
        parts = grouped(zip(words, self.cells, strict=True))
        return {apart: self.select(ids) if len(parts) > 1 else self for apart, ids in parts.items()}

    @property
    def offline_twin(self) -> bool:
        """Whether any run was trained on the generated stand-in."""
        return bool((self.runs["data"] == TWIN_NAME).any())

    @cached_property
    def problem(self) -> Problem | None:
        """The least squares problem of the study, from its own whitened table, in float64.

        None where runs are judged by another loss, or its cells do not share one: another model than the linear one,
        several data sets, a table that is not there or was made from other data since, or no unique minimum.
        """
        if self.metric != "loss" or len(self.data) != 1 or set(self.runs["model"]) != {"linear"}:
            return None
        (facts,) = self.data
        if facts.table is None or not facts.table.is_file():
            return None
        dataset = load_dataset(facts.table, facts.rows)
        if dataset.name != facts.name:
            return None
        try:
            return Problem.from_data(dataset.X.astype(np.float64), dataset.y.astype(np.float64))
        except ValueError:  # no unique minimum
            return None

    @property
    def minimum(self) -> float | None:
        """The least loss of :attr:`problem`."""
        return None if self.problem is None else self.problem.minimum

    def select(self, cells: Iterable[str]) -> Self:
        """Keep some cells, by id."""
        kept = set(cells)
        runs, curves = (table[table["cell_id"].isin(kept)] for table in (self.runs, self.curves))
        return dataclasses.replace(self, runs=runs, curves=curves)

    def data_of(self, cell: CellResults) -> DataFacts:
        """The facts about a cell's data."""
        words, used = self.words.get("data", {}), str(cell.runs["data"].iloc[0])
        return facts_of(cell.config.get("data", {}), used, words, self._provenance, self.data_dir)

    @cached_property
    def _provenance(self) -> dict[str, dict[str, Any]]:
        return {} if self.data_dir is None else read_provenance(self.data_dir)


def _names(labels: Mapping[str, str], groups: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Unique names: labels that several cells share are told apart by batch size and rate."""
    shared, names = Counter(labels.values()), {}
    for cell_id, label in labels.items():
        first = groups[cell_id].iloc[0]
        point = f"{label or first['optimizer']}, b = {first['batch_size']}, lr {first['lr']:g}"
        names[cell_id] = point if not label or shared[label] > 1 else label
    repeated = Counter(names.values())
    return {cell_id: cell_id if repeated[name] > 1 else name for cell_id, name in names.items()}
