"""Bring the columns of a table to a common scale.

"Whitening" is the textbook's word for standardizing: each column, the target
included, minus its mean, over its population standard deviation, both over all
rows (d2l.ai, section on minibatch SGD). ``zca`` whitens in the strict sense:
the features are also decorrelated, by the symmetric inverse root of their
correlation matrix (Bell & Sejnowski, 1997), which keeps each one as close to
itself as decorrelation allows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.config import checks
from pipeline.lab.errors import UserError
from pipeline.parts.data.table import WHITENINGS

Floats = NDArray[np.float64]

#: Correlation matrices whose smallest eigenvalue is below this are taken as singular: rounding alone
#: leaves some 1e-16 there, and the inverse root of that would blow noise up.
SINGULAR = 1e-10


@dataclass(frozen=True)
class Whitening:
    """What maps values in units to whitened ones: ``(x - mean) / deviation``, then features times ``decorrelation``.

    Parameters
    ----------
    method : str
        ``standardize``, ``zca`` or ``none``.
    mean, deviation : ndarray of float64, shape (d,)
        What is subtracted and divided by, in the columns' units; 0 and 1 where nothing is done.
    decorrelation : ndarray of float64, shape (d - 1, d - 1), or None
        Symmetric; None unless the method is ``zca``.
    """

    method: str
    mean: Floats
    deviation: Floats
    decorrelation: Floats | None = None

    def apply(self, table: pd.DataFrame) -> pd.DataFrame:
        """Whiten a table with these columns; shape (n, d) to (n, d), in float64."""
        values = (table.to_numpy(dtype=np.float64) - self.mean) / self.deviation
        if self.decorrelation is not None:
            values[:, :-1] = values[:, :-1] @ self.decorrelation
        return pd.DataFrame(values, columns=table.columns, index=table.index)


def whitening_of(table: pd.DataFrame, method: str = "standardize") -> Whitening:
    """Compute what whitens a table.

    Parameters
    ----------
    table : pandas.DataFrame, shape (n, d)
        All rows, in units, also those that are not trained on; the last column is the target.
    method : str
        ``standardize``, ``zca`` (the features also decorrelated) or ``none``.

    Returns
    -------
    Whitening
        To be applied to this table or, with the same scale, to another.

    Raises
    ------
    UserError
        If a column is constant or overflows, in float32 where the method is ``none``; if features are linearly
        dependent (``zca``); or if there is no such method.
    """
    checks.one_of("data.whiten", method, WHITENINGS)
    values = table.to_numpy(dtype=np.float64)
    if method == "none":
        _check_float32(table, values)
        return Whitening(method, np.zeros(values.shape[1]), np.ones(values.shape[1]))
    mean, deviation = _mean_and_deviation(table, values, method)
    if method == "standardize":
        return Whitening(method, mean, deviation)
    return Whitening(method, mean, deviation, _decorrelation((values[:, :-1] - mean[:-1]) / deviation[:-1]))


def _check_float32(table: pd.DataFrame, values: Floats) -> None:
    """Refuse values that training, which is in float32, would see as infinite or as all equal."""
    with np.errstate(over="ignore"):  # refused here, by name
        single = values.astype(np.float32)
    merged = (values.min(axis=0) < values.max(axis=0)) & (single.min(axis=0) == single.max(axis=0))
    for j, name in enumerate(table.columns):
        if merged[j] or not np.isfinite(single[:, j]).all():
            raise UserError(
                f"column {name} spans {values[:, j].min():.9g} to {values[:, j].max():.9g}, which float32 cannot"
                " represent, and data.whiten=none trains on the values as they are: choose standardize"
            )


def _mean_and_deviation(table: pd.DataFrame, values: Floats, method: str) -> tuple[Floats, Floats]:
    with np.errstate(over="ignore", invalid="ignore"):  # refused below, by name
        mean, deviation = values.mean(axis=0), values.std(axis=0)
    # Equality of values, not a deviation of 0: rounding gives a constant 0.1 a deviation of some 1e-17.
    constant = values.min(axis=0) == values.max(axis=0)
    for j, name in enumerate(table.columns):
        if constant[j]:
            raise UserError(
                f"column {name} is {values[0, j]} in every row, and data.whiten={method} divides by its deviation:"
                " values that vary are expected"
            )
        if not 0 < deviation[j] < np.inf:
            raise UserError(
                f"column {name} spans {values[:, j].min():g} to {values[:, j].max():g}, and its deviation is not"
                " a float64 number above 0: other units are expected"
            )
    return mean, deviation


def _decorrelation(standard: Floats) -> Floats:
    """Symmetric inverse root of the correlation matrix; ``standard``: shape (n, d - 1)."""
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    if values[0] < SINGULAR:
        raise UserError(
            f"data.whiten=zca needs linearly independent features, and the smallest eigenvalue of their correlation"
            f" matrix is {values[0]:.1e}: choose standardize"
        )
    root: Floats = (vectors / np.sqrt(values)) @ vectors.T
    return root
