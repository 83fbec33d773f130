"""User-facing errors, reported without a traceback, and signals that end a command."""

import atexit
import errno
import gc
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: The status of a command whose output is no longer read: 128 + SIGPIPE.
UNREAD = 141
#: The signals that end a command: Ctrl-C, a polite kill, a terminal that was closed.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: No space, no quota, a file system that is read-only, and no permission.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")

# Every command imports this. At its end Python would look several times for garbage in all that was imported, which
# takes most of a second with Lightning.
atexit.register(gc.freeze)

#: How a damaged file of the results is mended: Snakemake makes what is missing, and nothing else.
MAKE_AGAIN = "delete it, and run snakemake again"


class UserError(Exception):
    """A mistake of the user's or a fault of the machine's, reported in one sentence; exit status 2."""


class Ended(BaseException):
    """A signal asked the process to end.

    Not a KeyboardInterrupt, which Lightning turns into status 1.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Report what is not the program's fault in one sentence on stderr, and exit with a status that says so.

    Works as a context and as a decorator of a ``main``. A :class:`UserError`, a disk that cannot be written and
    memory that does not suffice give ``error: ...`` and status 2; SIGINT, SIGTERM and SIGHUP give one sentence and
    128 plus their number (130, 143, 129), as in a shell; output that nobody reads any more, as before ``| head``,
    gives status 141 without a word. Any other exception passes with its traceback: it is a mistake of the program's.

    Raises
    ------
    SystemExit
        With status 2, 129, 130, 141 or 143.

    Examples
    --------
    >>> @exit_on_user_error()
    ... def main() -> None:
    ...     raise UserError("epochs=0 is not allowed: it must be at least 1")
    """
    try:
        with _signals_raise(), _unread_output_exits():
            yield
    except (Ended, KeyboardInterrupt) as end:
        number = end.number if isinstance(end, Ended) else signal.SIGINT
        cause = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        with suppress(OSError):  # the terminal may be gone
            print(f"{cause}: nothing half-written is left", file=sys.stderr, flush=True)
        raise SystemExit(128 + number) from None
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else _machine_fault(error)
        if reason is None:
            raise
        print(f"error: {printable(reason)}", file=sys.stderr)
        raise SystemExit(2) from None


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Raise :class:`Ended` where a signal asks for an end, so that temporary files are removed on the way out.

    A signal that is ignored, as SIGHUP is under ``nohup``, stays ignored. If a library swallows the exception, it is
    raised again at the end of the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        """Leave the block."""
        received.append(number)
        raise Ended(number)

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _ENDING}
    taken = [number for number in _ENDING if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, end)
    hook = sys.unraisablehook  # a finalizer that the signal meets cannot raise: Python would print a traceback
    sys.unraisablehook = lambda found: None if found.exc_type is Ended else hook(found)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in taken:
            signal.signal(number, before[number])
        if received:
            raise Ended(received[0]) from None


@contextmanager
def _unread_output_exits() -> Iterator[None]:
    """Exit if the reader of stdout is gone; Python would complain of it only at exit, where nobody can catch it."""
    try:
        try:
            yield
        except SystemExit:  # of --help
            print(end="", flush=True)  # like sys.stdout.flush(), which is None if it was closed beforehand
            raise
        print(end="", flush=True)
    except BrokenPipeError:
        output = sys.stdout.fileno()
        poll = select.poll()
        poll.register(output, 0)
        if not any(event & select.POLLERR for _, event in poll.poll(0)):
            raise  # another pipe's
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # where the rest goes at exit
        raise SystemExit(UNREAD) from None


def _machine_fault(error: Exception) -> str | None:
    """What is wrong with the machine, if that is what an error says."""
    if is_memory_short(error):
        return memory_error(error)
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"{error.filename or 'a file'} cannot be written: {error.strerror}"
    return None


def is_memory_short(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory.

    numpy and pyarrow raise a MemoryError; torch raises a RuntimeError, of a subclass of its own only on a GPU.
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)
    )


def memory_error(error: BaseException) -> str:
    """Say in one sentence that the memory does not suffice, and for what."""
    return f"the memory does not suffice: {first_line(error)}"


def first_line(error: object) -> str:
    """The first line of an error's message, without a full stop; the error's kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def printable(text: str) -> str:
    r"""Escape what would break a line, drive a terminal or reverse the direction of writing.

    Examples
    --------
    >>> print(printable("label=a\nb, \x1b[2J, café"))
    label=a\nb, \x1b[2J, café
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
