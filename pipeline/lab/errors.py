"""Mistakes that are told in one sentence, without a traceback."""

import errno
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: The status of a command that was interrupted: 128 + SIGINT.
INTERRUPTED = 130
#: The status of a command whose output nobody reads any more: 128 + SIGPIPE.
UNREAD = 141
#: Where every import passes.
_IMPORTING = "<frozen importlib._bootstrap>"
#: Seconds until an interrupt that had to wait is tried again.
_PATIENCE = 0.05
#: No space, no quota, a file system that is read-only, and no permission.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_MEMORY = ("can't allocate memory", "out of memory", "bad_alloc")


class UserError(Exception):
    """A mistake of the user's or of the outside world, told in one sentence, without a traceback; exit status 2."""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Tell what is not the program's fault in one sentence on stderr, and end with a status that is not zero.

    Works as a context and, called, as a decorator of a ``main``. A :class:`UserError`, a disk that cannot be written
    and memory that does not suffice are ``error: ...`` and status 2; Ctrl-C is ``interrupted: ...`` and status 130,
    as shells have it. Where the output's reader has had enough, as ``head`` has after ten lines, there is nobody to
    tell: status 141, as for ``yes | head``. Any other exception passes: it is a mistake of the program's, and its
    traceback is wanted.

    Raises
    ------
    SystemExit
        With status 2, 130 or 141.

    Examples
    --------
    >>> @exit_on_user_error()
    ... def main() -> None:
    ...     raise UserError("epochs=0 is not allowed: it must be at least 1")
    """
    try:
        with _late_interrupts(), _while_it_is_read():
            yield
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: nothing half-written is left", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        told = _outside_world(error)
        if told is None:
            raise
        print(f"error: {printable(told)}", file=sys.stderr)
        raise SystemExit(2) from None


def _outside_world(error: Exception) -> str | None:
    """What is wrong with the machine, where that is what an error says."""
    if is_memory_short(error):
        return memory_error(error)
    if isinstance(error, OSError) and error.errno in _DISK:
        return f"{error.filename or 'a file'} cannot be written: {error.strerror}"
    return None


@contextmanager
def _while_it_is_read() -> Iterator[None]:
    """End when the reader of stdout is gone; Python would complain of it at exit, where no one can catch it."""
    try:
        try:
            yield
        except SystemExit:  # of --help
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        output = sys.stdout.fileno()
        poll = select.poll()
        poll.register(output, 0)
        if not any(event & select.POLLERR for _, event in poll.poll(0)):
            raise  # another pipe's
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # where the rest goes at exit
        raise SystemExit(UNREAD) from None


def _flush() -> None:
    if sys.stdout is not None:  # as it is where it was closed beforehand
        sys.stdout.flush()


@contextmanager
def _late_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait while a module is imported, or text run as code.

    Extension modules that are interrupted while they start print a traceback of their own, and raise an ImportError.
    After an interrupt inside ``exec`` or ``eval`` of a text, an interpreter started by ``python -m`` ends itself by
    SIGINT, whatever status it is told to end with. Libraries that log what interrupted them (as SQLAlchemy does while
    it closes a connection) are not heard from then on, to the end of the process, in which objects of theirs go that
    were interrupted; and an interrupt that is lost in a ``__del__`` is tried again.
    Whatever a block that was interrupted ends with, it leaves as a KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread meets signals
        return

    pressed = False
    outside = set(_stack(sys._getframe()))  # what an interrupt leaves alone, and need not wait for

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Raise what Ctrl-C is to Python, now or as soon as nothing is in the way."""
        nonlocal pressed
        pressed = True
        if not any(_waits(each) for each in _stack(frame) if each not in outside):
            logging.disable(logging.CRITICAL)
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    def unraisable(lost: "sys.UnraisableHookArgs") -> None:
        """Try an interrupt again that no caller could be told of."""
        if issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
        elif not pressed:
            hook(lost)

    signals = (signal.SIGINT, signal.SIGALRM)
    before = [signal.signal(number, interrupt) for number in signals]
    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        yield
        if pressed:
            raise KeyboardInterrupt
    except (Exception, SystemExit):
        if pressed:  # what a library has made of it
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
        sys.unraisablehook = (lambda _: None) if pressed else hook
        outside.clear()  # frames that hold each other


def _waits(frame: FrameType) -> bool:
    """Tell whether a frame is one that an interrupt must not pass through."""
    code = frame.f_code
    return code.co_filename == _IMPORTING or (code.co_filename, code.co_name) == ("<string>", "<module>")


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and those that called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_memory_short(error: BaseException) -> bool:
    """Tell whether an error says that there is not enough memory.

    numpy and pyarrow raise a MemoryError; torch raises a RuntimeError, of a subclass of its own only on a GPU.
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)
    )


def memory_error(error: BaseException) -> str:
    """Say in one sentence that the memory does not suffice, and for what."""
    return f"the memory does not suffice: {(str(error).splitlines() or [type(error).__name__])[0]}"


def printable(text: str) -> str:
    r"""Escape what would break a line, drive a terminal or turn the direction of writing.

    Examples
    --------
    >>> print(printable("label=a\nb, \x1b[2J, café"))
    label=a\nb, \x1b[2J, café
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
