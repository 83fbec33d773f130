"""The results of a study: tables, cells with their configurations, labels, and facts about the data.

Every stage after training reads a study through :class:`StudyResults`.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.lab.config.cell import (
    NOT_IDENTITY,
    NOT_IDENTITY_OF_DATA,
    NOT_IDENTITY_OF_OPTIMIZER,
    WORDS_VERSION,
    canonical_json,
    examples_in,
)
from pipeline.lab.config.data import TWIN_NAME
from pipeline.lab.dataset import load_dataset
from pipeline.lab.errors import UserError
from pipeline.lab.published import published_for
from pipeline.lab.tables import CURVES, RUNS, read_batches, read_table, to_frame
from pipeline.lab.theory.problem import Problem

#: Learning rates of one configuration that make a study a sweep.
SWEEP_RATES = 3
#: Share of the cells that have published values, from which on a study is an exercise.
PUBLISHED_SHARE = 2 / 3
#: Readings that :meth:`StudyResults.pieces` holds at once, unless a single cell has more.
PIECE_ROWS = 2**16


@dataclass(frozen=True)
class DataFacts:
    """A data set that a study was trained on.

    Parameters
    ----------
    name : str
        As in the table of runs: ``airfoil_twin`` wherever the offline twin was used.
    title, credit, licence, source, sha1 : str
        For people; empty where they are not known. The hash is that of the raw table.
    rows : int
        Rows that were trained on, without copies.
    features : tuple of str
        Names of the features; empty for images.
    target : str
        Name of the target; empty for images.
    whiten : str
        How the table was whitened; empty for images.
    offline_twin : bool
        Whether the generated stand-in was used.
    table : Path or None
        The whitened table; None for images, and where the folder of the data is not known.
    """

    name: str
    title: str
    credit: str
    licence: str
    source: str
    sha1: str
    rows: int
    features: tuple[str, ...]
    target: str
    whiten: str
    offline_twin: bool
    table: Path | None


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
    folder : Path, optional
        Where they were read.
    data_dir : Path, optional
        The folder of the data.
    words : mapping
        Content of ``study.json``: ``name``, ``title``, ``kind``, ``order``, ``labels`` and ``data``, as far as known.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    folder: Path | None = None
    data_dir: Path | None = None
    words: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, data_dir: Path | None = None) -> Self:
        """Read a study.

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
        return cls(runs, curves, folder, data_dir or folder.parent / "data", _words(folder / "study.json"))

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
        rest = folder, data_dir or folder.parent / "data", _words(folder / "study.json")
        for runs, curves in _whole_cells(folder, rows):
            yield cls(runs, curves, *rest)

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
        alike = Counter(canonical_json({**cell.config, "lr": None}) for cell in cells)
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
        found = dict.fromkeys(map(self.data_of, self.cells.values()))
        return list(found)

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
        parts: dict[str, list[str]] = {}
        for cell_id, words in zip(
            self.cells, told_apart([cell.config for cell in self.cells.values()], ("optimizer",)), strict=True
        ):
            parts.setdefault(words, []).append(cell_id)
        return {words: self.select(ids) if len(parts) > 1 else self for words, ids in parts.items()}

    @property
    def offline_twin(self) -> bool:
        """Whether any run was trained on the generated stand-in."""
        return bool((self.runs["data"] == TWIN_NAME).any())

    @cached_property
    def problem(self) -> Problem | None:
        """The least squares problem of the study, from its own whitened table, in float64.

        None where its cells do not share one: another model than the linear one, several data sets, a table that is
        not there or was made from other data since, or no unique minimum.
        """
        if len(self.data) != 1 or set(self.runs["model"]) != {"linear"}:
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
        config: Mapping[str, Any] = cell.config.get("data", {})
        configured, used = str(config.get("name", "")), str(cell.runs["data"].iloc[0])
        words = {**config, **self.words.get("data", {}).get(configured, {})}
        twin = used == TWIN_NAME
        provenance = self._provenance.get(configured, {})
        if provenance.get("name") != used:  # fetched anew since, or not there
            provenance = {} if twin else {"sha1": config.get("sha1")}
        names = [str(column["name"]) for column in config.get("columns", ())]
        table = f"{configured}-{config['whiten']}.parquet" if config.get("whiten") else ""
        title = str(words.get("title") or configured)
        return DataFacts(
            name=used,
            title=f"{title} (offline twin)" if twin else title,
            credit=str(words.get("credit") or ""),
            licence=str(words.get("licence") or ""),
            source=str(provenance.get("source") or ""),
            sha1=str(provenance.get("sha1") or ""),
            rows=int(config.get("rows", 0)),
            features=tuple(names[:-1]),
            target=names[-1] if names else "",
            whiten=str(config.get("whiten") or ""),
            offline_twin=twin,
            table=self.data_dir / table if self.data_dir and table else None,
        )

    @cached_property
    def _provenance(self) -> dict[str, dict[str, Any]]:
        """What fetching wrote beside each raw table, by the name in the configuration."""
        if self.data_dir is None:
            return {}
        paths = {path.stem: path for path in sorted(self.data_dir.glob("*.json"))}
        return {name: _json_object(path, "fetch the data again") for name, path in paths.items()}


def told_apart(configs: Sequence[Mapping[str, Any]], free: Sequence[str] = ()) -> list[str]:
    """Say what tells configurations apart, batch size and learning rate left aside.

    Parameters
    ----------
    configs : sequence of mapping
        Effective configurations.
    free : sequence of str
        Other keys to leave aside.

    Returns
    -------
    list of str
        For each configuration the values that others do not share, such as ``mlp, epochs 4``; equal texts for equal
        configurations, and empty ones where all are equal.
    """
    left_aside = {*NOT_IDENTITY, "label", "batch_size", "lr", *free}
    leaves = [
        {key: value for key, value in _leaves(config) if key.split(".")[0] not in left_aside} for config in configs
    ]
    keys = dict.fromkeys(key for own in leaves for key in own)
    varied = [key for key in keys if len({repr(own.get(key)) for own in leaves}) > 1]
    names = {key.split(".")[0] for key in varied if key.endswith(".name")}
    texts: dict[tuple[str, ...], str] = {}
    for own in leaves:
        values = tuple(repr(own.get(key)) for key in varied)
        if values not in texts:
            # What goes with a name needs no word of its own, unless configurations of that name differ in it.
            needed = [key for key in varied if _needed(key, own, leaves, names)]
            texts[values] = ", ".join(_word(key, own[key]) for key in needed if key in own)
    return [texts[tuple(repr(own.get(key)) for key in varied)] for own in leaves]


def _leaves(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of a configuration that change a number."""
    unread = "torch" if config.get("implementation") == "scratch" else "hyperparams"
    skipped = {"data.": NOT_IDENTITY_OF_DATA, "optimizer.": NOT_IDENTITY_OF_OPTIMIZER}.get(prefix, frozenset())
    for key, value in config.items():
        if isinstance(value, Mapping) and prefix + key != "optimizer":
            yield from _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            yield from _leaves({name: item for name, item in value.items() if name != unread}, "optimizer.")
        elif key not in skipped and key != "_target_":
            yield prefix + key, value


def _needed(key: str, own: Mapping[str, Any], leaves: Sequence[Mapping[str, Any]], names: set[str]) -> bool:
    """Whether a key tells a configuration from those whose names in the same group are the same."""
    group = key.split(".")[0]
    if key.endswith(".name") or (group not in names and group != "optimizer"):
        return True
    decisive = [f"{group}.name", *(["implementation"] if group == "optimizer" else [])]
    alike = [other for other in leaves if all(other.get(name) == own.get(name) for name in decisive)]
    return len({repr(other.get(key)) for other in alike}) > 1


def _word(key: str, value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{key.rsplit('.', 1)[-1]} {value}"


def _names(labels: Mapping[str, str], groups: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Unique names: labels that several cells share are told apart by batch size and rate."""
    shared = Counter(labels.values())
    names = {}
    for cell_id, label in labels.items():
        first = groups[cell_id].iloc[0]
        point = f"{label or first['optimizer']}, b = {first['batch_size']}, lr {first['lr']:g}"
        names[cell_id] = point if not label or shared[label] > 1 else label
    repeated = Counter(names.values())
    return {cell_id: cell_id if repeated[name] > 1 else name for cell_id, name in names.items()}


def _words(path: Path) -> dict[str, Any]:
    """Read ``study.json``; empty where there is none."""
    if not path.exists():
        return {}
    words = _json_object(path, "delete it and run snakemake again")
    if words.get("version") != WORDS_VERSION:
        raise UserError(f"{path} has version {words.get('version')}, not {WORDS_VERSION}: make it again")
    return words


def _json_object(path: Path, cure: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): {cure}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is not a JSON object: {cure}")
    return found


def _whole_cells(folder: Path, rows: int) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    paths = {RUNS: folder / "runs.parquet", CURVES: folder / "curves.parquet"}
    runs, curves = (_blocks(path, schema) for schema, path in paths.items())
    readings = dict(curves)
    in_order = [cell_id for cell_id, _ in runs if cell_id in readings] == [cell_id for cell_id, _ in curves]
    if len(dict(runs)) < len(runs) or not in_order:
        yield read_table(paths[RUNS], RUNS), read_table(paths[CURVES], CURVES)
        return
    lengths = _piece_lengths([(count, readings.get(cell_id, 0)) for cell_id, count in runs], rows)
    pieces = (_cut(paths[s], s, [piece[i] for piece in lengths]) for i, s in enumerate((RUNS, CURVES)))
    yield from zip(*pieces, strict=True)


def _blocks(path: Path, schema: pa.Schema) -> list[tuple[str, int]]:
    """Count the rows of each cell, in the order of the table; a cell whose rows are scattered comes up again."""
    ids = (str(i) for batch in read_batches(path, schema, ["cell_id"]) for i in batch["cell_id"].to_pylist())
    return [(cell_id, sum(1 for _ in block)) for cell_id, block in groupby(ids)]


def _piece_lengths(cells: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Put cells together, each with so many runs and readings, up to ``most`` of either.

    Examples
    --------
    >>> _piece_lengths([(1, 4), (1, 4), (1, 4)], 8)
    [(2, 8), (1, 4)]
    """
    pieces = [(0, 0)]
    for runs, readings in cells:
        together = pieces[-1][0] + runs, pieces[-1][1] + readings
        if pieces[-1] == (0, 0) or max(together) <= most:
            pieces[-1] = together
        else:
            pieces.append((runs, readings))
    return pieces


def _cut(path: Path, schema: pa.Schema, lengths: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Read a table in consecutive pieces of so many rows."""
    batches = read_batches(path, schema)
    rest = schema.empty_table()
    for length in lengths:
        held = [rest]
        while sum(map(len, held)) < length:
            held.append(pa.Table.from_batches([next(batches)], schema))
        rest = pa.concat_tables(held)
        yield to_frame(rest.slice(0, length), schema)
        rest = rest.slice(length)
