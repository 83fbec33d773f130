"""Classes of published values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SeedMean:
    """Final losses over many seeds.

    Parameters
    ----------
    mean : float
        Mean over the seeds.
    sd : float or None
        Standard deviation over the seeds, where it is known.
    seeds : int
        How many.
    rounding : float
        How far the mean may be off because of the digits it is given with.
    """

    mean: float
    sd: float | None
    seeds: int = 1000
    rounding: float = 0.0

    @property
    def text(self) -> str:
        """Mean and standard deviation, on one line wherever they stand."""
        if self.sd is None:
            return f"{self.mean}"
        return f"{self.mean}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{self.sd}"

    def interval(self, losses: NDArray[np.float64]) -> float:
        """Three standard errors of the mean of these losses, one a seed, and the rounding."""
        return 3 * self._standard_error(losses) + self.rounding

    def z(self, losses: NDArray[np.float64]) -> float:
        """How many standard errors the mean of these losses, one a seed, lies above the expected one."""
        return float((losses.mean() - self.mean) / self._standard_error(losses))

    def _standard_error(self, losses: NDArray[np.float64]) -> float:
        """Of a mean over so many seeds; from their own spread where that of the many seeds is not known."""
        sd = float(losses.std(ddof=1)) if self.sd is None and len(losses) > 1 else self.sd
        return math.nan if sd is None else sd / math.sqrt(len(losses))


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
    expected: SeedMean | None = None
