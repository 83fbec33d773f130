"""Statistics of a study's runs."""

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.claims.effect import Effect, bootstrapped, mean_difference, ratio_of_medians
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import CONSTRUCTION, statistic


@statistic()
def run_ratio(evidence: Evidence, study: str, cell: str, over: str, column: str) -> Effect:
    """Median of a column over a cell's seeds, divided by that of another cell; paired bootstrap."""
    return bootstrapped(ratio_of_medians, *paired(evidence, study, cell, over, column))


@statistic()
def run_difference(evidence: Evidence, study: str, cell: str, minus: str, column: str = "final_loss") -> Effect:
    """Mean over seeds of a cell's column minus another cell's at the same seed; paired bootstrap."""
    return bootstrapped(mean_difference, *paired(evidence, study, cell, minus, column))


@statistic()
def run_gap(evidence: Evidence, study: str, cell: str, other: str, column: str = "final_loss") -> Effect:
    """Median over seeds of the relative difference ``|a / b - 1|`` of two cells at the same seed."""
    a, b = paired(evidence, study, cell, other, column)
    return bootstrapped(lambda gaps: np.asarray(np.median(gaps, axis=-1)), np.abs(a / b - 1))


@statistic()
def final_over_initial(evidence: Evidence, study: str, cell: str) -> Effect:
    """Median over seeds of the final loss over the initial one."""
    runs = _by_seed(evidence, study, cell)
    return bootstrapped(ratio_of_medians, _values(runs, "final_loss"), _values(runs, "initial_loss"))


@statistic(CONSTRUCTION)
def updates_per_epoch(evidence: Evidence, study: str, cell: str | None = None, batch_size: int | None = None) -> Effect:
    """Median number of updates per epoch of a cell, or of all cells of a batch size, with its whole range."""
    runs = _chosen(evidence, study, cell, batch_size)
    return _ranged(runs["steps"].to_numpy(dtype=float) / runs["epochs"].to_numpy(dtype=float))


@statistic(CONSTRUCTION)
def surplus_updates(evidence: Evidence, study: str) -> Effect:
    """Updates beyond ``epochs * ceil(examples / batch size)``, over all runs that were not cut short."""
    runs = _chosen(evidence, study, None, None)
    examples = runs["cell_id"].map({cell.id: cell.examples for cell in evidence.study(study).cells.values()})
    expected = runs["epochs"] * np.ceil(examples / runs["batch_size"])
    return _ranged((runs["steps"] - expected).to_numpy(dtype=float))


@statistic()
def initial_over_zero_model(evidence: Evidence, study: str, cell: str) -> Effect:
    """Median initial loss of a cell over the half mean squared error of a model that answers zero."""
    rows = evidence.study(study).data_of(evidence.cell(study, cell)).rows
    target = evidence.table(study).iloc[:rows, -1].to_numpy(dtype=float)
    losses = _values(_by_seed(evidence, study, cell), "initial_loss")
    return bootstrapped(ratio_of_medians, losses, np.full(len(losses), np.mean(target**2) / 2))


@statistic(CONSTRUCTION)
def moment_error(evidence: Evidence, study: str, rows: int) -> Effect:
    """Largest distance of any column's mean from 0 or variance from 1, over the first rows of a study's table."""
    values = evidence.table(study).iloc[:rows].to_numpy(dtype=float)
    worst = float(max(np.abs(values.mean(axis=0)).max(), np.abs(values.var(axis=0) - 1).max()))
    return Effect(worst, worst, worst, len(values), "rows")


def paired(evidence: Evidence, study: str, a: str, b: str, column: str) -> tuple[Array, Array]:
    """A column of two cells at the seeds they share.

    A run that diverged or failed counts with an infinite loss.

    Raises
    ------
    NoData
        If there is no such seed, or the column was not measured.
    """
    first, second = (_by_seed(evidence, study, label) for label in (a, b))
    shared = first.index.intersection(second.index)
    if not len(shared):
        raise NoData(f"no data: {a!r} and {b!r} of study {study} share no seed")
    return _values(first.loc[shared], column), _values(second.loc[shared], column)


def _by_seed(evidence: Evidence, study: str, label: str) -> pd.DataFrame:
    return evidence.cell(study, label).runs.set_index("seed").sort_index()


def _values(runs: pd.DataFrame, column: str) -> Array:
    values = runs[column].to_numpy(dtype=float, na_value=np.nan)
    if column == "final_loss":
        values = np.where((runs["status"] == "ok").to_numpy() & np.isfinite(values), values, np.inf)
    if np.isnan(values).any():
        raise NoData(f"no data: {column} was not measured in study {runs['study'].iloc[0]}")
    return np.asarray(values, dtype=float)


def _chosen(evidence: Evidence, study: str, cell: str | None, batch_size: int | None) -> pd.DataFrame:
    runs = evidence.study(study).runs if cell is None else evidence.cell(study, cell).runs
    runs = runs[runs["status"] == "ok"]
    runs = runs if batch_size is None else runs[runs["batch_size"] == batch_size]
    if runs.empty:
        raise NoData(f"no data: study {study} has no such run that was not cut short")
    return runs


def _ranged(values: Array) -> Effect:
    """The median of counts, which are exact, with their whole range as the interval."""
    return Effect(float(np.median(values)), float(values.min()), float(values.max()), len(values), "runs")
