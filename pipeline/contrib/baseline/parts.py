"""What a baseline consists of: verdicts, ratios and final losses, and what they were made with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number behind a verdict, or a ratio of two timings.

    Parameters
    ----------
    name : str
        What it is a number of.
    value, low, high : float or None
        The estimate and its interval; None where it is not defined, or where there were no data.
    n : int
        The size of the sample; 0 where there were no data.
    of : str
        What n counts.
    verdict : str
        That of the rule that the number is held against; empty where there is none.
    rule : str
        What the rule asks for, in words; empty where there is none.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int = 0
    of: str = ""
    verdict: str = ""
    rule: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim and what became of it.

    Parameters
    ----------
    id : str
        The claim's.
    verdict : str
        ``holds``, ``does not hold`` or ``inconclusive``.
    text : str
        The claim.
    tests : tuple of Number
        The numbers that decided it.
    offline_twin : bool
        Whether any of them comes from the generated stand-in for the data.
    """

    id: str
    verdict: str
    text: str
    tests: tuple[Number, ...]
    offline_twin: bool = False

    @property
    def has_data(self) -> bool:
        """Whether every test had something to decide by."""
        return all(test.n for test in self.tests)


@dataclass(frozen=True)
class Loss:
    """The final losses of a cell.

    Parameters
    ----------
    study, id, label : str
        The study, and the cell's id and name for people.
    data : str
        The data set; the offline twin is another one.
    statuses : dict
        Status to how many runs ended so.
    median, low, high : float or None
        Over the runs, those that diverged counting as infinite; None where no run has a loss.
    digest : str
        Of every run's seed, status and final loss to the last bit.
    """

    study: str
    id: str
    label: str
    data: str
    statuses: Mapping[str, int]
    median: float | None
    low: float | None
    high: float | None
    digest: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two of them comparable."""
        return self.study, self.id, self.data


@dataclass(frozen=True)
class Baseline:
    """What a set of results came to.

    Parameters
    ----------
    machine, packages : dict
        What the results were made with, as text.
    verdicts : tuple of Verdict
        In the order of the ledger.
    ratios : tuple of Number
        Ratios of timings that no claim speaks of: those of the measurement ``step_cost`` and, where ``make bench``
        was run, of the benchmarks.
    losses : tuple of Loss
        In the order of the tables.
    """

    machine: Mapping[str, str]
    packages: Mapping[str, str]
    verdicts: tuple[Verdict, ...] = ()
    ratios: tuple[Number, ...] = ()
    losses: tuple[Loss, ...] = ()


def real(value: float | str | None) -> float | None:
    """Read a number as the lab's JSON files write it: infinity in words.

    Examples
    --------
    >>> real(0.5), real("infinite"), real(None)
    (0.5, inf, None)
    """
    if isinstance(value, str):
        return {"infinite": math.inf, "-infinite": -math.inf}[value]
    return value
