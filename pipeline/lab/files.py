"""What several stages need to know about files."""

import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pipeline.lab.errors import UserError

#: No two temporary files of a process share a name: MLflow remembers by its path which database it has made.
_numbers = count()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` once the block has ended well.

    A reader sees the old file or the whole new one, after a power cut too: the content is on the disk before the
    name is. A failed block leaves nothing behind, and what a killed one left goes with the next.

    Parameters
    ----------
    path : Path
        Where the file shall be. Its folder is made if need be.

    Yields
    ------
    Path
        Where the block writes: an empty file, to be filled and not to be replaced.

    Raises
    ------
    UserError
        If the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_beside(path) as temporary:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)  # noqa: PTH105  (the name says that it is atomic)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def temporary_beside(path: Path, folder: bool = False) -> Iterator[Path]:
    """Make an empty file or folder beside ``path``, because a rename is atomic only within a file system.

    It is locked for as long as the block lasts, and whatever happens to a process, its locks end with it. So a
    temporary file that nobody has locked was left by a killed process, on whichever machine, and is removed here.

    Parameters
    ----------
    path : Path
        What it will be renamed to, in a folder that is there.
    folder : bool
        Make a folder, not a file.

    Yields
    ------
    Path
        Removed at the end, unless the block has renamed it.
    """
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*-*.tmp"):
        _remove_if_left(leftover)
    temporary, lock = _made_and_locked(path, folder)
    try:
        yield temporary
    finally:
        _remove(temporary)  # usually it is gone: renamed
        os.close(lock)


def _made_and_locked(path: Path, folder: bool) -> tuple[Path, int]:
    """Make and lock a temporary file or folder; its path and the lock's descriptor."""
    while True:
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
        try:
            temporary.mkdir() if folder else temporary.touch(exist_ok=False)
        except FileExistsError:  # of a process with the same number, in another container
            continue
        try:
            lock = os.open(temporary, os.O_RDONLY)
        except FileNotFoundError:  # taken for a leftover, before it was locked
            continue
        with suppress(OSError):  # a file system without locks: then leftovers stay
            fcntl.flock(lock, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, lock
        os.close(lock)


def _remove_if_left(temporary: Path) -> None:
    """Remove a temporary file or folder, unless somebody is writing it."""
    with suppress(OSError):  # somebody else removed or renamed it, it is locked, or there are no locks
        lock = os.open(temporary, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(temporary)
        finally:
            os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def looks_like_html(content: bytes) -> bool:
    """Tell whether a file is a web page: what a login wall or an error page sends in place of data.

    Parameters
    ----------
    content : bytes
        The file, or its first few hundred bytes.

    Returns
    -------
    bool
        True if the first thing in it is an HTML or XML tag.
    """
    head = content[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--"))
