"""What several stages need to know about files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pipeline.errors import UserError

#: No two temporary files of a process share a name: MLflow remembers by its path which database it has made.
_numbers = count()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to ``path`` once the block has ended well.

    The temporary file lies in the same folder, because a rename is atomic only within a file system.
    A reader therefore sees the old file or the whole new one, and a failed block leaves nothing behind.

    Parameters
    ----------
    path : Path
        Where the file shall be. Its folder is made if need be.

    Yields
    ------
    Path
        Where the block writes.

    Raises
    ------
    UserError
        If the folder or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105  (the name says that it is atomic)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # usually it is gone: renamed, or never made
            temporary.unlink()


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
