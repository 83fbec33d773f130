"""What the MLflow run of a cell holds: pure functions from the tables."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.config.cell import NOT_IDENTITY_OF_DATA, canonical_json, examples_in, taxonomy, updates
from pipeline.errors import UserError

#: What a run holds, as a number: another one makes every cell be logged anew.
LAYOUT = "2"
#: MLflow's limits for one batch and for the texts in it.
MAX_BATCH = 1000
MAX_PARAMS = 100
MAX_PARAM = 6000
MAX_DIGEST = 36
#: Seeds whose final losses are logged one by one; beyond, an even choice of them.
MAX_SEEDS = 300

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
_KEY = ["cell_id", "seed"]

#: The columns of a table, of one cell: numbers as float64, texts as objects.
Columns = dict[str, NDArray[Any]]


class Reading(NamedTuple):
    """One value of a metric.

    ``seconds`` are training seconds since the run's start, so that MLflow's relative time axis
    shows the loss against them.
    """

    key: str
    value: float
    step: int
    seconds: float


class Fingerprint(NamedTuple):
    """What decides whether a logged run is still true: its configuration and its rows in both tables."""

    config_hash: str
    content_hash: str


class DataRecord(NamedTuple):
    """The data set, as MLflow shows it."""

    name: str
    digest: str
    source: str
    title: str


@dataclass(frozen=True)
class Record:
    """The MLflow run of one cell.

    Parameters
    ----------
    cell_id, name : str
        The cell and its name for people.
    params, tags : dict
        Texts.
    metrics : list of Reading
        All finite, and few enough for one batch.
    seconds : float
        Training seconds of the median run.
    failed : bool
        Whether every seed ended in an error.
    data : DataRecord or None
        None where its hash is not known.
    """

    cell_id: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[Reading]
    seconds: float
    failed: bool
    data: DataRecord | None


def fingerprints(runs: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Fingerprint]:
    """Fingerprint every cell of a study.

    Parameters
    ----------
    runs, curves : DataFrame
        See :data:`pipeline.tables.RUNS` and :data:`pipeline.tables.CURVES`. The order of the rows does not matter.

    Returns
    -------
    dict
        Cell id to fingerprint, in the order in which the cells first appear.
    """
    digests = {str(cell_id): hashlib.sha256(LAYOUT.encode()) for cell_id in runs["cell_id"].unique()}
    configs: dict[str, str] = {}
    for table, order in ((runs, _KEY), (curves, [*_KEY, "step"])):
        for cell_id, cell in _by_cell(table, order):
            if cell_id not in digests:
                continue
            for name, values in cell.items():
                digests[cell_id].update(name.encode())
                digests[cell_id].update(
                    values.tobytes() if values.dtype != object else canonical_json(values.tolist()).encode()
                )
            if "config" in cell:
                configs[cell_id] = str(cell["config"][0])
    return {
        cell_id: Fingerprint(hashlib.sha256(configs[cell_id].encode()).hexdigest(), digest.hexdigest())
        for cell_id, digest in digests.items()
    }


def records(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    prints: Mapping[str, Fingerprint],
    *,
    folder: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Iterator[Record]:
    """Make the records of some cells of a study.

    Parameters
    ----------
    runs, curves : DataFrame
        The study's tables.
    prints : mapping
        Cell id to fingerprint, of the cells that are wanted.
    folder : Path, optional
        Where the tables lie; becomes a tag.
    provenance : mapping, optional
        Where the data came from: ``source``, ``sha1``, ``offline_twin``, ``title``.

    Yields
    ------
    Record

    Raises
    ------
    UserError
        If a cell's configuration is not JSON.
    """
    runs = runs[runs["cell_id"].isin(list(prints))]
    by_cell = dict(_by_cell(runs, _KEY))
    statistics = dict(_by_cell(_curve_statistics(runs, curves), ["cell_id", "step"]))
    for cell_id, fingerprint in prints.items():
        cell = by_cell[cell_id]
        config = _config(cell_id, cell["config"][0])
        params = _params(cell, config)
        tags = _tags(cell, config) | fingerprint._asdict()
        if folder is not None:
            tags["folder"] = folder.as_posix()
        curve = statistics.get(cell_id)
        finals = _finals(cell)
        metrics, notes = _metrics(finals, _seed_finals(cell), curve, MAX_BATCH - len(params))
        if not finals.keys() & {"final_loss"} and tags["status"] != "error":
            notes["final_loss"] = "not finite: half of the runs or more diverged"
        yield Record(
            cell_id=cell_id,
            name=str(config.get("label") or cell_id),
            params=params,
            tags=tags | notes,
            metrics=metrics,
            seconds=finals.get("train_seconds", 0.0),
            failed=tags["status"] == "error",
            data=_data(cell, config, provenance or {}),
        )


def _by_cell(table: pd.DataFrame, order: list[str]) -> Iterator[tuple[str, Columns]]:
    """The columns of each cell, sorted; far faster than a DataFrame for each."""
    table = table.sort_values(order, kind="stable")
    columns = {str(name): _array(table[name]) for name in sorted(table.columns)}
    cell_ids = columns["cell_id"]
    bounds = np.flatnonzero(cell_ids[1:] != cell_ids[:-1]) + 1
    for start, stop in pairwise([0, *bounds.tolist(), len(cell_ids)]):
        if start < stop:
            yield str(cell_ids[start]), {name: values[start:stop] for name, values in columns.items()}


def _array(column: "pd.Series[Any]") -> NDArray[Any]:
    """Numbers as float64, in which every whole number of the tables is exact; texts as objects."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    if column.isna().all():  # a column of numbers without any may come without a type
        return np.full(len(column), np.nan)
    return column.astype(object).to_numpy()


def _config(cell_id: str, text: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UserError(f"cell {cell_id}: its config is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"cell {cell_id}: its config is not a JSON object")
    return config


def _params(cell: Columns, config: Mapping[str, Any]) -> dict[str, str]:
    """The configuration, flattened; the table's columns say what was run, whatever was asked for."""
    params: dict[str, Any] = {name: cell[name][0] for name in _COLUMNS}
    params |= {name: int(cell[name][0]) for name in ("batch_size", "epochs")}
    params |= {"lr": float(cell["lr"][0]), "seeds": len(cell["seed"])}
    for group, fields in config.items():
        if isinstance(fields, Mapping):
            params |= _flat(group, _group_fields(group, fields, params["implementation"]))
        elif group != "label":
            params.setdefault(group, fields)
    texts = {key: value if isinstance(value, str) else canonical_json(value) for key, value in params.items()}
    return {key: text[:MAX_PARAM] for key, text in list(texts.items())[:MAX_PARAMS]}


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


def _tags(cell: Columns, config: Mapping[str, Any]) -> dict[str, str]:
    tags = {name: str(cell[name][0]) for name in ("study", "cell_id", "data", "optimizer", "implementation", "engine")}
    counts = {status: int((cell["status"] == status).sum()) for status in STATUSES}
    present = [status for status, count in counts.items() if count]
    tags["status"] = present[0] if len(present) == 1 else "mixed"
    tags |= {f"status.{status}": str(count) for status, count in counts.items()}
    if tags["data"].endswith("_twin"):
        tags["offline_twin"] = "true"
    examples, batch_size = examples_in(config), int(cell["batch_size"][0])
    if examples is not None:
        tags["taxonomy"] = taxonomy(batch_size, examples)
        tags["updates"] = str(updates(examples, batch_size, int(cell["epochs"][0])))
    return tags


@np.errstate(over="ignore")  # to infinity, which is left out
def _finals(cell: Columns) -> dict[str, float]:
    """One number a metric; those that are not finite are left out.

    A diverged run's final loss is infinite, whatever it was frozen at; an errored run has none.
    """
    ok, diverged = cell["status"] == "ok", cell["status"] == "diverged"
    losses = cell["final_loss"][ok]
    finals = {"steps": _median(cell["steps"]), "examples": _median(cell["examples"])}
    if ok.any() or diverged.any():
        finals["final_loss"] = float(np.median([*losses, *[np.inf] * int(diverged.sum())]))
    if ok.any() and not diverged.any():
        finals["final_loss_mean"] = float(losses.mean())
        finals["final_loss_sd"] = float(losses.std(ddof=1)) if len(losses) > 1 else np.nan
    finals["best_loss"] = _median(cell["best_loss"])
    finals["accuracy"] = _median(cell["accuracy"][ok])
    # A diverged run stopped early: its seconds are not a run's.
    finals |= {name: _median(cell[name][ok]) for name in ("train_seconds", "seconds_per_epoch")}
    finals["diverged_step"] = _median(cell["diverged_step"][diverged])
    return {key: value for key, value in finals.items() if np.isfinite(value)}


def _seed_finals(cell: Columns) -> list[tuple[int, float]]:
    ok = (cell["status"] == "ok") & np.isfinite(cell["final_loss"])
    return [(int(seed), float(loss)) for seed, loss in zip(cell["seed"][ok], cell["final_loss"][ok], strict=True)]


def _median(values: NDArray[np.float64]) -> float:
    """Median of what is there; NaN where nothing is."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def _curve_statistics(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Mean and quartiles of the loss at every step of every cell, over the runs that are well so far.

    Returns
    -------
    DataFrame
        Columns ``cell_id, step, loss, loss_q25, loss_q75, seconds, runs``, in the order of cell and step.
    """
    readings = curves[["cell_id", "seed", "step", "seconds", "loss"]].merge(
        runs[["cell_id", "seed", "diverged_step"]], on=_KEY
    )
    diverged_step = readings["diverged_step"].to_numpy(dtype="float64", na_value=np.inf)
    diverged_step[np.isnan(diverged_step)] = np.inf
    loss = readings["loss"].to_numpy(dtype="float64", na_value=np.nan)
    well = np.isfinite(loss) & (readings["step"].to_numpy() < diverged_step)
    readings = readings[well].astype({"seconds": "float64", "loss": "float64"})
    by_step = readings.groupby(["cell_id", "step"], sort=True)
    return pd.DataFrame(
        {
            "loss": by_step["loss"].mean(),
            "loss_q25": by_step["loss"].quantile(0.25),
            "loss_q75": by_step["loss"].quantile(0.75),
            "seconds": by_step["seconds"].median().fillna(0.0),
            "runs": by_step.size(),
        }
    ).reset_index()


def _metrics(
    finals: Mapping[str, float], seeds: list[tuple[int, float]], curve: Columns | None, room: int
) -> tuple[list[Reading], dict[str, str]]:
    """Fit a cell's metrics into one batch; the tags say what was thinned."""
    notes: dict[str, str] = {}
    kept_seeds = [seeds[i] for i in _evenly(len(seeds), MAX_SEEDS)]
    if len(kept_seeds) < len(seeds):
        notes["seeds_thinned"] = f"{len(kept_seeds)} of {len(seeds)} final losses"
    last_step, last_second = int(finals["steps"]), finals.get("train_seconds", 0.0)
    metrics = [Reading(key, value, last_step, last_second) for key, value in finals.items()]
    metrics += [Reading("final_loss_by_seed", loss, seed, last_second) for seed, loss in kept_seeds]
    if curve is None:
        return metrics, notes
    series = ["loss", "loss_q25", "loss_q75"]
    if curve["runs"].min() < curve["runs"].max():  # some run was lost on the way: say how many a mean is over
        series.append("runs")
    kept = _evenly(len(curve["step"]), (room - len(metrics)) // len(series))
    if len(kept) < len(curve["step"]):
        notes["curve_thinned"] = f"{len(kept)} of {len(curve['step'])} readings"
    curve = {key: values[kept] for key, values in curve.items()}
    steps, seconds = curve["step"].tolist(), curve["seconds"].tolist()
    for key in series:
        values = curve[key].tolist()
        metrics += [
            Reading("loss_runs" if key == "runs" else key, float(value), int(step), second)
            for value, step, second in zip(values, steps, seconds, strict=True)
            if np.isfinite(value)
        ]
    return metrics, notes


def _evenly(count: int, most: int) -> list[int]:
    """At most ``most`` positions of ``count``, evenly spread, with the first and the last.

    Examples
    --------
    >>> _evenly(9, 3), _evenly(3, 9)
    ([0, 4, 8], [0, 1, 2])
    """
    if count <= most:
        return list(range(count))
    return [int(position) for position in np.unique(np.linspace(0, count - 1, most).round())]


def _data(cell: Columns, config: Mapping[str, Any], provenance: Mapping[str, Any]) -> DataRecord | None:
    """The data set that was trained on, from its provenance, else from the configuration."""
    name = str(cell["data"][0])
    configured = config.get("data")
    # Where the offline twin stood in for what was asked for, the configured hash is not of its bytes.
    known = configured if isinstance(configured, Mapping) and configured.get("name") == name else {}
    sha1 = provenance.get("sha1") or known.get("sha1")
    if not sha1:
        return None
    sources = [source for source in known.get("sources") or [] if source]
    source = provenance.get("source") or (sources[0] if sources else "generated")
    return DataRecord(
        name, str(sha1)[:MAX_DIGEST], str(source), str(provenance.get("title") or known.get("title") or name)
    )
