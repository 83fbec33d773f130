"""The content of the MLflow runs of cells and of studies: name, parameters, tags, metrics, data set and figures."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.config.cell import NOT_IDENTITY_OF_DATA, canonical_json, taxonomy, updates
from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.facts import DataFacts
from pipeline.lab.reading import metric_of
from pipeline.lab.results import CellResults, StudyResults
from pipeline.track.metrics import SUMMARY, Columns, Reading, by_cell, curve_statistics, finals_of, metrics_of

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

#: MLflow's limits: for metrics, parameters and tags that are written at once, and for their texts.
MAX_BATCH = 1000
MAX_PARAMS = 100
MAX_PARAM = 6000
MAX_DIGEST = 36

STATUSES = ("ok", "diverged", "error")
_COLUMNS = (
    "data",
    "model",
    "implementation",
    "optimizer",
    "schedule",
    "sampling",
    "batch_size",
    "lr",
    "epochs",
    "engine",
)
#: What a run's name leaves unsaid.
_USUAL = {
    "implementation": "scratch",
    "schedule": "constant",
    "sampling": "without_replacement",
    "model": "linear",
}


@dataclass(frozen=True)
class Figure:
    """A figure of the study: its title, its caption and the picture."""

    title: str
    caption: str
    path: Path


@dataclass(frozen=True)
class DataRecord:
    """A data set, as MLflow shows it: ``digest`` is the beginning of the file's SHA-1."""

    name: str
    digest: str
    source: str
    title: str
    columns: tuple[str, ...]
    examples: int | None


@dataclass(frozen=True)
class Record:
    """The content of one MLflow run, of a cell or of a whole study.

    Parameters
    ----------
    key : str
        The cell's id; empty for the study's own run.
    name : str
        For people.
    params, tags : dict
        Texts.
    metrics : list of Reading
        All finite, and few enough for one batch.
    seconds : float
        Training seconds of the median run.
    ended : float
        When its table was written, as seconds since 1970.
    failed : bool
        Whether every seed ended in an error.
    data : DataRecord or None
        None where its hash is not known.
    files : dict
        Of the study's own run: its figures and tables, and the folder of *Artifacts* that each goes to.
    """

    key: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[Reading]
    seconds: float = 0.0
    ended: float = 0.0
    failed: bool = False
    data: DataRecord | None = None
    files: dict[Path, str] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        """Changes when anything does that the run shows."""
        data = None if self.data is None else asdict(self.data)
        content = [self.name, self.params, self.tags, self.metrics, self.seconds, self.failed, data]
        digest = hashlib.sha256(canonical_json(content).encode())
        for path in self.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def cell_records(folder: Path, data_dir: Path | None = None) -> Iterator[Record]:
    """Make the records of all cells of a study, some cells at a time.

    Parameters
    ----------
    folder : Path
        With the study's tables.
    data_dir : Path, optional
        The folder of the data; ``data`` beside the study's folder by default.

    Yields
    ------
    Record

    Raises
    ------
    UserError
        If the tables cannot be read, or are not of one study.
    """
    studies: set[str] = set()
    for study in StudyResults.pieces(folder, data_dir=data_dir):
        studies |= set(study.runs["study"].astype(str))
        if len(studies) > 1:
            raise UserError(f"the table holds the studies {', '.join(sorted(studies))}: log one at a time")
        yield from records_of(study, (folder / "runs.parquet").stat().st_mtime)


def records_of(study: StudyResults, ended: float = 0.0) -> Iterator[Record]:
    """Make the records of the cells of a study, or of some of them, whose table was written at a time."""
    rows = dict(by_cell(study.runs, ["cell_id", "seed"]))
    statistics = dict(by_cell(curve_statistics(study.runs, study.curves), ["cell_id", "step"]))
    judged_by = {"judged_by": metric_of(study.runs, study.words, study.folder)}
    for cell_id, cell in study.cells.items():
        columns = rows[cell_id]
        params, tags = _params(columns, cell.config), _tags(columns, cell) | judged_by
        finals = finals_of(columns)
        metrics, notes = metrics_of(finals, statistics.get(cell_id), MAX_BATCH - len(params))
        if "final_loss" not in finals and tags["status"] != "error":
            notes["final_loss"] = "not finite: half of the runs or more diverged"
        yield Record(
            key=cell_id,
            name=_name(columns, cell),
            params=params,
            tags=tags | notes,
            metrics=metrics,
            seconds=finals.get("train_seconds", 0.0),
            ended=ended,
            failed=tags["status"] == "error",
            data=_data(cell, study.data_of(cell)),
        )


def _name(columns: Columns, cell: CellResults) -> str:
    """Name a run as people look for it: its label, or what tells it from its neighbours."""
    if cell.label:
        return cell.label
    unusual = (str(columns[key][0]) for key, usual in _USUAL.items() if columns[key][0] != usual)
    return " ".join([f"{cell.optimizer} b={cell.batch_size} lr={cell.lr:.6g}", *unusual])


def _params(columns: Columns, config: Mapping[str, Any]) -> dict[str, str]:
    """Flatten the configuration; the table's columns say what was run, whatever was asked for."""
    params: dict[str, Any] = {name: columns[name][0] for name in _COLUMNS}
    params |= {name: int(columns[name][0]) for name in ("batch_size", "epochs")}
    params |= {"lr": float(columns["lr"][0]), "seeds": len(columns["seed"])}
    for group, fields in config.items():
        if isinstance(fields, Mapping):
            params |= _flat(group, _group_fields(group, fields, params["implementation"]))
        elif group != "label":
            params.setdefault(group, fields)
    return {
        key: (value if isinstance(value, str) else canonical_json(value))[:MAX_PARAM]
        for key, value in list(params.items())[:MAX_PARAMS]
    }


def _group_fields(group: str, fields: Mapping[str, Any], implementation: str) -> dict[str, Any]:
    """The fields of a group that change a number, besides its name."""
    if group == "optimizer":  # each implementation reads its own half of an optimizer's file
        half = dict(fields.get("hyperparams" if implementation == "scratch" else "torch") or {})
        return {"class" if key == "_target_" else key: value for key, value in half.items()}
    left_out = {"name", "_target_"} | (NOT_IDENTITY_OF_DATA if group == "data" else frozenset())
    return {key: value for key, value in fields.items() if key not in left_out}


def _flat(prefix: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= _flat(f"{prefix}.{key}", value) if isinstance(value, Mapping) else {f"{prefix}.{key}": value}
    return flat


def _tags(columns: Columns, cell: CellResults) -> dict[str, str]:
    """Which cell this is, how its runs ended, and what the textbooks call its batch size."""
    names = ("study", "cell_id", "data", "optimizer", "implementation", "engine")
    tags = {"kind": "cell"} | {name: str(columns[name][0]) for name in names}
    tags["machine"] = "; ".join(dict.fromkeys(map(str, columns["machine"])))
    tags["config_hash"] = hashlib.sha256(canonical_json(cell.config).encode()).hexdigest()
    counts = {status: int((columns["status"] == status).sum()) for status in STATUSES}
    present = [status for status, count in counts.items() if count]
    tags["status"] = present[0] if len(present) == 1 else "mixed"
    tags |= {f"status.{status}": str(count) for status, count in counts.items()}
    tags |= {"offline_twin": "true"} if tags["data"].endswith("_twin") else {}
    if cell.examples is not None:
        tags["taxonomy"] = taxonomy(cell.batch_size, cell.examples)
        tags["updates"] = str(updates(cell.examples, cell.batch_size, int(columns["epochs"][0])))
    return tags


def _data(cell: CellResults, facts: DataFacts) -> DataRecord | None:
    """The data set of a cell; None where the hash of its bytes is not known."""
    if not facts.sha1:
        return None
    sources = [] if facts.offline_twin else [source for source in cell.config["data"].get("sources", ()) if source]
    return DataRecord(
        name=facts.name,
        digest=facts.sha1[:MAX_DIGEST],
        source=facts.source or next(iter(sources), "generated"),
        title=facts.title,
        columns=tuple(name for name in (*facts.features, facts.target) if name),
        examples=cell.examples,
    )


def summary_record(folder: Path, captions: Path) -> Record:
    """Summarize a study.

    Parameters
    ----------
    folder : Path
        With the study's tables.
    captions : Path
        The file ``captions.json`` that the figures' stage writes beside the figures.

    Raises
    ------
    UserError
        If a file cannot be read, or the study has no runs.
    """
    study = StudyResults.read(folder)
    # A cell's loss is its median over the seeds, in which a diverged one is infinite; a failed one has none.
    losses = study.runs["final_loss"].astype("float64").mask(study.runs["status"] == "diverged", float("inf"))
    numbers = {
        "cells": study.runs["cell_id"].nunique(),
        "runs": len(study.runs),
        **{f"runs_{status}": (study.runs["status"] == status).sum() for status in STATUSES},
        "lowest_final_loss": losses.groupby(study.runs["cell_id"]).median().min(),
    }
    metrics = [Reading(f"{SUMMARY}{key}", float(n), 0, 0.0) for key, n in numbers.items() if float(n) < float("inf")]
    figures = _figures(study.name, captions)
    note = "\n\n".join(
        [
            f"The study `{study.name}` as a whole: its cells are the runs below it, its figures and tables are under "
            "*Artifacts*.",
            *(f"**{figure.title}** (`figures/{figure.path.name}`): {figure.caption}" for figure in figures),
        ]
    )
    tags = {"kind": "summary", "study": study.name, "judged_by": study.metric, "mlflow.note.content": note}
    if study.offline_twin:
        tags["offline_twin"] = "true"
    files = {figure.path: "figures" for figure in figures} | {
        folder / f"{name}.parquet": "tables" for name in ("runs", "curves")
    }
    return Record(
        key="",
        name=f"study {study.name}",
        params={},
        tags=tags,
        metrics=metrics,
        ended=(folder / "runs.parquet").stat().st_mtime,
        files=files,
    )


def _figures(study: str, captions: Path) -> tuple[Figure, ...]:
    try:
        drawn: list[Mapping[str, Any]] = json.loads(captions.read_text(encoding="utf-8"))
        mine = [entry for entry in drawn if entry["study"] == study]
        return tuple(Figure(entry["title"], entry["caption"], captions.parent / entry["png"]) for entry in mine)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{captions} is not a list of captions ({error}): {MAKE_AGAIN}") from None


def dataset_input(data: DataRecord) -> "DatasetInput":
    """Make MLflow's entity of a data set; its pages show the schema and the number of rows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    remote = "://" in data.source
    columns = [{"type": "double", "name": name, "required": True} for name in data.columns]
    return DatasetInput(
        dataset=Dataset(
            name=data.name,
            digest=data.digest,
            source_type="http" if remote else "local",
            source=json.dumps({"url" if remote else "uri": data.source}),
            schema=json.dumps({"mlflow_colspec": columns}) if columns else None,
            profile=json.dumps({"title": data.title} | ({} if data.examples is None else {"num_rows": data.examples})),
        ),
        tags=[InputTag("mlflow.data.context", "training")],
    )
