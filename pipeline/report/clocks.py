"""Costs of reaching a loss on four clocks, and pairs of cells whose order depends on the clock."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import median_interval
from pipeline.analysis.cells import costs_of_runs, quantiles
from pipeline.analysis.study import AnalysedStudy
from pipeline.lab.results import CellResults

#: The clocks, and the column of the table of curves that each one reads.
CLOCKS = {"epochs": "epoch", "steps": "step", "examples": "examples", "seconds": "seconds"}


@dataclass(frozen=True)
class Cost:
    """What a cell spends until it is at the target.

    Parameters
    ----------
    median, low, high : float
        The median over the seeds and its 95 % order-statistic interval. Infinite where runs never get there, NaN where
        the clock is not known.
    """

    median: float
    low: float
    high: float

    def before(self, other: "Cost") -> bool:
        """Whether this is less for certain: the intervals do not meet."""
        return self.high < other.low

    @property
    def known(self) -> bool:
        """Whether there is such a clock."""
        return not math.isnan(self.median)


@dataclass(frozen=True, eq=False)
class Standing:
    """A cell and its cost on each clock.

    Parameters
    ----------
    cell : CellResults
        The cell.
    costs : dict
        A clock's name to the cost.
    """

    cell: CellResults
    costs: dict[str, Cost]


def with_seconds(study: AnalysedStudy, cells: Sequence[CellResults]) -> dict[str, pd.DataFrame]:
    """The curves of some cells, with seconds where they can be known.

    Parameters
    ----------
    study : AnalysedStudy
        Their study; its costs of a step are for runs that were stacked and have no clock.
    cells : sequence of CellResults
        The cells.

    Returns
    -------
    dict
        A cell's id to its readings. ``seconds`` is the clock's, else steps times the cost of a step, else NaN.
    """
    tables = {}
    for cell in cells:
        own = study.readings(cell)
        clocked = own["seconds"].notna().any()
        seconds = own["seconds"] if clocked else own["step"] * study.costs.of(cell.config, cell.batch_size)
        tables[cell.id] = own.assign(seconds=seconds.astype(float))
    return tables


def standings(cells: Sequence[CellResults], curves: dict[str, pd.DataFrame], target: float) -> list[Standing]:
    """What each cell spends until the loss is first read at or below the target.

    Parameters
    ----------
    cells : sequence of CellResults
        The cells.
    curves : dict
        As of :func:`with_seconds`.
    target : float
        The loss.

    Returns
    -------
    list of Standing
        In the order of the cells.
    """
    return [
        Standing(
            cell,
            {clock: _cost(costs_of_runs(cell, curves[cell.id], axis, target)) for clock, axis in CLOCKS.items()},
        )
        for cell in cells
    ]


def flips(found: Sequence[Standing]) -> list[tuple[Standing, Standing]]:
    """The pairs of cells of which one is before the other on one clock, and behind it on another.

    Before means that the 95 % intervals of the medians do not meet; so a pair that the seeds cannot
    tell apart on one of the two clocks is none.
    """

    def before(one: Standing, other: Standing) -> bool:
        return any(one.costs[clock].before(other.costs[clock]) for clock in CLOCKS)

    return [(one, other) for one, other in combinations(found, 2) if before(one, other) and before(other, one)]


def ranked(found: Sequence[Standing], clock: str) -> list[Standing]:
    """Those that reach the target, the cheapest on a clock first; equal medians by the upper end of the interval."""
    there = [standing for standing in found if math.isfinite(standing.costs[clock].median)]
    return sorted(there, key=lambda standing: (standing.costs[clock].median, standing.costs[clock].high))


def _cost(spent: "pd.Series[float] | None") -> Cost:
    if spent is None:
        return Cost(math.nan, math.nan, math.nan)
    values = np.asarray(spent, dtype=np.float64)
    low, high = median_interval(values)
    return Cost(float(quantiles(values, 0.5)), float(low), float(high))
