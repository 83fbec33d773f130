"""Reading studies from disk."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.analysis.seconds import read_step_costs, step_costs_of_runs
from pipeline.figures.minimum import least_squares_problem
from pipeline.figures.registry import Tables
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, read_table


def read_studies(folders: Sequence[Path], data: Path | None = None, step_cost: Path | None = None) -> dict[str, Tables]:
    """Read the tables of some studies.

    Parameters
    ----------
    folders : sequence of Path
        Each with ``runs.parquet`` and ``curves.parquet``.
    data : Path, optional
        The whitened table, for the least loss that a linear model can have.
    step_cost : Path, optional
        A measurement of the time of a step, for studies without a clock. Without it, the time is derived
        from those of the studies that have one.

    Returns
    -------
    dict
        A study's name to its tables.

    Raises
    ------
    UserError
        If a table cannot be read or has no rows.
    """
    tables = {}
    for folder in folders:
        runs = read_table(folder / "runs.parquet", RUNS)
        if runs.empty:
            raise UserError(f"{folder / 'runs.parquet'} has no runs: train the study first")
        tables[folder] = runs, read_table(folder / "curves.parquet", CURVES)
    everything = [StudyResults(*pair) for pair in tables.values()]
    costs = step_costs_of_runs(everything) if step_cost is None else read_step_costs(step_cost)
    studies = {}
    for folder, (runs, curves) in tables.items():
        problem = None if data is None else least_squares_problem(data, runs)
        if data is not None and problem is None:
            print(f"note: {folder} and {data} have no common least squares minimum; none is drawn", file=sys.stderr)
        minimum = None if problem is None else problem.minimum
        studies[str(runs["study"].iloc[0])] = Tables(runs, curves, minimum, problem, costs)
    return studies
