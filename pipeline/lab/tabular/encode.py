"""Columns as numbers: imputed and encoded by transformers that are fitted on the rows to train on."""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.errors import UserError
from pipeline.lab.tabular.columns import Columns, numbers
from pipeline.lab.tabular.source import Source


def encoded(
    joined: Source, columns: Columns, train: NDArray[np.int64], held_out: NDArray[np.int64], whiten: str
) -> tuple[list[NDArray[np.float32]], list[str]]:
    """Both parts as numbers, by transformers of scikit-learn's that are fitted on the rows to train on."""
    from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped, unused-ignore]
    from sklearn.impute import SimpleImputer  # type: ignore[import-untyped, unused-ignore]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped, unused-ignore]
    from sklearn.preprocessing import (  # type: ignore[import-untyped, unused-ignore]
        FunctionTransformer,
        OneHotEncoder,
        StandardScaler,
    )

    scaler = StandardScaler() if whiten == "standardize" else FunctionTransformer(feature_names_out="one-to-one")
    # The first level of a category is the one that all others are compared with: with a column for it too, the
    # columns of each category would add up to the model's constant, and no linear model would be the best one alone.
    levels = OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False)
    encoder = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), scaler), columns.numbers),
            ("categories", make_pipeline(SimpleImputer(strategy="most_frequent"), levels), columns.categories),
        ],
        verbose_feature_names_out=False,
    )
    tables = []
    for rows in (train, held_out):
        parts = {name: numbers(joined, name, rows) for name in columns.numbers}
        for name in columns.categories:
            values = joined.frame[name].iloc[rows]
            texts = values.astype(str).str.strip().astype(object).to_numpy()
            parts[name] = np.where(values.isna().to_numpy(), np.nan, texts)
        tables.append(pd.DataFrame(parts, columns=[*columns.numbers, *columns.categories]))
    with warnings.catch_warnings():
        # Of levels that only held-out rows have, which is announced, and of numbers too large, which is refused below.
        warnings.simplefilter("ignore")
        parts_of = [encoder.fit_transform(tables[0])]
        parts_of.append(encoder.transform(tables[1]) if len(held_out) else parts_of[0][:0])
    names = [str(name) for name in encoder.get_feature_names_out()]
    return [float32(np.ascontiguousarray(part, dtype=np.float64), "features") for part in parts_of], names


def float32(values: NDArray[np.float64], what: str) -> NDArray[np.float32]:
    """Cast, and refuse what becomes infinite."""
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    if not np.isfinite(found).all():
        raise UserError(
            f"{what}: a value is too large to train on in single precision: say data.whiten=standardize, or write the "
            "column in larger units"
        )
    return found
