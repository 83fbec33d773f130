"""The least loss that a linear model can have on the data."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.dataset import load_dataset


def least_squares_minimum(data: Path, runs: pd.DataFrame) -> float | None:
    """Half the mean squared error of the least squares fit with a bias, in float64.

    Parameters
    ----------
    data : Path
        The whitened table that the runs were trained on.
    runs : DataFrame
        The study's runs.

    Returns
    -------
    float or None
        None where the runs do not share one minimum, or another one: other models than the linear
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
    design = np.column_stack([dataset.X.astype(np.float64), np.ones(len(dataset.X))])
    target = dataset.y.astype(np.float64)
    theta = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(0.5 * np.mean((design @ theta - target) ** 2))
