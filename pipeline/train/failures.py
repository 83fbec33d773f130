"""Why runs ended with status ``error``."""

import logging
import traceback
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import UserError, is_memory_short, memory_error, printable

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
    others = f" and {len(new) - 1} more cells" if len(new) > 1 else ""
    logger.error("%s%s failed: %s", new[0].name, others, why)
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
