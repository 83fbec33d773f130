"""What a way to find a setting is, and what it finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contrib.finders.landscape import MEASURES, Landscape
from pipeline.lab.config.cell import Cell

#: How often each is repeated, each time with another seed.
REPETITIONS = 20


class NothingFound(Exception):
    """A finder ended without a setting; its text says why, in one sentence."""


@dataclass(frozen=True)
class Found:
    """What one repetition found, and what that took.

    Parameters
    ----------
    settings : mapping
        Measure to the cell that is recommended for it.
    trained : sequence of (Cell, float)
        What it trained, and for how many epochs.
    own_seconds : float
        What it took beside training.
    timed : bool
        Whether these seconds are measured with those of training in them.
    stacked : bool
        Whether it trained many runs at once.
    """

    settings: Mapping[str, Cell]
    trained: Sequence[tuple[Cell, float]] = ()
    own_seconds: float = 0.0
    timed: bool = False
    stacked: bool = False


def for_all(cell: Cell) -> Mapping[str, Cell]:
    """One cell, whatever is scarce."""
    return dict.fromkeys(MEASURES, cell)


@dataclass(frozen=True)
class Method:
    """A way to find a setting.

    Parameters
    ----------
    name : str
        For people.
    library : str
        The distribution whose it is.
    find : callable
        From a landscape and the number of a repetition, which is its seed, to what was found.
    repetitions : int
        How often; 1 where nothing is left to chance.
    """

    name: str
    library: str
    find: Callable[[Landscape, int], Found] = field(repr=False)
    repetitions: int = REPETITIONS
