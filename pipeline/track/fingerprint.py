"""What decides whether a logged run is still true: its configuration and its rows in both tables."""

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.config.cell import canonical_json

#: What a run holds, as a number: another one makes every cell be logged anew.
LAYOUT = "3"

KEY = ["cell_id", "seed"]

#: The columns of a table, of one cell: numbers as float64, texts as objects.
Columns = dict[str, NDArray[Any]]


class Fingerprint(NamedTuple):
    """What decides whether a logged run is still true: its configuration and its rows in both tables."""

    config_hash: str
    content_hash: str


def fingerprints(runs: pd.DataFrame, curves: pd.DataFrame) -> dict[str, Fingerprint]:
    """Fingerprint every cell of a study.

    Parameters
    ----------
    runs, curves : DataFrame
        See :data:`pipeline.lab.tables.RUNS` and :data:`pipeline.lab.tables.CURVES`. Their order does not matter.

    Returns
    -------
    dict
        Cell id to fingerprint, in the order in which the cells first appear.
    """
    digests = {str(cell_id): hashlib.sha256(LAYOUT.encode()) for cell_id in runs["cell_id"].unique()}
    configs: dict[str, str] = {}
    for table, order in ((runs, KEY), (curves, [*KEY, "step"])):
        for cell_id, cell in by_cell(table, order):
            if cell_id not in digests:
                continue
            for name, values in cell.items():
                digests[cell_id].update(name.encode())
                digests[cell_id].update(
                    values.tobytes() if values.dtype != object else canonical_json(values.tolist()).encode()
                )
            if "config" in cell:
                configs[cell_id] = str(cell["config"][0])
    return {
        cell_id: Fingerprint(hashlib.sha256(configs[cell_id].encode()).hexdigest(), digest.hexdigest())
        for cell_id, digest in digests.items()
    }


def by_cell(table: pd.DataFrame, order: list[str]) -> Iterator[tuple[str, Columns]]:
    """Give the columns of each cell; far faster than a DataFrame for each.

    Parameters
    ----------
    table : DataFrame
        With a column ``cell_id``.
    order : list of str
        Columns to sort by, ``cell_id`` first.

    Yields
    ------
    tuple of str and dict
        The cell's id, and its columns by name.
    """
    table = table.sort_values(order, kind="stable")
    columns = {str(name): _array(table[name]) for name in sorted(table.columns)}
    cell_ids = columns["cell_id"]
    bounds = np.flatnonzero(cell_ids[1:] != cell_ids[:-1]) + 1
    for start, stop in pairwise([0, *bounds.tolist(), len(cell_ids)]):
        if start < stop:
            yield str(cell_ids[start]), {name: values[start:stop] for name, values in columns.items()}


def _array(column: "pd.Series[Any]") -> NDArray[Any]:
    """Numbers as float64, in which every whole number of the tables is exact; texts as objects."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    if column.isna().all():  # a column of numbers without any may come without a type
        return np.full(len(column), np.nan)
    return column.astype(object).to_numpy()
