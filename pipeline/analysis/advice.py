"""Which batch size and learning rate for an optimizer: the best cell on every clock, and whether seeds can tell."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.bootstrap import Array, bootstrap_medians, median_interval, percentile_interval, seed_draws
from pipeline.analysis.compare import Comparison, probability_better
from pipeline.analysis.sweep import Sweep
from pipeline.analysis.target import first_hits

#: The four clocks, in the order in which they are told.
CLOCKS = ("epochs", "steps", "examples", "seconds")


@dataclass(frozen=True)
class Choice:
    """A cell and what it costs or comes to.

    Parameters
    ----------
    batch_size : int
        Examples per minibatch.
    lr : float
        Learning rate.
    value, low, high : float
        The median over seeds, infinite where half of them or more never arrive, and its 95 % interval.
    arrived : float
        Share of the seeds that are at the target at some reading.
    at_edge : bool
        Whether this is the lowest or highest learning rate tried at that batch size: the best may lie beyond.
    """

    batch_size: int
    lr: float
    value: float
    low: float
    high: float
    arrived: float
    at_edge: bool


@dataclass(frozen=True)
class Advice:
    """The best cell by one measure.

    Parameters
    ----------
    measure : str
        One of :data:`CLOCKS` (the cost of reaching the target), or ``loss`` (the final one).
    best : Choice
        The cell with the lowest median.
    runner_up : Choice or None
        The second; None where there is one cell alone.
    comparison : Comparison or None
        The best held against the runner-up, seed by seed; None where neither gets to the target.
    """

    measure: str
    best: Choice
    runner_up: Choice | None
    comparison: Comparison | None

    @property
    def known(self) -> bool:
        """Whether half of the seeds or more of the best cell get to the target."""
        return math.isfinite(self.best.value)

    @property
    def ranked(self) -> bool:
        """Whether the seeds are enough to say that the best is better than the runner-up."""
        return self.comparison is not None and self.comparison.low > 0.5


def advise(sweep: Sweep, optimizer: str, rows: int, target: float | None = None) -> list[Advice]:
    """Find the best cell of an optimizer on every clock, and by its final loss.

    Parameters
    ----------
    sweep : Sweep
        The study.
    optimizer : str
        One of the study's.
    rows : int
        Training examples, that is, examples in an epoch.
    target : float, optional
        The loss to reach; the study's own by default.

    Returns
    -------
    list of Advice
        By clock, then by loss. Seconds are steps times the measured time of a step, and left out where that is not
        known for every batch size.

    Notes
    -----
    Cells are ordered by the median over seeds of the cost of the first reading at or below the target; equal medians
    by the share of seeds that arrive, then by the median final loss, as in :func:`pipeline.analysis.scaling.scaling`.
    """
    grid = sweep.grid
    own = grid.rows(optimizer)
    hits = first_hits(grid, sweep.curves, sweep.target.loss if target is None else target)
    steps, examples = hits.steps[own], hits.examples[own]
    each = [sweep.costs.of(optimizer, int(b)) for b in grid.cells["batch_size"].iloc[own]]
    costs = {"epochs": examples / rows, "steps": steps, "examples": examples}
    if not np.isnan(each).any():
        costs["seconds"] = steps * np.array(each)[:, None]
    measures = {clock: (costs[clock], median_interval(costs[clock])) for clock in CLOCKS if clock in costs}
    losses = grid.losses[own]
    measures["loss"] = losses, percentile_interval(bootstrap_medians(losses, seed_draws(len(grid.seeds))))
    arrived = np.isfinite(steps).mean(axis=1)
    return [_advice(name, *found, sweep, own, arrived) for name, found in measures.items()]


def _advice(
    measure: str, values: Array, limits: tuple[Array, Array], sweep: Sweep, own: NDArray[np.intp], arrived: Array
) -> Advice:
    cells, final = sweep.grid.cells.iloc[own], sweep.grid.medians[own]
    medians = np.median(values, axis=1)
    order = np.lexsort((final, -arrived, medians))

    def choice(i: int) -> Choice:
        """Cell i, its value with an interval, and whether its rate is at an end of those tried."""
        cell = cells.iloc[i]
        rates = cells.loc[cells["batch_size"] == cell["batch_size"], "lr"]
        return Choice(
            batch_size=int(cell["batch_size"]),
            lr=float(cell["lr"]),
            value=float(medians[i]),
            low=float(limits[0][i]),
            high=float(limits[1][i]),
            arrived=float(arrived[i]),
            at_edge=len(rates) > 1 and cell["lr"] in (rates.min(), rates.max()),
        )

    first = int(order[0])
    if len(order) == 1:
        return Advice(measure, choice(first), None, None)
    second = int(order[1])
    told = np.isfinite(medians[first])
    return Advice(
        measure,
        choice(first),
        choice(second),
        probability_better(values[first], values[second]) if told else None,
    )
