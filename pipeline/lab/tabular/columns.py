"""What the columns of a table are, judged by the rows to train on alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from pipeline.lab.errors import UserError
from pipeline.lab.tabular.source import Source

#: More levels of one column are refused: a model would have an input for each.
MOST_LEVELS = 1000
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([ T].*)?")
#: Numbers in a dress: 1,234 or 12 % or $5.
_DRESSED = r"[^\w]*\d[\d.,'\s]*[^\w]*"
_ROW_NUMBER = re.compile(r"(?i)column1|unnamed.*|index|id|row|rownames?|nr|no|#|.*_id")


@dataclass
class Columns:
    """The features of a table.

    Attributes
    ----------
    numbers, categories : list of str
        Which columns are used, and as what.
    dropped : dict
        The others: name to why.
    """

    numbers: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)


def sort_columns(source: Source, train: NDArray[np.int64], taken: Sequence[str], categorical: Sequence[str]) -> Columns:
    """Decide what each column is.

    Parameters
    ----------
    source : Source
        The table.
    train : ndarray of int
        The rows to train on, which alone decide.
    taken : sequence of str
        Columns that are no features: the target, those dropped, that of the split.
    categorical : sequence of str
        Columns that were said to be categories.

    Returns
    -------
    Columns

    Raises
    ------
    UserError
        Where a column is neither numbers nor categories, with line, column and a recipe.
    """
    found = Columns()
    for name in source.frame.columns:
        if name in taken:
            continue
        values = source.frame[name].iloc[train]
        kind = "category" if name in categorical else _kind(source, values, train)
        try:
            levels = int(values.nunique())
        except TypeError:
            raise UserError(
                f"{source.where}: column {name!r} holds {type(values.iloc[0]).__name__}s, and must hold numbers or "
                f"text: say data.drop=[{name}]"
            ) from None
        if levels <= 1:
            found.dropped[name] = "constant" if levels else "empty"
        elif kind not in ("number", "category"):
            found.dropped[name] = kind
        elif kind == "category" and levels > MOST_LEVELS:
            raise UserError(
                f"{source.where}: column {name!r} has {levels:,} levels, and at most {MOST_LEVELS:,} are encoded: say "
                f"data.drop=[{name}], or join rare levels in the file"
            )
        else:
            (found.numbers if kind == "number" else found.categories).append(name)
    if not found.numbers and not found.categories:
        why = "; ".join(f"{name}: {reason}" for name, reason in found.dropped.items())
        raise UserError(f"{source.where} has no column to learn from ({why or 'only the target'})")
    return found


def numbers(source: Source, name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """A column's values in some rows as float64, NaN where they are missing.

    Raises
    ------
    UserError
        Where one is no finite number, with its line.
    """
    values = source.frame[name].iloc[rows]
    found = pd.to_numeric(values, errors="coerce").astype("float64").to_numpy(na_value=np.nan)
    bad = np.flatnonzero((np.isnan(found) & values.notna().to_numpy()) | np.isinf(found))
    if len(bad):
        _refuse_number(source, name, int(rows[bad[0]]))
    return np.asarray(found)


def _refuse_number(source: Source, name: str, row: int) -> None:
    value = source.frame[name].iloc[row]
    raise UserError(
        f"{source.place(row)}, column {name!r}: {value!s:.60} is no number, and others of the column are: write one "
        f"(1234.5) or leave it empty, or say data.drop=[{name}] or data.categorical=[{name}]"
    )


def _kind(source: Source, values: pd.Series, train: NDArray[np.int64]) -> str:
    """``number`` or ``category``, or why the column is of no use."""
    if types.is_datetime64_any_dtype(values.dtype) or types.is_timedelta64_dtype(values.dtype):
        return "dates"
    if types.is_bool_dtype(values.dtype):
        return "category"
    if types.is_numeric_dtype(values.dtype):
        return "row numbers" if _are_row_numbers(values) else "number"
    texts = values.dropna().astype(str).str.strip()
    are_numbers = pd.to_numeric(texts, errors="coerce").notna().to_numpy()
    share = are_numbers.mean() if len(texts) else 0.0
    if share == 1.0:
        return "number"
    if share >= 0.5:
        _refuse_number(source, str(values.name), int(train[np.flatnonzero(values.notna())[~are_numbers][0]]))
    if texts.map(lambda text: _DATE.fullmatch(text) is not None).all():
        return "dates"
    if texts.str.fullmatch(_DRESSED).all():
        _refuse_number(source, str(values.name), int(train[np.flatnonzero(values.notna())[0]]))
    return "ids, each text once" if len(texts) > 1 and texts.nunique() == len(texts) else "category"


def _are_row_numbers(values: pd.Series) -> bool:
    """Whether a column counts the rows, and is called so, as the one that pandas writes first."""
    if not _ROW_NUMBER.fullmatch(str(values.name)) or values.isna().any():
        return False
    return bool((values % 1 == 0).all()) and values.is_unique and bool(values.is_monotonic_increasing)
