"""Compare a sweep's plain SGD with theory: at the best rate, at the limit, and on the way to the target.

Each answer is a deviation in standard errors and a pass or fail, like that of :mod:`pipeline.analysis.agreement`. The
cells are chosen by theory alone (the grid's rate nearest to the expected one), never by how well they did.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.agreement import APPROXIMATION, LIMIT, agreement
from pipeline.analysis.best import best_row
from pipeline.analysis.expected import OPTIMIZER, Expected
from pipeline.analysis.grid import Array, Grid
from pipeline.lab.results import StudyResults
from pipeline.lab.theory import Problem


@dataclass(frozen=True)
class Held:
    """One batch size held against theory.

    Parameters
    ----------
    batch_size : int
        Examples per minibatch.
    lr : float
        The grid's rate nearest to the expected one.
    measured, expected : float
        The two numbers.
    error : float
        Standard error of the measured one.
    allowance : float
        What theory may be off beside it.
    """

    batch_size: int
    lr: float
    measured: float
    expected: float
    error: float
    allowance: float = 0.0

    @property
    def z(self) -> float:
        """The deviation in standard errors; 0 where there is none, whatever the error."""
        deviation = self.measured - self.expected
        return deviation / self.error if self.error else math.copysign(math.inf, deviation) if deviation else 0.0

    @property
    def agrees(self) -> bool:
        """Whether it is within so many standard errors and what theory may be off."""
        return abs(self.measured - self.expected) < LIMIT * self.error + self.allowance or self.z == 0


def nearest_row(grid: Grid, batch_size: int, lr: float) -> int:
    """Position of plain SGD's cell whose rate is nearest, by ratio, to a learning rate."""
    rows = grid.rows(OPTIMIZER, batch_size)
    rates = grid.cells["lr"].to_numpy(dtype=float)[rows]
    return int(rows[np.argmin(np.abs(np.log(rates / lr)))])


def best_rates(grid: Grid, expected: Expected) -> list[Held]:
    """Compare the mean final loss at theory's best rate with that of the best cell measured.

    Parameters
    ----------
    grid : Grid
        The study.
    expected : Expected
        What theory says of it.

    Returns
    -------
    list of Held
        ``measured`` is the loss at the grid's rate nearest to theory's, ``expected`` that of the cell with the lowest
        median, ``error`` the standard error of their difference, seeds paired. Batch sizes of which half of the runs
        diverge at every rate are left out.
    """
    held = []
    for b, lr in zip(expected.batch_sizes, expected.best_lr, strict=True):
        best = best_row(grid.medians, grid.rows(OPTIMIZER, b))
        row = nearest_row(grid, b, float(lr))
        if best is None or not np.isfinite(grid.losses[[row, best]]).all():
            continue
        chosen, lowest = grid.losses[row], grid.losses[best]
        error = float(np.std(chosen - lowest, ddof=1) / np.sqrt(len(chosen))) if len(chosen) > 1 else math.inf
        rate = float(grid.cells["lr"].iloc[row])
        held.append(Held(b, rate, float(chosen.mean()), float(lowest.mean()), error))
    return held


def diverged_below_limit(grid: Grid, expected: Expected) -> tuple[int, int]:
    """How many cells of plain SGD with a diverged run have a stable rate, and how many cells have one.

    Returns
    -------
    wrong, cells : int
        Cells at rates below the limit of mean square stability: those with a diverged run, and all of them.
    """
    limits = dict(zip(expected.batch_sizes, expected.stable_lr, strict=True))
    own = grid.cells.iloc[grid.rows(OPTIMIZER)]
    below = own[own["lr"] < own["batch_size"].map(limits)]
    return int((below["diverged"] > 0).sum()), len(below)


def crossing(steps: Array, losses: Array, target: float, minimum: float) -> tuple[float, float]:
    """Where a loss curve is first at a target, between two readings, and how fast it falls there.

    Parameters
    ----------
    steps, losses : ndarray, shape (r,)
        Readings.
    target, minimum : float
        The loss to reach, and the least loss there is: the excess is taken to fall geometrically.

    Returns
    -------
    step, slope : float
        The step, infinite if it is never reached, and the fall of the loss per step there.
    """
    reached = np.flatnonzero(losses <= target)
    if not len(reached) or reached[0] == 0 or target <= minimum:
        return math.inf, math.nan
    last = int(reached[0])
    before, after = losses[last - 1] - minimum, max(losses[last] - minimum, 1e-300)
    rate = math.log(before / after) / (steps[last] - steps[last - 1])
    return float(steps[last - 1] + math.log(before / (target - minimum)) / rate), (target - minimum) * rate


def steps_held(problem: Problem, grid: Grid, study: StudyResults, expected: Expected, target: float) -> list[Held]:
    """Hold the steps that the mean loss takes to the target against those of the expected loss.

    Parameters
    ----------
    problem : Problem
        The least squares problem behind the study.
    grid : Grid
        The study as a grid.
    study : StudyResults
        The study.
    expected : Expected
        What theory says of it.
    target : float
        The loss to reach.

    Returns
    -------
    list of Held
        At the grid's rate nearest to the one that theory expects to be first at the target, sampled as the study
        samples. The error is that of the mean loss, turned into steps by the slope. Batch sizes at which the mean or
        the expected loss does not get there in the study's epochs are left out.
    """
    held = []
    for b, lr in zip(expected.batch_sizes, expected.target_lr, strict=True):
        if not np.isfinite(lr):
            continue
        cell = grid.cells.iloc[nearest_row(grid, b, float(lr))]
        own = study.curves[study.curves["cell_id"] == cell["cell_id"]]
        found = agreement(problem, study.cells[str(cell["cell_id"])].config, own)
        steps = found.steps.astype(np.float64)
        at, slope = crossing(steps, found.expected, target, problem.minimum)
        measured, _ = crossing(steps, found.measured, target, problem.minimum)
        if not (math.isfinite(at) and math.isfinite(measured)):
            continue
        error = float(np.interp(at, steps, found.error)) / slope
        allowance = 0.0 if found.exact else APPROXIMATION * (target - problem.minimum) / slope
        held.append(Held(b, float(cell["lr"]), measured, at, error, allowance))
    return held
