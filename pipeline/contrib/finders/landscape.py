"""What the runs of one problem say: every cell, with seeds to search with, to choose the best by, and to judge by."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.costs import costs
from pipeline.answer.costs import StepTimes
from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError

Array = NDArray[np.float64]
Measure = Literal["loss", "steps", "seconds"]
MEASURES: tuple[Measure, ...] = ("loss", "steps", "seconds")

#: Seeds that choose the measured best, and seeds that judge, the last ones; the others are for searching.
CHOOSING, JUDGED = 20, 20
#: The target: the loss that is left when this share of what the best cell takes away is still to go.
TO_GO = 0.05
#: Share of its runs that the best cell must get to the target, or to their end.
RELIABLE = 0.9


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of some cells, each with the same seeds.

    Parameters
    ----------
    cells : sequence of Cell
        What was trained.
    seeds : sequence of int
        With which seeds.
    runs, curves : DataFrame
        Their tables, as of :mod:`pipeline.lab.tables`.
    metric : str
        The loss that decides, ``loss`` or ``validation_loss``.
    """

    cells: Sequence[Cell]
    seeds: Sequence[int]
    runs: pd.DataFrame = field(repr=False)
    curves: pd.DataFrame = field(repr=False)
    metric: str

    def _spread(self, rows: pd.DataFrame, column: "pd.Series[float]") -> Array:
        """A column, shape (cells, seeds); infinite where there is no such run."""
        found = np.full((len(self.cells), len(self.seeds)), np.inf)
        row = rows["cell_id"].map({cell.id: i for i, cell in enumerate(self.cells)})
        place = rows["seed"].map({seed: i for i, seed in enumerate(self.seeds)})
        known = (row.notna() & place.notna() & column.notna()).to_numpy()
        found[row[known].astype(int), place[known].astype(int)] = column[known].astype(float)
        return found

    @cached_property
    def final(self) -> Array:
        """Final losses, shape (cells, seeds); infinite where a run diverged or failed."""
        return self._spread(self.runs, self.runs[f"final_{self.metric}"].where(self.runs["status"] == "ok"))

    @cached_property
    def by_epoch(self) -> Array:
        """The last reading at the end of each epoch, shape (epochs, cells, seeds); infinite after divergence."""
        epochs = self.cells[0].config.epochs
        read = self.curves.sort_values("step", kind="stable")
        tables = []
        for epoch in range(1, epochs + 1):
            inside = read[(read["epoch"] > epoch - 1) & (read["epoch"] <= epoch)].groupby(["cell_id", "seed"]).tail(1)
            tables.append(self._spread(inside, inside[self.metric]))
        tables[-1] = self.final
        return np.array(tables)

    def steps_to(self, target: float) -> Array:
        """Updates until the loss is at the target, shape (cells, seeds); infinite where it never is."""
        found = costs(self.curves, self.metric, target)
        return self._spread(found, found["steps"])


@dataclass(frozen=True, eq=False)
class Landscape:
    """One problem.

    Parameters
    ----------
    problem : str
        Its name.
    all : Runs
        Every cell with every seed.
    dataset : Dataset
        What the cells train on.
    judged, choosing : int
        How many of the seeds, the last ones, judge, and how many before these choose the measured best.
    times : StepTimes
        Measured seconds of a step, for each kind of cell.
    stacked : dict
        Kind to measured seconds of one epoch of one run, where many are stacked.
    """

    problem: str
    all: Runs
    dataset: Dataset
    judged: int = JUDGED
    choosing: int = CHOOSING
    times: StepTimes = field(default_factory=StepTimes)
    stacked: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.searched <= 0:
            raise UserError(
                f"study=landscape with {len(self.all.seeds)} seeds is not allowed: {self.choosing} choose the best, "
                f"{self.judged} judge, and there must be some more to search with"
            )

    @property
    def cells(self) -> Sequence[Cell]:
        """Every cell."""
        return self.all.cells

    @property
    def searched(self) -> int:
        """How many seeds, the first ones, are for searching."""
        return len(self.all.seeds) - self.judged - self.choosing

    @property
    def choosers(self) -> slice:
        """Places of the seeds that choose the measured best, which no method searches with."""
        return slice(self.searched, self.searched + self.choosing)

    @property
    def epochs(self) -> int:
        """Passes over the data in a whole run."""
        return self.cells[0].config.epochs

    @cached_property
    def position(self) -> dict[str, int]:
        """Cell id to its place."""
        return {cell.id: i for i, cell in enumerate(self.cells)}

    @cached_property
    def target(self) -> float:
        """The loss to reach: 95 % of what the best cell takes away, by the seeds that choose it."""
        best = float(np.median(self.all.final[:, self.choosers], axis=1).min())
        start = self.all.curves.loc[self.all.curves["step"] == 0, self.all.metric].median()
        return best + TO_GO * (float(start) - best)

    @cached_property
    def steps(self) -> Array:
        """Updates to the target, shape (cells, seeds)."""
        return self.all.steps_to(self.target)

    def values(self, measure: Measure) -> Array:
        """Every cell's values, shape (cells, seeds)."""
        if measure == "loss":
            return self.all.final
        return self.steps * (self.step_seconds[:, None] if measure == "seconds" else 1.0)

    @property
    def step_seconds(self) -> Array:
        """Seconds of a step of each cell."""
        return np.array([self.times.seconds(cell) for cell in self.cells])

    def best(self, measure: Measure) -> Cell:
        """The cell with the lowest median, by the seeds that choose; of equal ones that which arrives most often.

        Only cells that arrive with nine of ten seeds take part, if there are any: the median of the others is a matter
        of luck.
        """
        values = self.values(measure)[:, self.choosers]
        arrived = np.isfinite(values).mean(axis=1)
        medians = np.where(arrived >= min(RELIABLE, arrived.max()), np.median(values, axis=1), np.inf)
        least = np.flatnonzero(medians == medians.min())
        return self.cells[int(least[np.argmax(arrived[least])])]

    def cell(self, optimizer: str, batch_size: int, lr: float) -> Cell:
        """A cell of this problem with one of its optimizers, at any batch size and learning rate."""
        like = next(cell for cell in self.cells if cell.config.optimizer.name == optimizer)
        return replace(like, config=replace(like.config, batch_size=batch_size, lr=lr))

    def rates(self, optimizer: str, batch_size: int) -> list[Cell]:
        """The cells of one optimizer and batch size, by rising learning rate."""
        own = [c for c in self.cells if (c.config.optimizer.name, c.config.batch_size) == (optimizer, batch_size)]
        return sorted(own, key=lambda cell: cell.config.lr)

    @property
    def optimizers(self) -> list[str]:
        """Names of the update rules."""
        return list(dict.fromkeys(cell.config.optimizer.name for cell in self.cells))

    @property
    def batch_sizes(self) -> list[int]:
        """Batch sizes of the cells."""
        return sorted({cell.config.batch_size for cell in self.cells})
