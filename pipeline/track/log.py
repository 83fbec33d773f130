"""Log a study to MLflow: one run per cell, nothing twice."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.errors import UserError
from pipeline.track.data import dataset_input
from pipeline.track.environment import quiet_database
from pipeline.track.fingerprint import Fingerprint, fingerprints
from pipeline.track.record import Record, records
from pipeline.track.retry import with_patience
from pipeline.track.sqlite import store_lock
from pipeline.track.store import open_store
from pipeline.track.summary import StudySummary
from pipeline.track.uri import PATIENCE, absolute_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_ENDED = {"FINISHED", "FAILED"}


@dataclass(frozen=True)
class Counts:
    """What logging a study did.

    Parameters
    ----------
    logged : int
        Runs written: new ones and changed ones.
    unchanged : int
        Runs found as they are.
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
    provenance: Sequence[Mapping[str, Any]] = (),
    patience: float = PATIENCE,
) -> Counts:
    """Make the store show these cells.

    A cell is one MLflow run, its seeds are replicates inside it, and ``study`` and ``cell_id`` are its
    key. A run with the same configuration and content is left alone. A changed one is logged anew and
    the old one deleted after that, so that whoever is killed in between leaves a double, which the next
    pass removes. Deleted runs stay in the store's bin until ``mlflow gc``.

    A store that does not answer is tried again for a while. Each try looks up first what is there:
    nothing is written twice because an answer was lost, and a run that was left half-written is replaced.

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
    provenance : sequence of mapping, optional
        Where each data set came from: ``name``, ``source``, ``sha1``, ``title``.
    patience : float
        Seconds for which a store that does not answer is tried again.

    Returns
    -------
    Counts
        Of all tries together.

    Raises
    ------
    UserError
        If the store cannot be used, or the tables are not of one study.
    """
    if runs.empty:
        return Counts(0, 0, 0)
    study = _only_study(runs)
    prints = fingerprints(runs, curves)
    written: set[str] = set()
    deleted: set[str] = set()

    def once() -> None:
        with store_lock(uri), quiet_database():
            client, experiment_id = open_store(uri)
            logged = _logged_runs(
                client, experiment_id, study, None if complete or len(prints) > 1 else next(iter(prints))
            )
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
                written.add(record.cell_id)
            for run in stale:
                _delete_run(client, run)
                deleted.add(run.info.run_id)

    with_patience(absolute_uri(uri), once, patience)
    return Counts(logged=len(written), unchanged=len(prints) - len(written), removed=len(deleted))


def log_summary(summary: StudySummary, uri: str, *, patience: float = PATIENCE) -> Counts:
    """Make the store show a study's summary: one run, with the study's figures.

    Parameters
    ----------
    summary : StudySummary
        What it holds.
    uri, patience
        As in :func:`log_study`.

    Returns
    -------
    Counts
        Of the one run, and of those it replaces.

    Raises
    ------
    UserError
        If the store cannot be used.
    """

    def once() -> Counts:
        with store_lock(uri), quiet_database():
            client, experiment_id = open_store(uri)
            old = _search(client, experiment_id, {"study": summary.study, "kind": "summary"})
            same = next((run for run in old if _has(run, {"content_hash": summary.content_hash})), None)
            if same is None:
                _log_summary(client, experiment_id, summary)
            stale = [run for run in old if run is not same]
            for run in stale:
                _delete_run(client, run)
            return Counts(int(same is None), int(same is not None), len(stale))

    return with_patience(absolute_uri(uri), once, patience)


def _only_study(runs: pd.DataFrame) -> str:
    studies = [str(study) for study in runs["study"].unique()]
    if len(studies) != 1:
        raise UserError(f"the table holds the studies {', '.join(studies)}: log one at a time")
    return studies[0]


def _logged_runs(client: "MlflowClient", experiment_id: str, study: str, cell_id: str | None) -> dict[str, list["Run"]]:
    """The cells of a study in the store, each with its runs, newest first."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in _search(client, experiment_id, {"study": study} | ({"cell_id": cell_id} if cell_id else {})):
        if run.data.tags.get("kind") != "summary":
            found[run.data.tags.get("cell_id", "")].append(run)
    return dict(found)


def _search(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> list["Run"]:
    """The runs with these tags; one query a thousand runs."""
    filter_string = " AND ".join(f"tags.{key} = {_quoted(value)}" for key, value in tags.items())
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _is_still_true(run: "Run", fingerprint: Fingerprint) -> bool:
    """Whether a run was logged to its end from these very rows."""
    return _has(run, fingerprint._asdict())


def _has(run: "Run", tags: Mapping[str, str]) -> bool:
    """Whether a run was logged to its end with these tags."""
    return run.info.status in _ENDED and all(run.data.tags.get(key) == value for key, value in tags.items())


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
    with _whole_run(client, experiment_id, record.name, record.tags, start) as run_id:
        client.log_batch(
            run_id,
            metrics=[Metric(m.key, m.value, start + round(m.seconds * 1000), m.step) for m in record.metrics],
            params=[Param(key, value) for key, value in record.params.items()],
        )
        if record.data is not None:
            client.log_inputs(run_id, [dataset_input(record.data)])
        client.set_terminated(run_id, status="FAILED" if record.failed else "FINISHED", end_time=end)


def _log_summary(client: "MlflowClient", experiment_id: str, summary: StudySummary) -> None:
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    with _whole_run(client, experiment_id, summary.name, summary.tags, now) as run_id:
        client.log_batch(run_id, metrics=[Metric(key, value, now, 0) for key, value in summary.metrics.items()])
        for figure in summary.figures:
            client.log_artifact(run_id, str(figure.path), "figures")
        client.set_terminated(run_id, end_time=now)


@contextmanager
def _whole_run(
    client: "MlflowClient", experiment_id: str, name: str, tags: Mapping[str, str], start: int
) -> Iterator[str]:
    """A run that is deleted if the block does not end well: after an interrupt too, none seems to be running."""
    run_id = client.create_run(experiment_id, start_time=start, tags=dict(tags), run_name=name).info.run_id
    try:
        yield run_id
    except BaseException:
        with suppress(Exception):
            client.set_terminated(run_id, status="KILLED")
        with suppress(Exception):
            client.delete_run(run_id)
        raise
