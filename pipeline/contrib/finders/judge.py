"""How far what was found is from the best: by seeds that had no part in finding either."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.bootstrap import percentile_interval, seed_draws
from pipeline.contrib.finders.landscape import Array, Landscape, Measure, Runs
from pipeline.lab.config.cell import Cell
from pipeline.train.cells import train_cells

#: Median, and both ends of its 95 % interval.
Interval = tuple[float, float, float]


class Judge:
    """Values of cells by the seeds that judge.

    Parameters
    ----------
    landscape : Landscape
        The problem.
    cells : sequence of Cell
        What was found; what the landscape does not hold is trained here.
    """

    def __init__(self, landscape: Landscape, cells: Sequence[Cell]) -> None:
        self.landscape = landscape
        seeds = list(landscape.all.seeds[-landscape.judged :])
        new = list({cell.id: cell for cell in cells if cell.id not in landscape.position}.values())
        asked = [replace(c, config=replace(c.config, seeds=len(seeds), first_seed=seeds[0])) for c in new]
        self.failures: dict[str, str] = {}
        self.place = {cell.id: i for i, cell in enumerate(new)}
        if asked:
            tables = train_cells(asked, {landscape.dataset.name: landscape.dataset}, failures=self.failures)
            self.runs = Runs(asked, seeds, *tables, landscape.all.metric)
            self.steps = self.runs.steps_to(landscape.target)

    def values(self, cell: Cell, measure: Measure) -> Array:
        """A cell's values, shape (seeds,)."""
        landscape = self.landscape
        if cell.id in landscape.position:
            return landscape.values(measure)[landscape.position[cell.id], -landscape.judged :]
        if measure == "loss":
            return np.asarray(self.runs.final[self.place[cell.id]])
        seconds = landscape.times.seconds(cell) if measure == "seconds" else 1.0
        return np.asarray(self.steps[self.place[cell.id]] * seconds)


def regret(values: Array, best: Array, entropy: int = 0) -> Interval:
    r"""How far above the best, as a share of it.

    :math:`\mathrm{median}_r\,(\mathrm{median}_j\,v_{rj} / \mathrm{median}_j\,v^*_j) - 1` over repetitions r and judging
    seeds j, with a 95 % bootstrap interval for which both are redrawn, the seeds by the same draw for both medians.

    Parameters
    ----------
    values : ndarray, shape (repetitions, seeds)
        Of the setting that each repetition found.
    best : ndarray, shape (seeds,)
        Of the best setting.
    entropy : int
        Of the draws.

    Returns
    -------
    median, low, high : float
        Infinite where the median run never arrives.
    """
    of_seeds = seed_draws(len(best), entropy=entropy)
    of_repetitions = seed_draws(len(values), entropy=entropy + 1)
    measured = float(np.median(_above(values, best)))
    drawn = np.array(
        [np.median(_above(values[r][:, j], best[j])) for r, j in zip(of_repetitions, of_seeds, strict=True)]
    )
    low, high = percentile_interval(drawn)
    return measured, float(low), float(high)


def _above(values: Array, best: Array) -> Array:
    with np.errstate(invalid="ignore"):  # not a number where the best never arrives, which can only be by chance
        return np.asarray(np.median(values, axis=1) / np.median(best) - 1)


def spread(values: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The median over repetitions, and its 95 % bootstrap interval."""
    given = np.asarray(values, dtype=float)
    low, high = percentile_interval(np.median(given[seed_draws(len(given))], axis=1))
    return float(np.median(given)), float(low), float(high)
