"""A study read as a sweep: what figures, report and advice say of it, computed once."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.best import PER_BATCH_SIZE, PER_OPTIMIZER, best_cells, edges
from pipeline.analysis.compare import Comparison, probability_better
from pipeline.analysis.grid import Array, Grid, grid_of
from pipeline.analysis.lr_scaling import LrScaling, lr_scaling
from pipeline.analysis.seconds import StepCosts
from pipeline.analysis.target import Hits, Target, hits_of, scaling, stated_target, target_loss
from pipeline.analysis.tuning import TuningCurve, tuning_curves
from pipeline.lab.results import StudyResults


@dataclass(frozen=True, eq=False)
class Sweep:
    """A study read as a grid of optimizers, batch sizes and learning rates.

    Parameters
    ----------
    study : StudyResults
        Its results.
    costs : StepCosts
        What a step costs, as far as it was measured.
    """

    study: StudyResults
    costs: StepCosts = field(default_factory=StepCosts)
    _hits: dict[float, Hits] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def grid(self) -> Grid:
        """Final losses, cells by seeds."""
        return grid_of(self.study)

    def hits(self, target: float) -> Hits:
        """What each run costs until its loss is at a target; found once for each target."""
        if target not in self._hits:
            self._hits[target] = hits_of(self.grid, self.study.curves, target)
        return self._hits[target]

    def step_seconds(self, rows: NDArray[np.intp]) -> Array:
        """Seconds of a step of some cells of the grid, by position, and the factors by which they may be wrong, (2, n).

        NaN where it was not measured; see :class:`pipeline.analysis.seconds.StepCosts`.
        """
        return self._step_seconds[:, rows]

    @cached_property
    def _step_seconds(self) -> Array:
        cells = [self.study.cells[str(cell_id)] for cell_id in self.grid.cells["cell_id"]]
        numbers = (self.costs.of, self.costs.error)
        return np.array([[number(cell.config, cell.batch_size) for cell in cells] for number in numbers], dtype=float)

    @cached_property
    def best(self) -> pd.DataFrame:
        """The best cell of each optimizer, the lowest median first."""
        return best_cells(self.grid, PER_OPTIMIZER).sort_values("median", kind="stable").reset_index(drop=True)

    @cached_property
    def best_by_batch_size(self) -> pd.DataFrame:
        """The best cell of each optimizer and batch size."""
        return best_cells(self.grid, PER_BATCH_SIZE)

    @cached_property
    def against_leader(self) -> list[Comparison | None]:
        """The leader held against the best cell of each optimizer, in the order of :attr:`best`; None for itself."""
        rows = [int(row) for row in self.best["row"]]
        if rows[0] < 0:
            return [None] * len(rows)
        losses = self.grid.losses
        return [None, *(None if row < 0 else probability_better(losses[rows[0]], losses[row]) for row in rows[1:])]

    @cached_property
    def edges(self) -> pd.DataFrame:
        """Best learning rates on the border of their range."""
        return edges(self.grid)

    @cached_property
    def target(self) -> Target:
        """The loss to reach: the study's own, or one derived from its runs."""
        stated = self.study.words.get("target", {}).get("loss")
        return target_loss(self.grid) if stated is None else stated_target(self.grid, float(stated))

    @cached_property
    def scaling(self) -> pd.DataFrame:
        """Steps, examples and seconds to the target by optimizer and batch size; NaN seconds where not measured."""
        table = scaling(self.grid, self.hits(self.target.loss))
        each, _ = self.step_seconds(table["row"].to_numpy(dtype=np.intp))
        return table.assign(
            **{f"seconds{end}": table[f"steps{end}"].to_numpy() * each for end in ("", "_low", "_high")}
        )

    @cached_property
    def lr_scaling(self) -> list[LrScaling]:
        """Best learning rates against batch sizes."""
        return lr_scaling(self.grid)

    @cached_property
    def tuning(self) -> list[TuningCurve]:
        """Tuning-cost curves."""
        return tuning_curves(self.grid, self.study.runs)
