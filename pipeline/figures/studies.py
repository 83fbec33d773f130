"""Reading studies from disk."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.figures.minimum import least_squares_minimum
from pipeline.figures.registry import Tables
from pipeline.tables import CURVES, RUNS, read_table


def read_studies(folders: Sequence[Path], data: Path | None = None) -> dict[str, Tables]:
    """Read the tables of some studies.

    Parameters
    ----------
    folders : sequence of Path
        Each with ``runs.parquet`` and ``curves.parquet``.
    data : Path, optional
        The whitened table, for the least loss that a linear model can have.

    Returns
    -------
    dict
        A study's name to its tables.

    Raises
    ------
    UserError
        If a table cannot be read or has no rows.
    """
    studies = {}
    for folder in folders:
        runs = read_table(folder / "runs.parquet", RUNS)
        if runs.empty:
            raise UserError(f"{folder / 'runs.parquet'} has no runs: train the study first")
        minimum = None if data is None else least_squares_minimum(data, runs)
        if data is not None and minimum is None:
            print(f"note: {folder} and {data} have no common least squares minimum; none is drawn", file=sys.stderr)
        studies[str(runs["study"].iloc[0])] = Tables(runs, read_table(folder / "curves.parquet", CURVES), minimum)
    return studies
