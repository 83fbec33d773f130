"""Statistics of a sweep: the best of many cells, its choice resampled together with its value."""

from collections.abc import Callable

import numpy as np

from pipeline.analysis.best import best_row
from pipeline.analysis.bootstrap import Array, bootstrap_medians, seed_draws
from pipeline.analysis.grid import Grid
from pipeline.analysis.lr_scaling import LEAST_STEPS, fit_line
from pipeline.analysis.target import first_hits
from pipeline.claims.effect import RESAMPLES, Effect, limits
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import SEEDS, statistic


@statistic(SEEDS)
def lr_slope(evidence: Evidence, study: str, optimizer: str, least: int = 1, most: int | None = None) -> Effect:
    """Slope of log best learning rate against log batch size, over some batch sizes; seeds resampled.

    Batch sizes whose runs take fewer than ten updates are left out, as in :mod:`pipeline.analysis.lr_scaling`.
    """
    grid = evidence.sweep(study).grid
    draws = seed_draws(len(grid.seeds), RESAMPLES)
    steps, rates = grid.cells["steps"].to_numpy(dtype=float), grid.cells["lr"].to_numpy(dtype=float)
    sizes, best, resampled = [], [], []
    for b in grid.batch_sizes:
        rows = grid.rows(optimizer, b)
        row = best_row(grid.medians, rows) if rows.size else None
        if row is None or b < least or (most is not None and b > most) or steps[rows].max() < LEAST_STEPS:
            continue
        sizes.append(float(b))
        best.append(rates[row])
        resampled.append(rates[rows[np.argmin(bootstrap_medians(grid.losses[rows], draws), axis=0)]])
    if len(sizes) < 3:
        raise NoData(f"no data: {optimizer} has {len(sizes)} batch sizes with ten updates or more; a slope takes three")
    x = np.log(sizes)
    slope, _ = fit_line(x, np.log(best))
    slopes, _ = fit_line(x, np.log(np.array(resampled)))
    return Effect(float(slope), *limits(np.asarray(slopes)), len(grid.seeds), "seeds")


@statistic(SEEDS)
def tuned_ratio(evidence: Evidence, study: str, optimizer: str, over: str) -> Effect:
    """Lowest median final loss of an optimizer's cells over that of another's; seeds resampled, cells chosen anew."""
    grid = evidence.sweep(study).grid
    return _ratio_of_best(grid, _rows(grid, optimizer), _rows(grid, over))


@statistic(SEEDS)
def defaults_ratio(evidence: Evidence, study: str, defaults: dict[str, float], over: str, batch_size: int) -> Effect:
    """Lowest median final loss among optimizers at default rates over that of one optimizer's tuned rate.

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
    return _ratio_of_best(grid, np.array(chosen), _rows(grid, over, batch_size))


@statistic(SEEDS)
def speedup_ratio(evidence: Evidence, study: str, optimizer: str, over: str, small: int, large: int) -> Effect:
    """How many times fewer steps the larger batch size takes to the target, for one optimizer over another.

    At each batch size the rate that is first at the target; a run that misses it takes infinitely many steps.
    """
    keys = [(optimizer, small), (optimizer, large), (over, small), (over, large)]
    return _of_steps(evidence, study, keys, lambda steps: steps[0] / steps[1] / (steps[2] / steps[3]))


@statistic(SEEDS)
def examples_ratio(evidence: Evidence, study: str, optimizer: str, batch_size: int, over: int) -> Effect:
    """Examples to the target at one batch size over those at another: 1 where steps fall in proportion to b.

    At each batch size the rate that is first at the target; a run that misses it takes infinitely many.
    """
    keys = [(optimizer, batch_size), (optimizer, over)]
    return _of_steps(evidence, study, keys, lambda steps: steps[0] / steps[1] * (batch_size / over))


def _of_steps(evidence: Evidence, study: str, keys: list[tuple[str, int]], ratio: Callable[[Array], Array]) -> Effect:
    """A ratio of the median steps to the target of some optimizers and batch sizes; seeds resampled."""
    sweep = evidence.sweep(study)
    table = sweep.scaling.set_index(["optimizer", "batch_size"])["row"]
    if any(key not in table.index for key in keys):
        optimizers, sizes = (" or ".join(dict.fromkeys(map(str, names))) for names in zip(*keys, strict=True))
        raise NoData(f"no data: study {study} lacks {optimizers} at batch size {sizes}")
    hits = first_hits(sweep.grid, sweep.study.curves, sweep.target.loss).steps
    rows = hits[[int(table[key]) for key in keys]]
    medians = bootstrap_medians(rows, seed_draws(rows.shape[1], RESAMPLES))
    with np.errstate(invalid="ignore", divide="ignore"):
        value, resampled = float(ratio(np.median(rows, axis=1))), ratio(medians)
    return Effect(value, *limits(np.asarray(resampled)), rows.shape[1], "seeds")


def _rows(grid: Grid, optimizer: str, batch_size: int | None = None) -> Array:
    rows = grid.rows(optimizer, batch_size)
    if not rows.size:
        raise NoData(f"no data: the study has no cell of {optimizer}")
    return np.asarray(rows)


def _ratio_of_best(grid: Grid, a: Array, b: Array) -> Effect:
    draws = seed_draws(len(grid.seeds), RESAMPLES)
    with np.errstate(invalid="ignore"):
        value = float(grid.medians[a].min() / grid.medians[b].min())
        best = [bootstrap_medians(grid.losses[rows], draws).min(axis=0) for rows in (a, b)]
        return Effect(value, *limits(np.asarray(best[0] / best[1])), len(grid.seeds), "seeds")
