"""One URL, fetched within a time limit and tried again after faults that may pass."""

import io
import queue
import sys
import threading

import pooch
import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential
from urllib3.exceptions import HTTPError as LowLevelError

#: Seconds to wait for a server to accept a connection; one that is there does so at once.
CONNECT_TIMEOUT = 5.0


class SourceError(Exception):
    """Why one source cannot be used: a sentence's end, to be put behind the source's name."""


class PassingError(SourceError):
    """A fault that may be gone at the next attempt."""


def transfer(url: str, timeout: float, retries: int, progress: bool) -> bytes:
    """Fetch a URL.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    timeout : float
        Seconds one attempt may take; no new one is begun after as many seconds in all.
    retries : int
        Further attempts after a fault that may pass.
    progress : bool
        Show a progress bar, if stderr is a terminal.

    Returns
    -------
    bytes
        The whole body.

    Raises
    ------
    SourceError
        Saying what went wrong the last time.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(PassingError),
        stop=stop_after_attempt(1 + retries) | stop_after_delay(timeout),
        wait=wait_exponential(multiplier=0.2, max=2.0),
        reraise=True,
    )
    return attempts(_within, url, timeout, progress and sys.stderr.isatty())


def _within(url: str, timeout: float, progress: bool) -> bytes:
    """Run one attempt in a thread and give up on it after ``timeout`` seconds.

    The limits of requests are per read: they bound neither a server that trickles nor looking up a name.
    """
    outcome: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        """Read the source, and put into the queue what came of it."""
        try:
            outcome.put(_get(url, timeout, progress))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=attempt, daemon=True, name="transfer").start()
    try:
        result = outcome.get(timeout=timeout)
    except queue.Empty:
        raise PassingError(f"it did not deliver the file within {timeout:g} s") from None
    if isinstance(result, bytes):
        return result
    raise result


def _get(url: str, timeout: float, progress: bool) -> bytes:
    body = io.BytesIO()
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=(min(CONNECT_TIMEOUT, timeout), timeout))
    try:
        downloader(url, body, None)
    except (requests.RequestException, LowLevelError, OSError, ValueError) as error:
        raise _told(error, timeout) from error
    return body.getvalue()


def _told(error: Exception, timeout: float) -> SourceError:
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
