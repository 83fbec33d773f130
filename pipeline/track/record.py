"""What the MLflow run of a cell holds: pure functions from the tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.track.data import DataRecord, data_of
from pipeline.track.fingerprint import KEY, Fingerprint, by_cell
from pipeline.track.metrics import Reading, curve_statistics, finals_of, metrics_of, seed_finals
from pipeline.track.params import config_of, name_of, params_of, tags_of

#: MLflow's limit for metrics, parameters and tags that are written at once.
MAX_BATCH = 1000


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


def records(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    prints: Mapping[str, Fingerprint],
    *,
    folder: Path | None = None,
    provenance: Sequence[Mapping[str, Any]] = (),
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
    provenance : sequence of mapping, optional
        Where each data set came from: ``name``, ``source``, ``sha1``, ``title``.

    Yields
    ------
    Record

    Raises
    ------
    UserError
        If a cell's configuration is not JSON.
    """
    runs = runs[runs["cell_id"].isin(list(prints))]
    cells = dict(by_cell(runs, KEY))
    statistics = dict(by_cell(curve_statistics(runs, curves), ["cell_id", "step"]))
    for cell_id, fingerprint in prints.items():
        cell = cells[cell_id]
        config = config_of(cell_id, cell["config"][0])
        params = params_of(cell, config)
        tags = tags_of(cell, config) | fingerprint._asdict()
        if folder is not None:
            tags["folder"] = folder.as_posix()
        finals = finals_of(cell)
        metrics, notes = metrics_of(finals, seed_finals(cell), statistics.get(cell_id), MAX_BATCH - len(params))
        if "final_loss" not in finals and tags["status"] != "error":
            notes["final_loss"] = "not finite: half of the runs or more diverged"
        yield Record(
            cell_id=cell_id,
            name=name_of(cell, config),
            params=params,
            tags=tags | notes,
            metrics=metrics,
            seconds=finals.get("train_seconds", 0.0),
            failed=tags["status"] == "error",
            data=data_of(cell, config, provenance),
        )
