"""Log a folder of tables to MLflow: one run per cell and one for the study, nothing twice."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.lab.grouping import grouped
from pipeline.lab.settings import Tracking
from pipeline.track.owner import Owner, owner_of
from pipeline.track.record import Record, cell_records, dataset_input, summary_record
from pipeline.track.store import open_store, with_patience

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_ENDED = {"FINISHED", "FAILED"}


@dataclass(frozen=True)
class Counts:
    """What logging a folder did.

    Parameters
    ----------
    logged : int
        Runs written: new ones and changed ones.
    unchanged : int
        Runs found as they are.
    removed : int
        Runs deleted: of changed cells, of vanished ones, and doubles.
    left : int
        Runs that an earlier folder at the same path wrote, and that were left alone.
    """

    logged: int
    unchanged: int
    removed: int
    left: int = 0

    def __str__(self) -> str:
        return f"{self.logged} logged, {self.unchanged} unchanged, {self.removed} removed"


@dataclass(frozen=True)
class _Logged:
    """What the store has of a cell: not the whole run, for a study has thousands."""

    run_id: str
    ended: bool
    content_hash: str
    folder: str


@dataclass(frozen=True)
class _Done:
    """Keys of the records that were seen and of those written, and ids of the runs deleted, over all tries."""

    seen: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)


def log_folder(
    folder: Path,
    settings: Tracking,
    *,
    data_dir: Path | None = None,
    captions: Path | None = None,
    cells: bool = True,
    replace: bool = False,
) -> Counts:
    """Make the store show what a folder's tables hold, and touch no run that was written from another folder.

    Each cell is one MLflow run, with its seeds as replicates inside it. A run that shows the same already is left
    alone. A changed one is written anew and the old one deleted after that: whoever is killed in between leaves a
    double, which the next pass removes. Deleted runs stay in the store's bin until ``mlflow gc``.

    A store that does not answer is tried again for a while. Each try looks up first what is there: nothing is written
    twice because an answer was lost, and a run that was left half-written is replaced.

    Parameters
    ----------
    folder : Path
        With ``runs.parquet`` and ``curves.parquet``; see :class:`pipeline.lab.results.StudyResults`.
    settings : Tracking
        The store, which is made if need be.
    data_dir : Path, optional
        The folder of the data; ``data`` beside the folder by default.
    captions : Path, optional
        ``captions.json`` of the figures: then the study's own run is written too, with its figures.
    cells : bool
        Whether the cells' runs are written.
    replace : bool
        Whether runs are deleted that an earlier folder at the same path wrote.

    Returns
    -------
    Counts
        Of all tries together.

    Raises
    ------
    UserError
        If the store cannot be used, or the tables cannot be read.
    """
    owner, done = owner_of(folder), _Done()
    kinds = [kind for kind, wanted in (("cell", cells), ("summary", captions is not None)) if wanted]

    def once() -> int:
        """One try, from the look at what is there."""
        with open_store(settings) as (client, experiment_id):
            logged = _logged_runs(client, experiment_id, owner, kinds)
            earlier = _earlier_runs(client, experiment_id, owner)
            for record in _records(folder, data_dir, captions, cells):
                _show(client, experiment_id, owner, record, logged.pop(record.key, []), done)
            if done.seen:  # tables without a row are no reason to remove anything
                _delete(client, [run for vanished in logged.values() for run in vanished], done)
            if replace:
                _delete(client, earlier, done)
            return 0 if replace else len(earlier)

    cure = f"the tables are whole, and `python -m pipeline.track {folder}` logs them once it is back"
    left = with_patience(settings, once, cure)
    return Counts(len(done.written), len(done.seen) - len(done.written), len(done.deleted), left)


def _records(folder: Path, data_dir: Path | None, captions: Path | None, cells: bool) -> Iterator[Record]:
    """The runs that there should be."""
    if cells:
        yield from cell_records(folder, data_dir)
    if captions is not None:
        yield summary_record(folder, captions)


def _show(
    client: "MlflowClient", experiment_id: str, owner: Owner, record: Record, old: list[_Logged], done: _Done
) -> None:
    """Make the store show one record, once."""
    done.seen.add(record.key)
    current = next((run for run in old if run.ended and run.content_hash == record.content_hash), None)
    if current is None:
        # Before the call: a store may obey, and be gone before it answers. The next try finds that run.
        done.written.add(record.key)
        _write(client, experiment_id, owner, record)
    elif current.folder != owner.folder:  # it was moved
        client.set_tag(current.run_id, "folder", owner.folder)
    _delete(client, [run for run in old if run is not current], done)


def _delete(client: "MlflowClient", runs: list[_Logged], done: _Done) -> None:
    """Put runs into the store's bin, each counted once over all tries."""
    for run in runs:
        done.deleted.add(run.run_id)
        if not run.ended:  # what a killed process left running does not run there for ever
            client.set_terminated(run.run_id, status="KILLED")
        client.delete_run(run.run_id)


def _logged_runs(
    client: "MlflowClient", experiment_id: str, owner: Owner, kinds: list[str]
) -> dict[str, list[_Logged]]:
    """The owner's runs by key, newest first."""
    runs = _search(client, experiment_id, f"tags.folder_id = '{owner.id}'")
    return grouped(
        (run.data.tags.get("cell_id", ""), _logged(run)) for run in runs if run.data.tags.get("kind") in kinds
    )


def _earlier_runs(client: "MlflowClient", experiment_id: str, owner: Owner) -> list[_Logged]:
    """Runs, of any kind, of another owner that was at the same path: deleted, moved away, or to be copied back."""
    search = f"tags.folder = '{owner.folder}' AND tags.folder_id != '{owner.id}'"
    return [_logged(run) for run in _search(client, experiment_id, search)]


def _logged(run: "Run") -> _Logged:
    tags = run.data.tags
    return _Logged(run.info.run_id, run.info.status in _ENDED, tags.get("content_hash", ""), tags.get("folder", ""))


def _search(client: "MlflowClient", experiment_id: str, filter_string: str) -> Iterator["Run"]:
    """The runs that a search finds; one query per thousand runs."""
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _write(client: "MlflowClient", experiment_id: str, owner: Owner, record: Record) -> None:
    """Write one run in a few calls, or none of it."""
    from mlflow.entities import Metric, Param

    end = time.time_ns() // 1_000_000
    start = end - round(record.seconds * 1000)
    tags = record.tags | owner.tags | {"content_hash": record.content_hash}
    with _whole_run(client, experiment_id, record.name, tags, start) as run_id:
        client.log_batch(
            run_id,
            metrics=[Metric(m.key, m.value, start + round(m.seconds * 1000), m.step) for m in record.metrics],
            params=[Param(key, value) for key, value in record.params.items()],
        )
        if record.data is not None:
            client.log_inputs(run_id, [dataset_input(record.data)])
        for figure in record.figures:
            client.log_artifact(run_id, str(figure.path), "figures")
        client.set_terminated(run_id, status="FAILED" if record.failed else "FINISHED", end_time=end)


@contextmanager
def _whole_run(
    client: "MlflowClient", experiment_id: str, name: str, tags: dict[str, str], start: int
) -> Iterator[str]:
    """A run that is deleted if the block does not end well: after Ctrl-C, none seems to be running."""
    run_id = client.create_run(experiment_id, start_time=start, tags=tags, run_name=name).info.run_id
    try:
        yield run_id
    except BaseException:
        with suppress(Exception):
            client.set_terminated(run_id, status="KILLED")
        with suppress(Exception):
            client.delete_run(run_id)
        raise
