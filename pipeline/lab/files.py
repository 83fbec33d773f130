"""Reading files within a limit, and writing them whole or not at all."""

import errno
import fcntl
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from pipeline.lab.errors import UserError


class TooLarge(ValueError):
    """A file has more bytes than are allowed."""


def read_limited(path: Path, most: int) -> bytes:
    """Read a regular file of limited size.

    Parameters
    ----------
    path : Path
        The file.
    most : int
        Largest allowed size, in bytes.

    Returns
    -------
    bytes
        The whole content.

    Raises
    ------
    TooLarge
        If the file has more bytes; no more than ``most + 1`` are read.
    OSError
        If it is a folder, a device or a pipe, or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a folder or a device, and the file itself is wanted", str(path))
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"{path} has more than {most} bytes")
    return content


def why_no_folder(path: Path) -> str:
    """Why no folder can be made at a path; empty where one can be, or is."""
    try:
        place = path.absolute()
        while not place.exists():
            place = place.parent
        return "" if place.is_dir() else f"it must be a folder, and {place} is a file"
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` if the block succeeds.

    A reader sees either the old file or the complete new one, even after a power cut: the content is synced
    before the rename. A block that fails leaves nothing behind.

    Parameters
    ----------
    path : Path
        The final path. Its folder is created if necessary.

    Yields
    ------
    Path
        An empty file, to be filled and not to be replaced.

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


def write_whole(path: Path, text: str) -> None:
    """Write a text whole or not at all; see :func:`written_whole`."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def temporary_beside(path: Path, folder: bool = False) -> Iterator[Path]:
    """Make an empty file or folder beside ``path``, because a rename is atomic only within a file system.

    It stays locked until the block ends or its process dies. Temporary files of ``path`` that nobody holds a lock
    on were left by killed processes, and are removed first.

    Parameters
    ----------
    path : Path
        What it will be renamed to, in an existing folder.
    folder : bool
        Make a folder instead of a file.

    Yields
    ------
    Path
        Removed at the end, unless the block has renamed it.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with ExitStack() as stack:
        with locked(path.parent):  # so that nobody takes the new file, not locked yet, for a leftover
            for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}.tmp"):
                with suppress(OSError), locked(leftover, wait=False):
                    _remove(leftover)
            temporary.mkdir() if folder else temporary.touch()
            stack.callback(_remove, temporary)
            stack.enter_context(locked(temporary))
        yield temporary


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Lock a file or folder; without ``wait``, raise an OSError where somebody else has.

    On a file system without locks, nothing is locked and no leftover is removed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if wait:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def looks_like_html(content: bytes) -> bool:
    """Whether a file is a web page, which a login wall or an error page sends instead of data.

    Parameters
    ----------
    content : bytes
        The file, or its first few hundred bytes.

    Returns
    -------
    bool
        True if the file begins with an HTML or XML tag.
    """
    head = content[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return head.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--"))
