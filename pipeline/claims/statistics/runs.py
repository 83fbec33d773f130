"""Statistics of a study's runs."""

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.claims.effect import Effect, bootstrapped, mean_difference, ratio_of_medians
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import statistic


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
