"""Keys of a study that overrides may set, and that are no cell's: its limits, and how its cells are searched.

``max_runs``: runs (cells times seeds) of a study, or of a product on the command line. ``max_steps``: updates of one
run. They tell an absurd request from a large one, the user can raise both, and ``conf/config.yaml`` has them, too.
``search`` and ``race.KEY`` are a study's only.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import parse_overrides
from pipeline.lab.errors import UserError

#: The limits.
LIMITS = ("max_runs", "max_steps")
#: How cells are searched.
SEARCH = ("search", "race")


def split_limits(overrides: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Part overrides into those of the cells, and those of the study.

    Parameters
    ----------
    overrides : sequence of str
        In Hydra's grammar.

    Returns
    -------
    cells : list of str
        What is left for the cells.
    of_study : dict
        Key to value; ``race.budget`` and so on are in ``race``.

    Raises
    ------
    UserError
        If one of the study cannot be read.
    """
    of_cells = [text for text in overrides if _key(text) not in (*LIMITS, *SEARCH)]
    given = parse_overrides([text for text in overrides if _key(text) in (*LIMITS, *SEARCH)])
    race = {key.removeprefix("race."): given.pop(key) for key in list(given) if key.startswith("race.")}
    return of_cells, given | ({"race": race} if race else {})


def without_search(overrides: Sequence[str]) -> list[str]:
    """Leave out how cells are searched: training them does not depend on it."""
    return [text for text in overrides if _key(text) not in SEARCH]


def _key(text: str) -> str:
    return text.lstrip("+").partition("=")[0].strip().partition(".")[0]


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
