"""The MLflow store: made once, whole, before anyone writes to it."""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from pipeline.errors import UserError
from pipeline.files import written_whole

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

EXPERIMENT = "minibatch-lab"
DEFAULT_URI = "sqlite:///mlflow.db"

#: Seconds between attempts to open a store that somebody else may just be making.
_WAITS = (0.2, 0.8, 2.0)
_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?")
_SIDE_FILES = ("-journal", "-wal", "-shm")
#: Which files, by descriptor, a store's path has been in this process; see :func:`_uri_of_file`.
_files: dict[str, list[int]] = {}


def ensure_store(uri: str, experiment: str = EXPERIMENT) -> str:
    """Make the store and the experiment, unless they are there.

    Safe when many processes do it at once. A new SQLite store is built under a file lock, beside its
    place, and renamed: whoever finds the file finds all of it. On a server the experiment is created,
    and read again if somebody else was faster.

    Parameters
    ----------
    uri : str
        MLflow tracking URI. A relative SQLite path is relative to the current directory.
    experiment : str
        The experiment's name; a deleted one is restored.

    Returns
    -------
    str
        The experiment's id.

    Raises
    ------
    UserError
        If the store cannot be reached, made or upgraded.
    """
    uri = absolute_uri(uri)
    path = sqlite_path(uri)
    with store_errors(uri):
        if path is not None and not _has_content(path):
            with store_lock(uri):
                if not _has_content(path):
                    _create(path, experiment)
        return _experiment_id(connect(uri), experiment, path)


def connect(uri: str) -> "MlflowClient":
    """Open a store.

    An SQLite store that an older MLflow made is upgraded; a server's database never is, because that
    is its keeper's decision.

    Parameters
    ----------
    uri : str
        MLflow tracking URI.

    Returns
    -------
    MlflowClient
        Bound to this URI, whatever the environment says.
    """
    uri = absolute_uri(uri)
    path = sqlite_path(uri)
    if path is None:
        return _client(uri)
    if uri not in _files:
        # Only before this process has a connection: closing a file drops every POSIX lock that the process
        # holds on it, SQLite's own among them, and another process would then delete the log in use.
        _check_is_sqlite(path)
    for wait in (*_WAITS, None):
        try:
            with _quiet_migrations():
                return _client(_uri_of_file(path, uri))
        except Exception as error:  # whatever a half-made schema provokes in MLflow, Alembic or SQLAlchemy
            if wait is None:
                return _upgraded(uri, error)
            time.sleep(wait)  # `mlflow ui`, started on an empty folder, may be making it right now
    raise AssertionError("not reached")


@contextmanager
def store_lock(uri: str) -> Iterator[None]:
    """Let one process at a time write to an SQLite store; a server needs no such help.

    Parameters
    ----------
    uri : str
        MLflow tracking URI.
    """
    path = sqlite_path(absolute_uri(uri))
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{path.parent} cannot be made: {error.strerror}") from None
    # One lock object per file and process, so that the holder may take it again.
    with FileLock(f"{path}.lock", is_singleton=True) if path is not None else nullcontext():
        yield


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Tell the store's errors in one sentence, without a password.

    Raises
    ------
    UserError
        In place of an error of MLflow, its database or a missing driver.
    """
    mlflow_exception, database_error = _error_types()
    try:
        yield
    except (mlflow_exception, database_error, ImportError, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"MLflow store {masked(uri)}: {masked(first)}") from None


def absolute_uri(uri: str) -> str:
    """Make a relative SQLite path absolute; leave any other URI as it is.

    Raises
    ------
    UserError
        If the URI is empty, or asks for an SQLite store without a file, which nobody could browse.

    Examples
    --------
    >>> absolute_uri("sqlite:////data/mlflow.db"), absolute_uri("https://mlflow.example.org")
    ('sqlite:////data/mlflow.db', 'https://mlflow.example.org')
    """
    match = _SQLITE.fullmatch(uri)
    if match and match["path"] != ":memory:":
        return f"{match['scheme']}{Path(match['path']).absolute().as_posix()}{match['query'] or ''}"
    if match or not uri or uri.startswith("sqlite"):
        raise UserError(f"MLflow store {uri!r} is not allowed: name a file, as in {DEFAULT_URI}, or a server")
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    match = _SQLITE.fullmatch(uri)
    return Path(match["path"]) if match else None


def masked(text: str) -> str:
    """Hide the passwords and tokens of the URIs in a text.

    Examples
    --------
    >>> masked("postgresql://ada:secret@db.example.org/mlflow")
    'postgresql://ada:***@db.example.org/mlflow'
    """
    text = re.sub(r"(://[^:/@\s]*:)\S*@", r"\1***@", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:password|passwd|pwd|token|secret|sslkey)[^=&\s]*=)[^&\s]*", r"\1***", text)


def prepare_environment() -> None:
    """Settings that MLflow reads when it is imported or first used; what the user has set stays."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # A line on stdout for every run logged to a server says nothing new.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # The default of 7, with back-off, takes minutes to say that a server does not answer.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")


def _client(uri: str) -> "MlflowClient":
    prepare_environment()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _error_types() -> tuple[type[Exception], type[Exception]]:
    prepare_environment()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError


def _create(path: Path, experiment: str) -> None:
    """Build a store beside ``path`` and rename it, so that a killed process leaves no half-made schema."""
    # What a killed process or a deleted store left behind; SQLite would take it for the new store's.
    for leftover in [*path.parent.glob(f".{path.name}.*"), *(Path(f"{path}{suffix}") for suffix in _SIDE_FILES)]:
        leftover.unlink(missing_ok=True)
    with written_whole(path) as temporary:
        # Write-ahead logging, which stays with the file: a commit syncs once, not four times, and
        # whoever browses the store does not wait for its writer.
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        # No connection may outlive this block: the file is about to change its name.
        with _environment("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool"), _quiet_migrations():
            _experiment_id(_client(f"sqlite:///{temporary.as_posix()}"), experiment, path)


def _experiment_id(client: "MlflowClient", name: str, path: Path | None) -> str:
    """Read or create the experiment; whoever comes second reads the first one's."""
    mlflow_exception, _ = _error_types()
    # Nothing is stored there, but MLflow wants a place, and its default depends on the current directory.
    location = None if path is None else (path.parent / "mlruns" / name).as_uri()
    for wait in (*_WAITS, None):
        found = client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except mlflow_exception as error:
            if wait is None or getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
            time.sleep(wait)
    raise AssertionError("not reached")


def _upgraded(uri: str, error: Exception) -> "MlflowClient":
    """Upgrade an SQLite store and open it, if its age is what is wrong with it."""
    path = sqlite_path(uri)
    if path is None or "out-of-date" not in str(error):
        raise error
    prepare_environment()
    from alembic.util import CommandError
    from mlflow.db import upgrade

    with store_lock(uri), _quiet_migrations():
        logger.warning("%s was made by another version of MLflow: upgrading it", path.name)
        try:
            # The command `mlflow db upgrade`, without the seconds that another process takes to start.
            upgrade.main([uri], standalone_mode=False)
        except CommandError:
            raise UserError(
                f"{path} was made by a newer MLflow: delete it and log the studies again, or install that MLflow"
            ) from None
        return _client(_uri_of_file(path, uri))


def _uri_of_file(path: Path, uri: str) -> str:
    """Name the file that is at ``path`` now.

    MLflow keeps the connections of a URI for as long as the process lives, and they stay with a file
    that was deleted and made again. So each file met at a path gets its own spelling of it.
    """
    files = _files.setdefault(uri, [])
    number = next((i for i, file in enumerate(files) if os.path.samestat(os.fstat(file), path.stat())), len(files))
    if number == len(files):
        # Kept open: once a deleted file is closed, the file system may give its inode to the new one.
        files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    spelling = f"{path.parent.as_posix()}{'/.' * number}/{path.name}"
    return uri.replace(path.as_posix(), spelling, 1)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _check_is_sqlite(path: Path) -> None:
    """Say at once what MLflow would find out after a hundred seconds of retries."""
    with path.open("rb") as file:
        if not file.read(16).startswith(b"SQLite format 3"):
            raise UserError(f"{path} is not an SQLite database")


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def _quiet_migrations() -> Iterator[None]:
    """Silence the line that MLflow and Alembic log for each of the schema's migrations."""
    prepare_environment()
    import mlflow  # noqa: F401  (sets its loggers' levels when it is imported)

    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
