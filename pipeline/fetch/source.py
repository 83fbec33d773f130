"""Read one source, a path or a URL, and check that it is the table."""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from urllib.request import url2pathname

from pipeline.fetch.transfer import SourceError, transfer
from pipeline.lab.files import TooLarge, looks_like_html, read_limited
from pipeline.parts.data.table import Config as TableConfig


def read_source(source: str, config: TableConfig, progress: bool = False) -> bytes:
    """Read the table from one source, unpack it if it is a zip, and check its SHA-1.

    Parameters
    ----------
    source : str
        A path (``~`` allowed), or a ``file://``, ``http://`` or ``https://`` URL.
    config : TableConfig
        For the hash and the limits of time and size.
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
        content = transfer(source, config.timeout, config.retries, config.max_bytes, progress)
    elif scheme == "file":
        content = _read_path(url2pathname("/" + rest.partition("/")[2]), config.max_bytes)  # before the /: a host
    elif not scheme:
        content = _read_path(source, config.max_bytes)
    else:
        raise SourceError(f"it begins with {scheme}://, and only a path, file://, http:// and https:// are understood")
    content = _unpacked(content, config.max_bytes)
    _check(content, config.sha1)
    return content


def _read_path(name: str, most: int) -> bytes:
    try:
        return read_limited(Path(name).expanduser(), most)
    except TooLarge:
        raise SourceError(f"it is larger than data.max_bytes={most} allows") from None
    except FileNotFoundError:
        raise SourceError("there is no such file") from None
    except OSError as error:
        raise SourceError(f"it cannot be read ({error.strerror or error})") from None
    except (ValueError, RuntimeError) as error:  # a NUL in the name; ~ of nobody
        raise SourceError(f"it is not a usable path ({error})") from None


def _unpacked(content: bytes, most: int) -> bytes:
    """The one ``.dat`` file of a zip; anything else as it is."""
    if not content.startswith(b"PK\x03\x04"):
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if member.filename.lower().endswith(".dat")]
            if len(members) != 1:
                raise SourceError(f"it is a zip with {len(members)} .dat files in it, and exactly one is expected")
            if members[0].file_size > most:
                size = members[0].file_size
                raise SourceError(f"it unpacks to {size} bytes, and data.max_bytes={most} is the most that is allowed")
            # The declared size may be wrong; of the methods, only these are unpacked as far as is asked for.
            if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SourceError("it is a zip that is not compressed by deflate, the one method that is understood")
            with archive.open(members[0]) as file:
                return file.read(most + 1)
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
