"""Log a folder of tables to MLflow: a run for the study, below it one per cell, nothing twice."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.lab.grouping import grouped
from pipeline.lab.settings import Tracking
from pipeline.track.owner import Owner, owner_of
from pipeline.track.pages import best_first
from pipeline.track.record import Record, cell_records, dataset_input, summary_record
from pipeline.track.store import gather_statistics, open_store, with_patience

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_ENDED = {"FINISHED", "FAILED"}
#: MLflow nests a run below the one that this tag names.
PARENT = "mlflow.parentRunId"


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
    address : str
        Where MLflow's pages show the study's cells, the lowest final loss first.
    """

    logged: int
    unchanged: int
    removed: int
    left: int = 0
    address: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.logged} logged, {self.unchanged} unchanged, {self.removed} removed"


@dataclass(frozen=True)
class _Logged:
    """What the store has of a cell: not the whole run, for a study has thousands."""

    run_id: str
    ended: bool
    tags: dict[str, str]


@dataclass(frozen=True)
class _Done:
    """Over all tries: records seen, each with its run's id, those written, runs deleted, what runs are judged by."""

    seen: dict[str, str] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)
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

    The study is one MLflow run, and each cell is one below it, with its seeds as replicates inside it. A run that shows
    the same already is left alone. A changed study is written onto its run. A changed cell is written anew and the old
    run deleted after that: whoever is killed in between leaves a double, which the next pass removes. Deleted runs
    stay in the store's bin until ``mlflow gc``.

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
        ``captions.json`` of the figures: then the study's own run gets its figures, its tables and its numbers.
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

    def once() -> tuple[int, str]:
        """One try, from the look at what is there."""
        with open_store(settings) as (client, experiment_id):
            earlier = _earlier_runs(client, experiment_id, owner)
            records = chain(
                cell_records(folder, data_dir) if cells else (),
                () if captions is None else (summary_record(folder, captions),),
            )
            _show_all(client, experiment_id, owner, records, done)
            if replace:
                _delete(client, earlier, done)
            page = _page(client, experiment_id, owner, done)
            if done.written:
                gather_statistics(settings)
            return 0 if replace else len(earlier), f"{settings.pages}/{page}"

    cure = f"the tables are whole, and `python -m pipeline.track {folder}` logs them once it is back"
    found = with_patience(settings, once, cure)
    return Counts(len(done.written), len(done.seen) - len(done.written), len(done.deleted), *found)


def _page(client: "MlflowClient", experiment_id: str, owner: Owner, done: _Done) -> str:
    """Where the cells are shown; a single one on a page of its own, for it has no order and needs no view."""
    runs = [run_id for key, run_id in done.seen.items() if key]
    if len(runs) == 1:
        return f"#/experiments/{experiment_id}/runs/{runs[0]}"
    metric = "validation_loss" if done.judged == {"validation_loss"} else "loss"
    return best_first(client, experiment_id, owner.id, f'tags.kind = "cell" and tags.folder_id = "{owner.id}"', metric)


def _show_all(client: "MlflowClient", experiment_id: str, owner: Owner, records: Iterator[Record], done: _Done) -> None:
    """Make the store show these records of a folder, and no cell that is not among them."""
    logged = _logged_runs(client, experiment_id, owner)
    above = [run.run_id for run in logged.get("", [])]
    for run in logged.get("", []):
        _retag(client, run, {"folder": owner.folder})
    for record in records:
        above = above or [_parent(client, experiment_id, owner, record)]
        _show(client, experiment_id, owner, record, logged.pop(record.key, []), above[0], done)
    if any(done.seen):  # tables without a row, or figures alone, are no reason to remove anything
        logged.pop("", None)
        _delete(client, [run for vanished in logged.values() for run in vanished], done)


def _parent(client: "MlflowClient", experiment_id: str, owner: Owner, record: Record) -> str:
    """Make the study's own run, which its cells hang on; what it shows is written when the figures are there."""
    tags = {"kind": "summary", "study": record.tags["study"]} | owner.tags
    ended = round(1000 * record.ended)
    run_id = client.create_run(experiment_id, ended, tags, f"study {tags['study']}").info.run_id
    client.set_terminated(run_id, end_time=ended)
    return str(run_id)


def _show(
    client: "MlflowClient",
    experiment_id: str,
    owner: Owner,
    record: Record,
    old: list[_Logged],
    parent: str,
    done: _Done,
) -> None:
    """Make the store show one record, once."""
    done.seen[record.key] = ""
    done.judged.add(record.tags["judged_by"])
    current = next((run for run in old if run.ended and run.tags["content_hash"] == record.content_hash), None)
    if current is None:
        # Before the call: a store may obey, and be gone before it answers. The next try finds that run.
        done.written.add(record.key)
        done.seen[record.key] = _write(client, experiment_id, owner, record, parent)
    elif record.key:  # the folder was moved, or somebody deleted the study's run
        done.seen[record.key] = current.run_id
        _retag(client, current, {"folder": owner.folder, PARENT: parent})
    _delete(client, [run for run in old if run is not current and run.run_id != parent], done)


def _retag(client: "MlflowClient", run: _Logged, tags: dict[str, str]) -> None:
    """Set what has changed of a run's tags."""
    for tag, value in tags.items() - run.tags.items():
        client.set_tag(run.run_id, tag, value)


def _delete(client: "MlflowClient", runs: list[_Logged], done: _Done) -> None:
    """Put runs into the store's bin, each counted once over all tries."""
    for run in runs:
        done.deleted.add(run.run_id)
        if not run.ended:  # what a killed process left running does not run there for ever
            client.set_terminated(run.run_id, status="KILLED")
        client.delete_run(run.run_id)


def _logged_runs(client: "MlflowClient", experiment_id: str, owner: Owner) -> dict[str, list[_Logged]]:
    """The owner's runs by key, newest first; the study's own has none."""
    return grouped(
        (run.data.tags.get("cell_id", ""), _logged(run))
        for run in _search(client, experiment_id, f"tags.folder_id = '{owner.id}'")
    )


def _earlier_runs(client: "MlflowClient", experiment_id: str, owner: Owner) -> list[_Logged]:
    """Runs, of any kind, of another owner that was at the same path: deleted, moved away, or to be copied back."""
    found = _search(client, experiment_id, f"tags.folder = '{owner.folder}' AND tags.folder_id != '{owner.id}'")
    return [*map(_logged, found)]


def _logged(run: "Run") -> _Logged:
    kept = {name: run.data.tags.get(name, "") for name in ("folder", PARENT, "content_hash")}
    return _Logged(run.info.run_id, run.info.status in _ENDED, kept)


def _search(client: "MlflowClient", experiment_id: str, filter_string: str) -> Iterator["Run"]:
    """The runs that a search finds; one query per thousand runs."""
    token = None
    while True:
        page = client.search_runs([experiment_id], filter_string, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _write(client: "MlflowClient", experiment_id: str, owner: Owner, record: Record, parent: str) -> str:
    """Write one run in a few calls, or none of it; its id."""
    from mlflow.entities import Metric, Param, RunTag

    end = round(1000 * record.ended)
    start = end - round(record.seconds * 1000)
    tags = record.tags | owner.tags | {"content_hash": record.content_hash}
    run: AbstractContextManager[str] = nullcontext(parent)
    if record.key:
        run = _whole_run(client, experiment_id, record.name, tags | {PARENT: parent}, start)
    else:  # cells hang on it, so it is written again; until that is done, it has not ended
        client.update_run(parent, "RUNNING")
    with run as run_id:
        client.log_batch(
            run_id,
            metrics=[Metric(m.key, m.value, start + round(m.seconds * 1000), m.step) for m in record.metrics],
            params=[Param(key, value) for key, value in record.params.items()],
            tags=[] if record.key else [RunTag(key, value) for key, value in tags.items()],
        )
        if record.data is not None:
            client.log_inputs(run_id, [dataset_input(record.data)])
        for path, folder in record.files.items():
            client.log_artifact(run_id, str(path), folder)
        client.set_terminated(run_id, status="FAILED" if record.failed else "FINISHED", end_time=end)
    return run_id


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
