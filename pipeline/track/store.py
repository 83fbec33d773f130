"""Open the MLflow store, make it where it is missing, and try again while it does not answer."""

import glob
import logging
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import tenacity
from filelock import FileLock

from pipeline.lab.errors import UserError
from pipeline.lab.settings import EXPERIMENT, Tracking
from pipeline.lab.urls import masked
from pipeline.track.pages import note

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

#: Seconds between two tries: from the first to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
#: What PostgreSQL says when the next try would fail alike.
_FINAL = re.compile(
    r"authentication failed|role \".*\" does not exist|database \".*\" does not exist|no pg_hba.conf entry"
)
#: What a database says, through a server, when another writer has just written the same row.
_WRITTEN_TWICE = re.compile("UniqueViolation|Duplicate entry")
_SIDE_FILES = ("-journal", "-wal", "-shm")
#: MLflow shows this tag as the experiment's description.
_NOTE_TAG = "mlflow.note.content"

T = TypeVar("T")


def check_store(settings: Tracking) -> None:
    """Open the store once, before there is anything to lose; make it where it is missing.

    Parameters
    ----------
    settings : Tracking
        Which store and experiment.

    Raises
    ------
    UserError
        If it cannot be opened now.
    """
    cure = "start it, name another in MLFLOW_TRACKING_URI, or log nothing with track=false"
    with _in_one_sentence(settings, cure), open_store(settings):
        pass


def with_patience(settings: Tracking, work: Callable[[], T], cure: str) -> T:
    """Do something to a store, again while it does not answer.

    Parameters
    ----------
    settings : Tracking
        The store, and for how many seconds to try.
    work : callable
        Called from the start at each try: it must look up what an earlier try has done.
    cure : str
        What to do once the store is back, for the error.

    Returns
    -------
    object
        What ``work`` returns.

    Raises
    ------
    UserError
        If the store refuses, or has not answered in all these seconds.
    """

    def warn(state: tenacity.RetryCallState) -> None:
        """Log why, and when the next try is."""
        assert state.outcome is not None and state.next_action is not None
        reason = _reason(state.outcome.exception(), settings)
        wait = state.next_action.sleep
        logger.warning("MLflow store %s does not answer (%s): next try in %.1f s", settings.shown, reason, wait)

    failures: list[float] = []

    def is_spent(state: tenacity.RetryCallState) -> bool:
        """Count from the first failure: a writer that waits for its turn at the store's lock has not failed."""
        assert state.outcome_timestamp is not None
        failures.append(state.outcome_timestamp)
        return failures[-1] + state.upcoming_sleep - failures[0] >= settings.patience

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: is_passing(error, settings)),
        wait=tenacity.wait_exponential(_FIRST_WAIT, _LONGEST_WAIT) + tenacity.wait_random(0, _FIRST_WAIT),
        stop=is_spent,
        before_sleep=warn,
    )
    with _in_one_sentence(settings, cure):
        return retrying(work)


@contextmanager
def open_store(settings: Tracking) -> "Iterator[tuple[MlflowClient, str]]":
    """Open the store, made where it is missing.

    Writers of an SQLite store take turns, from here to the end of the block. No connection outlives the block: the file
    may then be deleted, and made again.

    Parameters
    ----------
    settings : Tracking
        Which store and experiment.

    Yields
    ------
    tuple of MlflowClient and str
        The client, and the experiment's id.
    """
    path = settings.sqlite_path
    with ExitStack() as stack:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(f"{path}.lock"))
            if not path.exists() or path.stat().st_size == 0:
                _make(path, settings)
        elif settings.is_database_server:
            _knock(settings.uri)
        # Somebody else, `mlflow ui` in an empty folder say, may be making the schema or the experiment right now.
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: _may_be_in_the_making(error, settings)),
            wait=tenacity.wait_exponential(0.2, 2),
            stop=tenacity.stop_after_attempt(4),
            reraise=True,
        )
        yield retrying(_opened, settings, stack)


def gather_statistics(settings: Tracking) -> None:
    """Let SQLite count its rows, so that MLflow's pages sort thousands of runs at once.

    Without these counts it compares each run with every value of a sorted metric: four seconds instead of a tenth with
    8,000 runs. Other databases count by themselves.

    Parameters
    ----------
    settings : Tracking
        The store, opened by :func:`open_store`.
    """
    if settings.sqlite_path is not None:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(settings.sqlite_path)) as connection:
            connection.execute("ANALYZE")  # refused while somebody else writes: the next pass does it


def is_passing(error: BaseException, settings: Tracking) -> bool:
    """Tell whether an error may be gone at the next try: the store is down, restarting or busy.

    Or two writers wrote the same row, a data set's say, at the same moment: the next try finds it there.

    Parameters
    ----------
    error : BaseException
        What was raised.
    settings : Tracking
        The store.
    """
    from mlflow.exceptions import MlflowException, RestException
    from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

    database = error if isinstance(error, DBAPIError) else error.__cause__
    if settings.sqlite_path is not None:
        return isinstance(database, OperationalError) and "locked" in str(database)
    if _FINAL.search(str(error)):
        return False
    if isinstance(database, DBAPIError):
        return (
            isinstance(database, OperationalError | InterfaceError | IntegrityError) or database.connection_invalidated
        )
    # What MLflow raises of itself, missing credentials say, has the same codes as what a server answered.
    answered = isinstance(error, RestException) or str(error).startswith("API request")
    if not isinstance(error, MlflowException) or not answered:
        return False
    status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    return status >= 500 or status == 429 or _WRITTEN_TWICE.search(str(error)) is not None


def _import_mlflow() -> None:
    """Import MLflow with the settings that it reads then; those of the user stay."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A request whose answer was lost may have been obeyed: MLflow would send it again, and make a second run that
    # nobody knows of. So failures come back to us, and what is there is looked up before the next try.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Seconds; without them, a host that drops packets is waited for as long as two minutes, or the kernel likes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    import mlflow  # noqa: F401  (sets its loggers' levels when it is imported)

    # A line for each migration of the schema, and a traceback for each error that is raised too.
    levels = {"mlflow.store.db.utils": logging.CRITICAL, "mlflow.utils.databricks_utils": logging.ERROR}
    for name, level in (levels | {"alembic": logging.WARNING}).items():
        logging.getLogger(name).setLevel(level)


def _make(path: Path, settings: Tracking) -> None:
    """Make an SQLite store beside its place and rename it: a killed process leaves no half-made schema."""
    # What a killed process or a deleted store left behind; SQLite would take it for the new store's.
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for suffix in _SIDE_FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        new = Path(folder) / path.name
        # Write-ahead logging, which stays with the file: a commit syncs once, not four times, and whoever browses the
        # store does not wait for its writer.
        with closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        with ExitStack() as stack:
            _opened(replace(settings, uri=f"sqlite:///{new.as_posix()}"), stack, path.parent)
        new.replace(path)


def _opened(settings: Tracking, stack: ExitStack, folder: Path | None = None) -> "tuple[MlflowClient, str]":
    """Connect, and find or make the experiment; the connections are closed with the stack."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=settings.uri)
    engine = getattr(client._tracking_client.store, "engine", None)  # MLflow has no other way to close it
    if engine is not None:
        stack.callback(engine.dispose)
    return client, _experiment_id(client, settings, folder)


def _may_be_in_the_making(error: BaseException, settings: Tracking) -> bool:
    if getattr(error, "error_code", "") == "RESOURCE_ALREADY_EXISTS":
        return True
    is_database = settings.sqlite_path is not None or settings.is_database_server
    return is_database and isinstance(error, Exception) and not is_passing(error, settings)


def _experiment_id(client: "MlflowClient", settings: Tracking, folder: Path | None) -> str:
    """Find the experiment as MLflow does from the same variables, or create it."""
    name, given = settings.experiment, settings.experiment_id
    found = client.get_experiment_by_name(name) if name else client.get_experiment(str(given))
    if found is not None:
        if given not in (None, found.experiment_id):
            raise UserError(
                f"MLFLOW_EXPERIMENT_ID={given} is not allowed: MLFLOW_EXPERIMENT_NAME={name} has {found.experiment_id}"
            )
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)
    assert name is not None
    # Figures go there; MLflow's own default depends on the current directory.
    path = folder or (settings.sqlite_path.parent if settings.sqlite_path else None)
    location = None if path is None else (path / "mlruns" / EXPERIMENT).as_uri()
    made = client.create_experiment(name, artifact_location=location)
    client.set_experiment_tag(made, _NOTE_TAG, note(client, made))
    return str(made)


def _knock(uri: str) -> None:
    """Connect once: MLflow, which tries ten times by itself, would take a hundred seconds to say what is wrong."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(uri, poolclass=NullPool)
    except ValueError as error:  # a port that is no number
        raise ArgumentError(f"not a URI that can be read: {error}") from None
    engine.connect().close()


@contextmanager
def _in_one_sentence(settings: Tracking, cure: str) -> Iterator[None]:
    """Raise a UserError, without a password, in place of the store's errors.

    Raises
    ------
    UserError
        In place of an error of MLflow, its database or a missing driver.
    """
    _import_mlflow()
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    store = f"MLflow store {settings.shown}"
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f": pip install {error.name}-binary" if error.name == "psycopg2" else ""
        raise UserError(f"{store}: its driver {error.name} is not installed{hint}") from None
    except tenacity.RetryError as error:
        last, tries = error.last_attempt.exception(), error.last_attempt.attempt_number
        often = f"in {tries} {'tries' if tries > 1 else 'try'} over {settings.patience:.0f} s"
        raise UserError(f"{store} does not answer, {often} ({_reason(last, settings)}); {cure}") from None
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, ImportError, OSError) as error:
        if is_passing(error, settings):
            raise UserError(f"{store} does not answer ({_reason(error, settings)}): {cure}") from None
        raise UserError(f"{store}: {_reason(error, settings)}") from None


def _reason(error: BaseException | None, settings: Tracking) -> str:
    """The first sentence of what the store said; SQLAlchemy adds lines of its own before and after it."""
    said = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error if error else error
    line = (str(said).splitlines() or [type(error).__name__])[0]
    return masked(re.split(r"\. (?=[A-Z])", line)[0], settings.uri)
