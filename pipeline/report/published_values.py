"""What a published value is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Expected:
    """Final losses over many seeds.

    Parameters
    ----------
    mean, sd : float
        Mean and standard deviation over the seeds.
    seeds : int
        How many.
    rounding : float
        How far the mean may be off because of the digits it is given with.
    """

    mean: float
    sd: float
    seeds: int = 1000
    rounding: float = 0.0

    @property
    def text(self) -> str:
        """Mean and standard deviation, on one line wherever they stand."""
        return f"{self.mean}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{self.sd}"

    def interval(self, n: int) -> float:
        """Three standard errors of a mean over ``n`` seeds, and the rounding."""
        return 3 * self.sd / math.sqrt(n) + self.rounding

    def z(self, mean: float, n: int) -> float:
        """How many standard errors, sd / sqrt(n), a mean over ``n`` seeds lies above the expected one."""
        return (mean - self.mean) / (self.sd / math.sqrt(n))


@dataclass(frozen=True)
class Published:
    """Published values of one cell.

    Parameters
    ----------
    where : dict
        Keys of the cell's configuration, dotted, and the values they must have.
    book : str
        Final loss and seconds per epoch on the book's page.
    notebooks : str
        Final losses in readers' notebooks.
    renders : str
        Mean final loss over the authors' stored runs.
    expected : Expected, optional
        What a thousand seeds gave.
    """

    where: Mapping[str, Any]
    book: str = ""
    notebooks: str = ""
    renders: str = ""
    expected: Expected | None = None
