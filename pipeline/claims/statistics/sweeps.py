"""Statistics of a sweep: the best of many cells, its choice resampled together with its value."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.analysis.best import halves
from pipeline.analysis.bootstrap import Array, seed_draws
from pipeline.analysis.grid import Grid
from pipeline.analysis.lr_scaling import best_rates, fit_line
from pipeline.claims.effect import RESAMPLES, Effect, bootstrapped, limits
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import SEEDS, statistic


@statistic(SEEDS)
def lr_slope(evidence: Evidence, study: str, optimizer: str, least: int = 1, most: int | None = None) -> Effect:
    """Slope of log best learning rate against log batch size, over some batch sizes; seeds resampled.

    Batch sizes whose runs take fewer than ten updates are left out, as in :mod:`pipeline.analysis.lr_scaling`.
    """
    grid = evidence.sweep(study).grid
    own = np.flatnonzero(grid.cells["rule"] == optimizer)  # the series of one rule differ in their epochs, if at all
    sizes, best, redrawn, kept = best_rates(grid, own, seed_draws(len(grid.seeds), RESAMPLES))
    kept &= (least <= sizes) & (sizes <= (most or np.inf))
    if kept.sum() < 3:
        raise NoData(f"no data: {optimizer} has {kept.sum()} batch sizes with ten updates or more; a slope takes three")
    slope, _ = fit_line(np.log(sizes[kept]), np.log(best[kept]))
    slopes, _ = fit_line(np.log(sizes[kept]), np.log(redrawn[kept]))
    return Effect(float(slope), *limits(np.asarray(slopes)), len(grid.seeds), "seeds")


@statistic(SEEDS)
def tuned_ratio(evidence: Evidence, study: str, optimizer: str, over: str) -> Effect:
    """Loss above the minimum of an optimizer's best cell over that of another's; see :func:`_of_chosen`."""
    grid = evidence.sweep(study).grid
    return _ratio_of_best(evidence, study, _rows(grid, optimizer), _rows(grid, over))


@statistic(SEEDS)
def defaults_ratio(evidence: Evidence, study: str, defaults: dict[str, float], over: str, batch_size: int) -> Effect:
    """Loss above the minimum of the best optimizer at its default rate, over that of one optimizer's tuned rate.

    The rate of the grid that is nearest to the default, by ratio, stands for it.
    """
    grid = evidence.sweep(study).grid
    rates = np.log(grid.cells["lr"].to_numpy(dtype=float))
    chosen = []
    for optimizer, rate in defaults.items():
        rows = grid.rows(optimizer, batch_size)
        if rows.size:
            chosen.append(int(rows[np.argmin(np.abs(rates[rows] - np.log(rate)))]))
    if not chosen:
        raise NoData(f"no data: study {study} has none of the optimizers at a batch size of {batch_size}")
    return _ratio_of_best(evidence, study, np.array(chosen), _rows(grid, over, batch_size))


@statistic(SEEDS)
def speedup_ratio(evidence: Evidence, study: str, optimizer: str, over: str, small: int, large: int) -> Effect:
    """How many times fewer steps the larger batch size takes to the target, for one optimizer over another.

    At each batch size the rate that is first at the target; a run that misses it takes infinitely many steps.
    """
    keys = [(optimizer, small), (optimizer, large), (over, small), (over, large)]
    return _of_steps(evidence, study, keys, lambda a, b, c, d: a / b / (c / d))


@statistic(SEEDS)
def examples_ratio(evidence: Evidence, study: str, optimizer: str, batch_size: int, over: int) -> Effect:
    """Examples to the target at one batch size over those at another: 1 where steps fall in proportion to b.

    At each batch size the rate that is first at the target; a run that misses it takes infinitely many.
    """
    keys = [(optimizer, batch_size), (optimizer, over)]
    return _of_steps(evidence, study, keys, lambda a, b: a / b * (batch_size / over))


def _of_steps(evidence: Evidence, study: str, keys: list[tuple[str, int]], ratio: Callable[..., Array]) -> Effect:
    """A ratio of the median steps to the target of some optimizers and batch sizes."""
    sweep = evidence.sweep(study)
    return _of_chosen(sweep.hits(sweep.target.loss).steps, [_rows(sweep.grid, *key) for key in keys], ratio)


def _rows(grid: Grid, optimizer: str, batch_size: int | None = None) -> Array:
    rows = grid.rows(optimizer, batch_size)
    if not rows.size:
        at = "" if batch_size is None else f" at batch size {batch_size}"
        raise NoData(f"no data: the study has no cell of {optimizer}{at}")
    return np.asarray(rows)


def _ratio_of_best(evidence: Evidence, study: str, a: Array, b: Array) -> Effect:
    excess = evidence.sweep(study).grid.losses - evidence.minimum(study)
    return _of_chosen(excess, [a, b], lambda best, other: best / other)


def _of_chosen(values: Array, groups: Sequence[Array], ratio: Callable[..., Array]) -> Effect:
    """A ratio of medians of the best cell of each group: chosen by every second seed, measured on the others.

    The seeds that choose flatter what they choose, so they have no part in the number (Dodge et al., 2019, Show your
    work, EMNLP); the others are resampled, the same in all cells.
    """
    if values.shape[1] < 2:
        raise NoData("no data: one seed cannot both choose a cell and measure it")
    choosing, measuring = halves(values.shape[1])
    best = [int(rows[np.argmin(np.median(values[rows][:, choosing], axis=1))]) for rows in groups]

    def of_medians(*samples: Array) -> Array:
        """The ratio, over the last axis of the samples."""
        return ratio(*(np.median(sample, axis=-1) for sample in samples))

    return bootstrapped(of_medians, *(values[row, measuring] for row in best))
