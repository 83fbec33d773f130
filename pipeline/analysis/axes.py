"""What else a study varies beside batch size and learning rate: each value at its best cell."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.analysis.best import PER_OPTIMIZER, best_cells, halves
from pipeline.analysis.bootstrap import median_interval
from pipeline.analysis.compare import ONE_SIDED, Comparison, probability_better
from pipeline.analysis.sweep import Sweep


@dataclass(frozen=True)
class Value:
    """A value of what else is varied, minimised over batch size and learning rate.

    Parameters
    ----------
    name : str
        The series, ``adamw, weight_decay 0.1`` say.
    batch_size : int
        Of its best cell.
    lr : float
        Of its best cell.
    median, low, high : float
        Final loss of that cell: the median over the seeds that did not choose it, and its 95 % interval.
    against_best : Comparison or None
        The best value held against this one, seed by seed; None for the best itself.
    """

    name: str
    batch_size: int
    lr: float
    median: float
    low: float
    high: float
    against_best: Comparison | None


def along_axes(sweep: Sweep, optimizer: str) -> list[Value]:
    """Hold the series of an optimizer against each other, the best first.

    Parameters
    ----------
    sweep : Sweep
        The whole study.
    optimizer : str
        The name of an update rule.

    Returns
    -------
    list of Value
        Empty where there is one series alone, or where they learn from different data, so that their losses cannot be
        compared.
    """
    grid, study = sweep.grid, sweep.study
    own = set(grid.cells.loc[grid.cells["rule"] == optimizer, "optimizer"])
    data = {repr(cell.config.get("data")) for cell in study.cells.values() if cell.optimizer == optimizer}
    if len(own) < 2 or len(data) > 1:
        return []
    choosing, measuring = halves(len(grid.seeds))
    table = best_cells(replace(grid, seeds=grid.seeds[choosing], losses=grid.losses[:, choosing]), PER_OPTIMIZER)
    table = table[table["optimizer"].isin(own) & (table["row"] >= 0)].sort_values("median", kind="stable")
    losses = grid.losses[table["row"].to_numpy(dtype=np.intp)][:, measuring]
    low, high = median_interval(losses)
    table = table.assign(median=np.median(losses, axis=1), low=low, high=high)
    held = [None, *(probability_better(losses[0], other, level=ONE_SIDED) for other in losses[1:])]
    lines: list[dict[Any, Any]] = table[["batch_size", "lr", "median", "low", "high"]].to_dict("records")
    named = zip(table["optimizer"], lines, held[: len(lines)], strict=True)
    return [Value(name=str(name), **line, against_best=other) for name, line, other in named]
