"""Log a study to MLflow: one run per cell, nothing twice."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.lab.errors import UserError
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

#: Runs and curves of some whole cells.
Piece = tuple[pd.DataFrame, pd.DataFrame]


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


@dataclass(frozen=True)
class _Logged:
    """What the store has of a cell: not the whole run, for a study has thousands."""

    run_id: str
    status: str
    #: None where it was not logged to its end.
    fingerprint: Fingerprint | None


def log_study(runs: pd.DataFrame, curves: pd.DataFrame, uri: str, *, complete: bool, **options: Any) -> Counts:
    """Make the store show these cells; as :func:`log_cells`, of tables that are in memory.

    Parameters
    ----------
    runs, curves : DataFrame
        Tables of one study; see :data:`pipeline.lab.tables.RUNS` and :data:`pipeline.lab.tables.CURVES`.
    uri, complete, **options
        See :func:`log_cells`.
    """
    return log_cells(lambda: [(runs, curves)], uri, complete=complete, **options)


def log_cells(
    pieces: Callable[[], Iterable[Piece]],
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
    pieces : callable
        Gives runs and curves of some whole cells at a time, all of one study, and the same whenever it is called;
        see :meth:`pipeline.lab.results.StudyResults.pieces`.
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
    cells: set[str] = set()
    written: set[str] = set()
    deleted: set[str] = set()

    def once() -> None:
        """One try, from the look at what is there."""
        with store_lock(uri), quiet_database():
            client, experiment_id = open_store(uri)
            logged: dict[str, list[_Logged]] | None = None
            study = ""
            for runs, curves in pieces():
                if runs.empty:
                    continue
                prints = fingerprints(runs, curves)
                study = _only_study(runs, study)
                if logged is None:
                    # Training logs its one cell: the others of a large study need not be looked up.
                    only = None if complete or len(prints) > 1 else next(iter(prints))
                    logged = _logged_runs(client, experiment_id, study, only)
                cells.update(prints)
                current = {
                    cell_id: next((run for run in logged.get(cell_id, ()) if run.fingerprint == fingerprint), None)
                    for cell_id, fingerprint in prints.items()
                }
                new = {cell_id: prints[cell_id] for cell_id, run in current.items() if run is None}
                for record in records(runs, curves, new, folder=folder, provenance=provenance):
                    # Before the call: a store may obey, and be gone before it answers. The next try finds that run.
                    written.add(record.cell_id)
                    _log_run(client, experiment_id, record)
                for cell_id, run in current.items():
                    delete(client, [old for old in logged.pop(cell_id, ()) if old is not run])
            if complete and logged:
                delete(client, [run for vanished in logged.values() for run in vanished])

    def delete(client: "MlflowClient", runs: Iterable[_Logged]) -> None:
        """Delete runs, each counted once over all tries."""
        for run in runs:
            deleted.add(run.run_id)
            _delete_run(client, run.run_id, run.status)

    with_patience(absolute_uri(uri), once, patience)
    return Counts(logged=len(written), unchanged=len(cells) - len(written), removed=len(deleted))


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
    written = False
    deleted: set[str] = set()

    def once() -> None:
        """One try, from the look at what is there."""
        nonlocal written
        with store_lock(uri), quiet_database():
            client, experiment_id = open_store(uri)
            old = list(_search(client, experiment_id, {"study": summary.study, "kind": "summary"}))
            same = next((run for run in old if _shows(run, summary)), None)
            if same is None:
                written = True
                _log_summary(client, experiment_id, summary)
            for run in old:
                if run is not same:
                    deleted.add(run.info.run_id)
                    _delete_run(client, run.info.run_id, run.info.status)

    with_patience(absolute_uri(uri), once, patience)
    return Counts(logged=int(written), unchanged=int(not written), removed=len(deleted))


def _only_study(runs: pd.DataFrame, before: str) -> str:
    studies = sorted({str(study) for study in runs["study"].unique()} | ({before} if before else set()))
    if len(studies) != 1:
        raise UserError(f"the table holds the studies {', '.join(studies)}: log one at a time")
    return studies[0]


def _logged_runs(
    client: "MlflowClient", experiment_id: str, study: str, cell_id: str | None
) -> dict[str, list[_Logged]]:
    """The cells of a study in the store, each with its runs, newest first."""
    found: dict[str, list[_Logged]] = defaultdict(list)
    for run in _search(client, experiment_id, {"study": study} | ({"cell_id": cell_id} if cell_id else {})):
        tags = run.data.tags
        if tags.get("kind") != "summary":
            ended = run.info.status in _ENDED
            fingerprint = Fingerprint(*(tags.get(name, "") for name in Fingerprint._fields)) if ended else None
            found[tags.get("cell_id", "")].append(_Logged(run.info.run_id, run.info.status, fingerprint))
    return dict(found)


def _search(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> Iterator["Run"]:
    """The runs with these tags; one query a thousand runs."""
    filter_string = " AND ".join(f"tags.{key} = {_quoted(value)}" for key, value in tags.items())
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _delete_run(client: "MlflowClient", run_id: str, status: str) -> None:
    """Put a run into the store's bin; one that a killed process left running does not run there for ever."""
    if status not in _ENDED:
        client.set_terminated(run_id, status="KILLED")
    client.delete_run(run_id)


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


def _shows(run: "Run", summary: StudySummary) -> bool:
    """Whether a run was logged to its end from this very summary."""
    return run.info.status in _ENDED and run.data.tags.get("content_hash") == summary.content_hash


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
