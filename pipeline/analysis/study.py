"""A study's results, and what is computed from them once for figures and report."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.agreement import Agreement, agreement, not_predicted
from pipeline.analysis.expected import Expected, expected_of_sweep
from pipeline.analysis.seconds import StepCosts, read_step_costs, step_costs_of_runs
from pipeline.analysis.sweep import Sweep
from pipeline.lab.results import CellResults, StudyResults

_LOSSES = {
    "regression": "half mean squared error",
    "binary": "mean cross-entropy",
    "classification": "mean cross-entropy",
}


@dataclass(frozen=True, eq=False)
class AnalysedStudy(StudyResults):
    """A study with what follows from its tables.

    Parameters
    ----------
    costs : StepCosts
        What a step costs on this machine, as far as it was measured.
    """

    costs: StepCosts = field(default_factory=StepCosts)

    @cached_property
    def sweep(self) -> Sweep:
        """The study read as a grid of optimizers, batch sizes and learning rates."""
        return Sweep(self, self.costs)

    @cached_property
    def expected(self) -> Expected | None:
        """What theory expects of the sweep's plain SGD; None where it has nothing to say."""
        if self.problem is None:
            return None
        return expected_of_sweep(self.problem, self.sweep.grid, self, self.sweep.target.loss)

    @cached_property
    def agreements(self) -> list[tuple[CellResults, str, Agreement | None]]:
        """Each cell held against theory: the cell; why it has no prediction, else empty; how it agrees, or None."""
        return [(cell, *self._agreement(cell)) for cell in self.cells.values()]

    def _agreement(self, cell: CellResults) -> tuple[str, Agreement | None]:
        own = self.readings(cell)
        if self.problem is None:
            return "its least squares problem is not known", None
        if reason := not_predicted(cell.config) or ("no readings" if own.empty else ""):
            return reason, None
        return "", agreement(self.problem, cell.config, own)

    @cached_property
    def _readings(self) -> dict[str, pd.DataFrame]:
        return {str(cell_id): own for cell_id, own in self.curves.groupby("cell_id", sort=False)}

    def readings(self, cell: CellResults) -> pd.DataFrame:
        """A cell's rows of the table of curves."""
        return self._readings.get(cell.id, self.curves.iloc[:0])

    @property
    def timed(self) -> bool:
        """Whether any run has a clock."""
        return bool(self.runs["seconds_per_epoch"].notna().any())

    @property
    def examples(self) -> int | None:
        """Training examples of an epoch, where all cells have as many."""
        counts = {cell.examples for cell in self.cells.values()}
        return counts.pop() if len(counts) == 1 else None

    @property
    def initial_loss(self) -> float:
        """The median over all runs; NaN where none was read."""
        return float(self.runs["initial_loss"].astype(float).median())

    @property
    def loss_kind(self) -> str:
        """What the losses are, by what is learnt from the data."""
        inferred = "classification" if self.runs["accuracy"].notna().any() else "regression"
        tasks = {str(cell.config.get("data", {}).get("task", inferred)) for cell in self.cells.values()}
        return _LOSSES.get(tasks.pop(), "as the task defines it") if len(tasks) == 1 else "of several tasks"

    @property
    def loss_name(self) -> str:
        """What the losses are, and of which examples."""
        return self.loss_kind if self.metric == "loss" else f"{self.loss_kind}, examples held out"

    @property
    def final_loss_name(self) -> str:
        """What :meth:`excess` is of final losses."""
        if self.metric == "validation_loss":
            return "final validation loss"
        return "final loss" if self.minimum is None else "final loss − minimum"

    def excess(self, losses: Any, smallest: float) -> Any:
        """How far losses lie above the minimum, where it is known, and no nearer than a log axis can show."""
        return np.maximum(np.asarray(losses, dtype=float) - (self.minimum or 0.0), smallest)


def read_studies(folders: Sequence[Path], step_cost: Path | None = None) -> list[AnalysedStudy]:
    """Read some studies.

    Parameters
    ----------
    folders : sequence of Path
        Each with ``runs.parquet`` and ``curves.parquet``.
    step_cost : Path, optional
        A measurement of the time of a step, for studies without a clock. Without it, the time is derived
        from those of the studies that have one.

    Returns
    -------
    list of AnalysedStudy
        In the order of their titles' ``order``, then as given.

    Raises
    ------
    UserError
        If a table cannot be read or has no rows.
    """
    studies = [AnalysedStudy.read(folder) for folder in folders]
    costs = step_costs_of_runs(studies) if step_cost is None else read_step_costs(step_cost)
    return [replace(study, costs=costs) for study in studies]
