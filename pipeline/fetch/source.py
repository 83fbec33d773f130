"""One source: a path or a URL, to the bytes of the table, checked."""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from urllib.request import url2pathname

from pipeline.fetch.transfer import SourceError, transfer
from pipeline.lab.config.data import TableConfig
from pipeline.lab.files import looks_like_html


def read_source(source: str, config: TableConfig, progress: bool = False) -> bytes:
    """Read the table from one source, unpack it if it is a zip, and check it.

    Parameters
    ----------
    source : str
        A path (``~`` allowed), or a ``file://``, ``http://`` or ``https://`` URL.
    config : TableConfig
        For the hash and the time limits.
    progress : bool
        Show a progress bar while downloading, if stderr is a terminal.

    Returns
    -------
    bytes
        The table, with the SHA-1 that the configuration names.

    Raises
    ------
    SourceError
        Saying why the source cannot be used.
    """
    scheme, _, rest = source.partition("://") if "://" in source else ("", "", source)
    scheme = scheme.lower()
    if scheme in ("http", "https"):
        content = transfer(source, config.timeout, config.retries, progress)
    elif scheme == "file":
        content = _read_path(url2pathname("/" + rest.partition("/")[2]))  # what comes before the / is a host
    elif not scheme:
        content = _read_path(source)
    else:
        raise SourceError(f"it begins with {scheme}://, and only a path, file://, http:// and https:// are understood")
    content = _unpacked(content)
    _check(content, config.sha1)
    return content


def _read_path(name: str) -> bytes:
    try:
        path = Path(name).expanduser()
        if path.exists() and not path.is_file():
            raise SourceError("it is a folder or a device, and the file itself is wanted")
        return path.read_bytes()
    except FileNotFoundError:
        raise SourceError("there is no such file") from None
    except OSError as error:
        raise SourceError(f"it cannot be read ({error.strerror or error})") from None
    except (ValueError, RuntimeError) as error:  # a NUL in the name; ~ of nobody
        raise SourceError(f"it is not a usable path ({error})") from None


def _unpacked(content: bytes) -> bytes:
    """The one ``.dat`` file of a zip; anything else as it is."""
    if not content.startswith(b"PK\x03\x04"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".dat")]
            if len(names) != 1:
                raise SourceError(f"it is a zip with {len(names)} .dat files in it, and exactly one is expected")
            return archive.read(names[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise SourceError(f"it is a damaged or unreadable zip ({error})") from None


def _check(content: bytes, sha1: str) -> None:
    if not content.strip():
        raise SourceError("it is empty")
    if looks_like_html(content):
        raise SourceError("it is an HTML page instead of data")
    found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if found != sha1:
        raise SourceError(f"its SHA-1 is {found}, not {sha1}: it is damaged or another version")
