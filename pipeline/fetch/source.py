"""Read a source, a file or a URL: within its limit of bytes and time, and checked."""

import hashlib
import io
import signal
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.request import url2pathname

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential
from tqdm import tqdm
from urllib3.exceptions import HTTPError as LowLevelError

from pipeline.lab.files import TooLarge, looks_like_html, read_limited
from pipeline.parts.data.table import Config as TableConfig

#: Seconds to wait for a server to accept a connection.
CONNECT_TIMEOUT = 5.0


class SourceError(Exception):
    """Why one source cannot be used: the end of a sentence that begins with the source's name."""


class PassingError(SourceError):
    """A fault that may be gone at the next attempt."""


class _Deadline(BaseException):
    """The time is up. No Exception, so that no library takes it for one of its own."""


def transfer(url: str, timeout: float, retries: int, most: int, progress: bool) -> bytes:
    """Download a URL. Call it from the main thread: the time limit is a timer's signal.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    timeout : float
        Seconds one attempt may take; no new one is begun after as many seconds in all.
    retries : int
        Further attempts after a fault that may pass.
    most : int
        Largest allowed size of the body, in bytes.
    progress : bool
        Show a progress bar, if stderr is a terminal.

    Returns
    -------
    bytes
        The whole body.

    Raises
    ------
    SourceError
        Saying what went wrong at the last attempt.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(PassingError),
        stop=stop_after_attempt(1 + retries) | stop_after_delay(timeout),
        wait=wait_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )
    return attempts(_attempt, url, timeout, most, progress and sys.stderr.isatty())


def _attempt(url: str, timeout: float, most: int, progress: bool) -> bytes:
    try:
        with _deadline(timeout):
            return _get(url, timeout, most, progress)
    except _Deadline:
        raise PassingError(f"it did not deliver the file within {timeout:g} s") from None
    except (requests.RequestException, LowLevelError, OSError, ValueError) as error:
        raise _reason(error, timeout) from error


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, wherever it waits.

    The limits of requests are per read, so a server that sends a byte now and then never meets them.
    """

    def late(number: int, frame: FrameType | None) -> None:
        """Leave the block."""
        raise _Deadline

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, in case the first is lost in a destructor
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _get(url: str, timeout: float, most: int, progress: bool) -> bytes:
    too_large = SourceError(f"it is larger than data.max_bytes={most} allows")
    body = bytearray()
    with requests.get(
        url,
        stream=True,
        timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
        headers={"Accept-Encoding": "identity"},  # what arrives is what is counted
        hooks={"response": _drop_redirect_body},
    ) as response:
        response.raise_for_status()
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise SourceError(f"the server sent it compressed ({encoding}), although it was asked not to")
        length = int(response.headers.get("Content-Length", 0))
        if length > most:
            raise too_large
        with tqdm(total=length or None, unit="B", unit_scale=True, disable=not progress) as bar:
            for chunk in response.iter_content(65_536):
                body += chunk
                bar.update(len(chunk))
                if len(body) > most:
                    raise too_large
    return bytes(body)


def _drop_redirect_body(response: requests.Response, **_: Any) -> None:
    """Close a redirect without reading its body, which requests would read whole."""
    if response.is_redirect:
        response.raw.close()
        response.raw = None


def _reason(error: Exception, timeout: float) -> SourceError:
    """Say in words what a library's exception means; subclasses come before their bases."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        kind = PassingError if status >= 500 or status == 429 else SourceError
        return kind(f"the server answered {status} {error.response.reason or ''}".rstrip())
    if isinstance(error, requests.exceptions.SSLError):
        return SourceError("its certificate could not be verified")
    if isinstance(error, requests.exceptions.ProxyError):
        return PassingError("the proxy did not let the request through")
    if isinstance(error, requests.ConnectTimeout):
        return PassingError(f"it did not accept a connection within {min(CONNECT_TIMEOUT, timeout):g} s")
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return PassingError("the transfer broke off before the end of the file")
    if "timed out" in str(error).lower():
        return PassingError(f"it did not deliver the file within {timeout:g} s")
    if isinstance(error, requests.ConnectionError):
        unknown = "resolve" in str(error).lower()
        return PassingError("its host name is not known here" if unknown else "no connection could be made")
    return SourceError(f"the transfer failed ({type(error).__name__})")


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
