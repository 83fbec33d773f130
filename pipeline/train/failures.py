"""Why runs ended with status ``error``, and how a command reports them."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import UserError, is_memory_short, memory_error, printable
from pipeline.lab.grouping import grouped

logger = logging.getLogger(__name__)


def record(failures: dict[str, str], cells: Sequence[Cell], error: BaseException) -> None:
    """Keep, and log, the first reason why runs of some cells failed.

    Parameters
    ----------
    failures : dict
        Cell id to reason. A cell that is in it already is not logged again.
    cells : sequence of Cell
        The cells whose runs have failed together.
    error : BaseException
        What was raised; its traceback is logged at level DEBUG.
    """
    new = [cell for cell in cells if cell.id not in failures]
    if not new:
        return
    why = reason(error)
    failures.update((cell.id, why) for cell in new)
    logger.error("%s%s failed: %s", new[0].name, f" and {len(new) - 1} more cells" if new[1:] else "", why)
    logger.debug("%s: traceback", new[0].name, exc_info=error)


def reason(error: BaseException) -> str:
    """Describe an error in one line: its kind, its message, and the line of code outside torch that raised it.

    Examples
    --------
    >>> reason(UserError("lr=0 is not allowed"))
    'lr=0 is not allowed'
    """
    if isinstance(error, UserError):
        return str(error)
    if is_memory_short(error):
        return memory_error(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if hasattr(error, "error_index"):  # from another process, whose whole traceback is the message
        return printable(lines[-1])
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return printable(f"{type(error).__name__}: {lines[0]}{place}" if lines else f"{type(error).__name__}{place}")


class FailedCell(NamedTuple):
    """A cell of which ``failed`` runs out of ``runs`` ended with status ``error``."""

    name: str
    failed: int
    runs: int
    reason: str


class FailedRunsError(Exception):
    """Runs failed, and their tables are written; the argument is the list of :class:`FailedCell`."""


class _Command:
    """The process of a command, and what its last lines will report."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.cells: list[FailedCell] = []
        self.has_failed = False


_command: _Command | None = None


@contextmanager
def failures_reported() -> Iterator[None]:
    """Report the failed cells of a command in its last lines, and end with status 1 where they are not tolerated.

    Raises
    ------
    SystemExit
        With status 1.
    """
    global _command
    _command = command = _Command()
    try:
        yield
    except FailedRunsError as error:  # of a process that a launcher started
        command.has_failed = True
        command.cells += [cell for cell in error.args[0] if cell not in command.cells]
    finally:
        _command = None
    for sentence in sentences(command.cells):
        print(f"error: {printable(sentence)}", file=sys.stderr)
    if command.has_failed:
        raise SystemExit(1)


def report(cells: Sequence[FailedCell], *, tolerated: bool) -> None:
    """Leave failed cells to the last lines of the command.

    Parameters
    ----------
    cells : sequence of FailedCell
        None, most often.
    tolerated : bool
        Whether the command's status stays 0 all the same.

    Raises
    ------
    FailedRunsError
        Where there is no command in this process to report them: called from a notebook, or by a launcher of Hydra's
        that starts processes, which takes the exception to the process of the command.
    """
    if _command is not None and _command.process == os.getpid():
        _command.cells += cells
        _command.has_failed |= bool(cells) and not tolerated
    elif cells and not tolerated:
        raise FailedRunsError(list(cells))


def sentences(cells: Sequence[FailedCell]) -> list[str]:
    """One sentence for each reason.

    Examples
    --------
    >>> sentences([FailedCell("gd", 1, 3, "no memory"), FailedCell("sgd", 3, 3, "no memory")])
    ['4 of 6 runs of gd and sgd failed: no memory']
    """
    by_reason = grouped((cell.reason, cell) for cell in cells)
    told = []
    for reason, alike in by_reason.items():
        names = [cell.name for cell in alike]
        shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3:,} more cells"]
        listed = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
        runs = f"{sum(cell.failed for cell in alike):,} of {sum(cell.runs for cell in alike):,} runs"
        told.append(f"{runs} of {listed} failed: {reason}")
    return told
