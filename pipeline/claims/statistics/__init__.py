"""Statistics that a claim can name: functions from :class:`~pipeline.claims.evidence.Evidence` to an effect.

Each is decorated with :func:`statistic` and found in the files of this folder and of ``statistic/`` in the user's; see
:mod:`pipeline.parts`. Adding one edits nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pipeline import parts
from pipeline.claims.effect import Effect

#: What a verdict rests on, what is likeliest to differ elsewhere first.
CLOCK, SEEDS, THEORY, CONSTRUCTION = "this machine's clock", "seeds", "theory", "construction"
BASES = (CLOCK, SEEDS, THEORY, CONSTRUCTION)
#: Arguments that name a column.
_COLUMNS = ("column", "over_column", "axis", "x", "y")
#: Columns that are counted and repeat exactly.
COUNTS = {"steps", "readings", "collections", "flops_per_byte"}
#: Columns of times, and of what is divided by them.
_TIMES = ("second", "gigaflops", "load_share")


def basis_of(arguments: Mapping[str, Any]) -> str:
    """What a number rests on, by the columns that it reads: times, counts, or else losses and gradients of seeds.

    Examples
    --------
    >>> basis_of({"column": "seconds_per_epoch"}), basis_of({"column": "final_loss"}), basis_of({"column": "steps"})
    ("this machine's clock", 'seeds', 'construction')
    """
    columns = {str(arguments[name]) for name in _COLUMNS if name in arguments}
    if any(word in column for column in columns for word in _TIMES):
        return CLOCK
    return CONSTRUCTION if arguments.get("column") in COUNTS else SEEDS


@dataclass(frozen=True)
class Statistic:
    """A function that a claim can name.

    Parameters
    ----------
    function : callable
        From evidence and the claim's arguments to an effect.
    rests_on : str or callable
        One of :data:`BASES`, or a function from the claim's arguments to one.
    """

    function: Callable[..., Effect]
    rests_on: str | Callable[[Mapping[str, Any]], str]

    def basis(self, arguments: Mapping[str, Any]) -> str:
        """What the number rests on, one of :data:`BASES`."""
        return self.rests_on if isinstance(self.rests_on, str) else self.rests_on(arguments)


_Function = TypeVar("_Function", bound=Callable[..., Effect])
_FOUND: dict[str, Statistic] = {}


def statistic(rests_on: str | Callable[[Mapping[str, Any]], str] = basis_of) -> Callable[[_Function], _Function]:
    """Register the decorated function under its own name.

    Parameters
    ----------
    rests_on : str or callable
        See :class:`Statistic`.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: _Function) -> _Function:
        """Register the function, which stays as it is."""
        _FOUND[function.__name__] = Statistic(function, rests_on)
        return function

    return decorate


@cache
def statistics() -> dict[str, Statistic]:
    """Every statistic by name.

    Raises
    ------
    UserError
        If a file of statistics cannot be imported.
    """
    parts.modules("statistic")
    return _FOUND
