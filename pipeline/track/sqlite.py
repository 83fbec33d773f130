"""An MLflow store in an SQLite file: made whole, locked by its writer, upgraded, and never closed by accident."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole
from pipeline.track.environment import environment, prepare_environment, quiet_database
from pipeline.track.uri import absolute_uri, sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

_SIDE_FILES = ("-journal", "-wal", "-shm")
#: Which files, by descriptor, a store's path has been in this process; see :func:`uri_of_file`.
_files: dict[str, list[int]] = {}


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


def make(uri: str, fill: "Callable[[MlflowClient], object]") -> None:
    """Make a store, unless it is there.

    It is built beside its place and renamed, so that a killed process leaves no half-made schema and
    whoever finds the file finds all of it.

    Parameters
    ----------
    uri : str
        Of an SQLite store, absolute.
    fill : callable
        Puts into the new store what it shall begin with.
    """
    path = sqlite_path(uri)
    assert path is not None
    if _has_content(path):
        return
    with store_lock(uri):
        if not _has_content(path):
            _build(path, fill)


def _build(path: Path, fill: "Callable[[MlflowClient], object]") -> None:
    # What a killed process or a deleted store left behind; SQLite would take it for the new store's.
    for leftover in [*path.parent.glob(f".{path.name}.*"), *(Path(f"{path}{suffix}") for suffix in _SIDE_FILES)]:
        leftover.unlink(missing_ok=True)
    with written_whole(path) as temporary, _without_side_files(temporary):
        # Write-ahead logging, which stays with the file: a commit syncs once, not four times, and
        # whoever browses the store does not wait for its writer.
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        # No connection may outlive this block: the file is about to change its name.
        with environment("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool"), quiet_database():
            fill(client_of(f"sqlite:///{temporary.as_posix()}"))


@contextmanager
def _without_side_files(path: Path) -> Iterator[None]:
    """Remove what SQLite keeps beside a database, which it leaves there when it fails on a full disk."""
    try:
        yield
    finally:
        for suffix in _SIDE_FILES:
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def uri_of_file(uri: str) -> str:
    """Name the file that is at a store's path now.

    MLflow keeps the connections of a URI for as long as the process lives, and they stay with a file
    that was deleted and made again. So each file met at a path gets its own spelling of it.

    Parameters
    ----------
    uri : str
        Of an SQLite store, absolute.

    Raises
    ------
    UserError
        If the file is something else.
    """
    path = sqlite_path(uri)
    assert path is not None
    if uri not in _files:
        # Only before this process has a connection: closing a file drops every POSIX lock that the process
        # holds on it, SQLite's own among them, and another process would then delete the log in use.
        _check_is_sqlite(path)
    files = _files.setdefault(uri, [])
    number = next((i for i, file in enumerate(files) if os.path.samestat(os.fstat(file), path.stat())), len(files))
    if number == len(files):
        # Kept open: once a deleted file is closed, the file system may give its inode to the new one.
        files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    spelling = f"{path.parent.as_posix()}{'/.' * number}/{path.name}"
    return uri.replace(path.as_posix(), spelling, 1)


def upgrade(uri: str) -> None:
    """Bring the schema of a store that an older MLflow made up to date.

    Raises
    ------
    UserError
        If a newer MLflow made it.
    """
    path = sqlite_path(uri)
    assert path is not None
    prepare_environment()
    from alembic.util import CommandError
    from mlflow.db import upgrade as command

    with store_lock(uri), quiet_database():
        logger.warning("%s was made by another version of MLflow: upgrading it", path.name)
        try:
            # The command `mlflow db upgrade`, without the seconds that another process takes to start.
            command.main([uri], standalone_mode=False)
        except CommandError:
            raise UserError(
                f"{path} was made by a newer MLflow: delete it and log the studies again, or install that MLflow"
            ) from None


def client_of(uri: str) -> "MlflowClient":
    """Make MLflow's client of exactly this URI."""
    prepare_environment()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _check_is_sqlite(path: Path) -> None:
    """Say at once what MLflow would find out after a hundred seconds of retries."""
    with path.open("rb") as file:
        if not file.read(16).startswith(b"SQLite format 3"):
            raise UserError(f"{path} is not an SQLite database")
