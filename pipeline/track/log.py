"""Log a study to MLflow: one run per cell, nothing twice."""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.errors import UserError
from pipeline.track.record import Fingerprint, Record, fingerprints, records
from pipeline.track.store import connect, ensure_store, store_errors, store_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

logger = logging.getLogger(__name__)

_ENDED = {"FINISHED", "FAILED"}


@dataclass(frozen=True)
class Summary:
    """What logging a study did.

    Parameters
    ----------
    logged : int
        Cells written: new ones and changed ones.
    unchanged : int
        Cells found as they are.
    removed : int
        Runs deleted: of changed cells, of vanished ones, and doubles.
    """

    logged: int
    unchanged: int
    removed: int

    def __str__(self) -> str:
        return f"{self.logged} logged, {self.unchanged} unchanged, {self.removed} removed"


def log_study(
    runs: pd.DataFrame,
    curves: pd.DataFrame,
    uri: str,
    *,
    complete: bool,
    folder: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Summary:
    """Make the store show these cells.

    A cell is one MLflow run, its seeds are replicates inside it, and ``study`` and ``cell_id`` are its
    key. A run with the same configuration and content is left alone. A changed one is logged anew and
    the old one deleted after that, so that whoever is killed in between leaves a double, which the next
    pass removes. Deleted runs stay in the store's bin until ``mlflow gc``.

    Parameters
    ----------
    runs, curves : DataFrame
        Tables of one study; see :data:`pipeline.tables.RUNS` and :data:`pipeline.tables.CURVES`.
    uri : str
        MLflow tracking URI; the store is made if need be.
    complete : bool
        Whether these are all cells of the study: runs of others are deleted then.
    folder : Path, optional
        Where the tables lie; becomes a tag.
    provenance : mapping, optional
        Where the data came from: ``source``, ``sha1``, ``offline_twin``, ``title``.

    Returns
    -------
    Summary

    Raises
    ------
    UserError
        If the store cannot be used, or the tables are not of one study.
    """
    if runs.empty:
        return Summary(0, 0, 0)
    study = _only_study(runs)
    prints = fingerprints(runs, curves)
    experiment_id = ensure_store(uri)
    with store_errors(uri), store_lock(uri):
        client = connect(uri)
        logged = _logged_runs(client, experiment_id, study, None if complete or len(prints) > 1 else next(iter(prints)))
        new: dict[str, Fingerprint] = {}
        stale: list[Run] = []
        for cell_id, fingerprint in prints.items():
            old = logged.pop(cell_id, [])
            same = next((run for run in old if _is_still_true(run, fingerprint)), None)
            if same is None:
                new[cell_id] = fingerprint
            stale += [run for run in old if run is not same]
        if complete:
            stale += [run for vanished in logged.values() for run in vanished]
        for record in records(runs, curves, new, folder=folder, provenance=provenance):
            _log_run(client, experiment_id, record)
        for run in stale:
            _delete_run(client, run)
    return Summary(logged=len(new), unchanged=len(prints) - len(new), removed=len(stale))


def _only_study(runs: pd.DataFrame) -> str:
    studies = [str(study) for study in runs["study"].unique()]
    if len(studies) != 1:
        raise UserError(f"the table holds the studies {', '.join(studies)}: log one at a time")
    return studies[0]


def _logged_runs(client: "MlflowClient", experiment_id: str, study: str, cell_id: str | None) -> dict[str, list["Run"]]:
    """The study's runs in the store, by cell, newest first; one query a thousand runs."""
    wanted = {"study": study} | ({"cell_id": cell_id} if cell_id else {})
    filter_string = " AND ".join(f"tags.{key} = {_quoted(value)}" for key, value in wanted.items())
    found: dict[str, list[Run]] = defaultdict(list)
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string, max_results=1000, page_token=token)
        for run in page:
            found[run.data.tags.get("cell_id", "")].append(run)
        token = page.token
        if not token:
            return dict(found)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _is_still_true(run: "Run", fingerprint: Fingerprint) -> bool:
    """Whether a run was logged to its end from these very rows."""
    tags = run.data.tags
    return run.info.status in _ENDED and all(tags.get(key) == value for key, value in fingerprint._asdict().items())


def _delete_run(client: "MlflowClient", run: "Run") -> None:
    """Put a run into the store's bin; one that a killed process left running does not run there for ever."""
    if run.info.status not in _ENDED:
        client.set_terminated(run.info.run_id, status="KILLED")
    client.delete_run(run.info.run_id)


def _log_run(client: "MlflowClient", experiment_id: str, record: Record) -> None:
    """Write one run in four calls, or none of it."""
    from mlflow.entities import Metric, Param

    end = time.time_ns() // 1_000_000
    start = end - round(record.seconds * 1000)
    run_id = client.create_run(experiment_id, start_time=start, tags=record.tags, run_name=record.name).info.run_id
    try:
        client.log_batch(
            run_id,
            metrics=[Metric(m.key, m.value, start + round(m.seconds * 1000), m.step) for m in record.metrics],
            params=[Param(key, value) for key, value in record.params.items()],
        )
        if record.data is not None:
            client.log_inputs(run_id, [_dataset_input(record)])
        client.set_terminated(run_id, status="FAILED" if record.failed else "FINISHED", end_time=end)
    except BaseException:  # an interrupt too must not leave a run that seems to be running
        with suppress(Exception):
            client.set_terminated(run_id, status="KILLED")
        with suppress(Exception):
            client.delete_run(run_id)
        raise


def _dataset_input(record: Record) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    data = record.data
    assert data is not None
    remote = "://" in data.source
    return DatasetInput(
        dataset=Dataset(
            name=data.name,
            digest=data.digest,
            source_type="http" if remote else "local",
            source=json.dumps({"url" if remote else "uri": data.source}),
            profile=json.dumps({"title": data.title}),
        ),
        tags=[InputTag("mlflow.data.context", "training")],
    )
