"""Limits that tell an absurd request from a large one; the user can raise both.

``max_runs``: runs (cells times seeds) of a study, or of a product on the command line. ``max_steps``: updates of one
run. They are keys of a study's file and of ``conf/config.yaml``, and may be given as overrides; they are no cell's,
because they change no number.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import parse_overrides
from pipeline.lab.errors import UserError

#: The keys.
LIMITS = ("max_runs", "max_steps")


def split_limits(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Part overrides into those of the cells, and the limits.

    Parameters
    ----------
    overrides : sequence of str
        In Hydra's grammar.

    Returns
    -------
    cells : list of str
        What is left for the cells.
    limits : dict
        Key to value.

    Raises
    ------
    UserError
        If a limit cannot be read.
    """
    of_cells: list[str] = []
    of_limits: list[str] = []
    for text in overrides:
        (of_limits if text.lstrip("+").partition("=")[0].strip() in LIMITS else of_cells).append(text)
    return of_cells, parse_overrides(of_limits)


def check_runs(where: str, runs: int, made_of: str, max_runs: int) -> None:
    """Refuse more runs than allowed.

    Parameters
    ----------
    where : str
        Who asks, ``study sweep`` say.
    runs : int
        How many.
    made_of : str
        Where the count comes from.
    max_runs : int
        The limit.

    Raises
    ------
    UserError
        Stating the count and the limit.
    """
    if runs > max_runs:
        raise UserError(
            f"{where}: {runs:,} runs ({made_of}) are not allowed: at most max_runs={max_runs}; "
            "ask for fewer, or raise max_runs if they are meant"
        )


def check_steps(cell: Cell, max_steps: int) -> None:
    """Refuse a run of more updates than allowed.

    Raises
    ------
    UserError
        Stating the count and the limit.
    """
    if cell.steps > max_steps:
        config = cell.config
        raise UserError(
            f"epochs={config.epochs} is not allowed with batch_size={config.batch_size}: a run would make "
            f"{cell.steps:,} updates, and at most max_steps={max_steps} are; raise max_steps if they are meant"
        )
