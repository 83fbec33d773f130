"""The least squares problem that a linear model is trained on, and the least loss it can have."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.lab.dataset import load_dataset
from pipeline.lab.theory.problem import Problem


def least_squares_problem(data: Path, runs: pd.DataFrame) -> Problem | None:
    """Least squares with a bias on the data of some runs, in float64; its ``minimum`` is half a mean squared error.

    Parameters
    ----------
    data : Path
        The whitened table that the runs were trained on.
    runs : DataFrame
        The study's runs.

    Returns
    -------
    Problem or None
        None where the runs do not share one problem, or another one: other models than the linear
        one, other data than the table's, or different numbers of rows.

    Raises
    ------
    UserError
        If the table cannot be read.
    """
    rows = {json.loads(config).get("data", {}).get("rows") for config in runs["config"].unique()}
    if len(rows) != 1 or None in rows or set(runs["model"]) != {"linear"}:
        return None
    dataset = load_dataset(data, rows.pop())
    if set(runs["data"]) != {dataset.name}:
        return None
    try:
        return Problem.from_data(dataset.X.astype(np.float64), dataset.y.astype(np.float64))
    except ValueError:  # no unique minimum
        return None
