"""From a table to numbers: target, split, imputation and encoding, all learnt from the rows to train on alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pandas.api import types

from pipeline.lab.checks import did_you_mean
from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole
from pipeline.lab.tabular.columns import numbers, sort_columns
from pipeline.lab.tabular.encode import encoded, float32
from pipeline.lab.tabular.source import Source
from pipeline.lab.tabular.words import description, listed

#: Whole numbers with more different values are a quantity; so are those that each occur less than twice on average.
MOST_CLASSES = 10
MOST_CLASS_NAMES = 1000
#: Words in a column of folds that mean held out.
HELD_OUT_WORDS = {"true", "1", "1.0", "yes", "validation", "valid", "val", "test"}
TRAIN_WORDS = {"false", "0", "0.0", "no", "train", "training"}

Values = NDArray[np.float32] | NDArray[np.int64]


@dataclass(frozen=True)
class Wishes:
    """What a configuration says of a table; see :class:`pipeline.parts.data.file.Config`."""

    target: str
    task: str
    classes: bool | None
    validation: float | str
    split_seed: int
    rows: int
    drop: tuple[str, ...]
    categorical: tuple[str, ...]
    whiten: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table as numbers.

    Attributes
    ----------
    X, y : ndarray, shape (n, d) and (n,)
        The rows to train on, in the file's order.
    X_held_out, y_held_out : ndarray or None
        Those held out.
    columns : tuple of str, length d + 1
        Names of the features, then of the target.
    classes : tuple of str
        Names of the classes; empty where the target is a number.
    task : str
        What is learnt.
    rows_total : int
        Rows of the file, and of a second one.
    sha1, split : str
        Of the file's content; how rows were held out.
    words : str
        What was done, for people.
    """

    X: NDArray[np.float32]
    y: Values
    X_held_out: NDArray[np.float32] | None
    y_held_out: Values | None
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    task: str
    rows_total: int
    sha1: str
    split: str
    words: str


def prepare(source: Source, wishes: Wishes) -> Prepared:
    """Turn a table into numbers.

    Parameters
    ----------
    source : Source
        The table; with ``held_out`` rows where they came apart.
    wishes : Wishes
        What the configuration says of it.

    Returns
    -------
    Prepared

    Raises
    ------
    UserError
        If it cannot be learnt from; the sentence says where, and what helps.
    """
    _check_names(source, wishes)
    first = len(source.frame)
    joined = _joined(source)
    frame = joined.frame
    kept = np.flatnonzero(frame[wishes.target].notna().to_numpy())
    if not len(kept):
        raise UserError(f"{source.where} has no rows with a target: column {wishes.target!r} is empty")
    task, classes = _task(frame[wishes.target].iloc[kept], wishes)
    labels = frame[wishes.target].iloc[kept].astype(str).str.strip().to_numpy() if classes else None
    train, held_out, split = _split(joined, kept, first, labels, wishes)
    if wishes.rows > len(train):
        raise UserError(f"data.rows={wishes.rows} is not allowed: {source.where} has {len(train)} rows to train on")
    train = train[: wishes.rows or None]
    if len(train) < 2:
        raise UserError(
            f"{source.where} has {len(train)} rows to train on, and two or more are needed: add rows, or say "
            "data.validation=0"
        )
    y, names, scale = _target(joined, train, held_out, task, classes, wishes)
    fold = _fold_column(wishes)
    columns = sort_columns(joined, train, [wishes.target, *wishes.drop, *([fold] if fold else [])], wishes.categorical)
    (X, X_held_out), features = encoded(joined, columns, train, held_out, wishes.whiten)
    words = description(
        source, columns, train, held_out, len(frame) - len(kept), features, task, names, split, scale, frame
    )
    return Prepared(
        X=X,
        y=y[0],
        X_held_out=X_held_out if len(held_out) else None,
        y_held_out=y[1] if len(held_out) else None,
        columns=(*features, wishes.target),
        classes=names,
        task=task,
        rows_total=len(frame),
        sha1=source.sha1,
        split=split,
        words=words,
    )


def _check_names(source: Source, wishes: Wishes) -> None:
    """Refuse columns that are not there, and tables without rows."""
    known = [str(name) for name in source.frame.columns]
    if not wishes.target:
        raise UserError(f"data.target is missing: name the column to learn, one of {listed(known)}")
    fold = _fold_column(wishes)
    for key, names in (
        ("data.target", [wishes.target]),
        ("data.drop", wishes.drop),
        ("data.categorical", wishes.categorical),
        ("data.validation", [fold] if fold else []),
    ):
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UserError(f"{key}={name} is not allowed: {source.where} has the columns {listed(known)}{hint}")
    if wishes.target in wishes.drop:
        raise UserError(f"data.drop={wishes.target} is not allowed: it is the target")
    if not len(source.frame):
        raise UserError(f"data.path={source.where} is not allowed: it has no rows")


def _joined(source: Source) -> Source:
    """One table, the rows that came apart at its end."""
    if source.held_out is None:
        return source
    missing = [str(name) for name in source.frame.columns if name not in source.held_out.columns]
    if missing:
        raise UserError(f"the validation rows of {source.where} have no column {missing[0]!r}: give them the same")
    rest = source.held_out[list(source.frame.columns)]
    return replace(source, frame=pd.concat([source.frame, rest], ignore_index=True))


def _task(target: pd.Series, wishes: Wishes) -> tuple[str, bool]:
    """What is learnt, and whether the target is a class."""
    if wishes.task:
        return wishes.task, bool(wishes.classes)
    text = target if types.is_numeric_dtype(target.dtype) else target.astype(str).str.strip()
    found = pd.to_numeric(text, errors="coerce")
    if types.is_bool_dtype(target.dtype):
        few = True
    elif found.notna().all():
        levels = found.nunique()
        few = bool((found % 1 == 0).all()) and levels <= MOST_CLASSES and 2 * levels <= len(found)
        text = found
    else:
        few = True
        if found.notna().mean() >= 0.5:
            other = str(text[found.isna()].iloc[0])
            raise UserError(
                f"column {wishes.target!r}, the target, has numbers and texts, {other!r} among them: correct it, or "
                "say data.task=classification"
            )
    if not few:
        return "regression", False
    if text.nunique() > MOST_CLASS_NAMES:
        raise UserError(
            f"column {wishes.target!r}, the target, has {text.nunique():,} classes: name another one, or correct its "
            "numbers"
        )
    return ("binary" if text.nunique() <= 2 else "classification"), True


def _split(
    joined: Source, kept: NDArray[np.int64], first: int, labels: NDArray[Any] | None, wishes: Wishes
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Rows to train on and rows held out, in the file's order, and how they were chosen."""
    if first < len(joined.frame):
        return kept[kept < first], kept[kept >= first], joined.apart
    fold = _fold_column(wishes)
    if fold:
        words = joined.frame[fold].iloc[kept].astype(str).str.strip().str.lower().to_numpy()
        chosen = np.isin(words, list(HELD_OUT_WORDS))
        other = words[~chosen & ~np.isin(words, list(TRAIN_WORDS))]
        if len(other) or not chosen.any():
            raise UserError(
                f"data.validation=column:{fold} is not allowed: it must hold true, 1 or validation in some rows, and "
                f"false, 0 or train in the others{f', and it holds {other[0]!r}' if len(other) else ''}"
            )
        return kept[~chosen], kept[chosen], f"column {fold}"
    share = float(wishes.validation)
    if not share:
        return kept, kept[:0], "none"
    order = np.random.default_rng(wishes.split_seed).permutation(len(kept))
    if labels is not None:  # class by class, so that evenly spaced ones are the same share of each
        order = order[np.argsort(labels[order], kind="stable")]
    out = np.zeros(len(kept), dtype=bool)
    out[order] = np.diff(np.floor(share * np.arange(len(kept) + 1) + 0.5)) > 0
    if labels is not None:  # a class always keeps a row to learn from
        alone = ~np.isin(labels, labels[~out])
        out[[np.flatnonzero(labels == label)[0] for label in np.unique(labels[alone])]] = False
    if not out.any():
        raise UserError(
            f"data.validation={wishes.validation} is not allowed: of {len(kept)} rows it holds out none; say "
            "data.validation=0, or a larger share"
        )
    return (
        kept[~out],
        kept[out],
        f"{share:g} of the rows{' of each class' * (labels is not None)}, seed {wishes.split_seed}",
    )


def _fold_column(wishes: Wishes) -> str:
    text = str(wishes.validation)
    return text.removeprefix("column:") if text.startswith("column:") else ""


def _target(
    joined: Source, train: NDArray[np.int64], held_out: NDArray[np.int64], task: str, classes: bool, wishes: Wishes
) -> tuple[tuple[Values, Values], tuple[str, ...], str]:
    """The targets of both parts, the classes' names, and how numbers were scaled."""
    name = wishes.target
    if classes:
        texts = [joined.frame[name].iloc[rows].astype(str).str.strip() for rows in (train, held_out)]
        found = texts[0].unique()
        as_numbers = pd.to_numeric(pd.Series(found), errors="coerce")
        order = as_numbers.argsort() if as_numbers.notna().all() else np.argsort(found)
        names = tuple(str(found[i]) for i in order)
        if len(names) < 2:
            raise UserError(
                f"column {name!r}, the target, has one class alone in the rows to train on, {names[0]!r}: there is "
                "nothing to tell apart"
            )
        if task == "binary" and len(names) > 2:
            raise UserError(f"data.task=binary is not allowed: {name!r} has {len(names)} classes; say classification")
        unknown = texts[1][~texts[1].isin(names)]
        if len(unknown):
            raise UserError(
                f"class {unknown.iloc[0]!r} of {name!r} is among the rows held out and not among those to train on"
            )
        index = pd.Index(names)
        y_of = [index.get_indexer(pd.Index(text)).astype(np.int64) for text in texts]
        return (y_of[0], y_of[1]), names, ""
    y, y_out = (numbers(joined, name, rows) for rows in (train, held_out))
    mean, deviation = float(y.mean()), float(y.std())
    if not deviation > 0:
        raise UserError(f"column {name!r}, the target, is the same in all rows to train on: there is nothing to learn")
    scale = "the target in its own units"
    if wishes.whiten == "standardize":
        y, y_out = (y - mean) / deviation, (y_out - mean) / deviation
        scale = f"the target minus {mean:.6g}, over {deviation:.6g}"
    return (float32(y, name), float32(y_out, name)), (), scale


def write_prepared(table: Prepared, provenance: Mapping[str, Any], out: Path) -> None:
    """Write a Parquet file as :func:`pipeline.lab.dataset.load_dataset` reads it.

    Parameters
    ----------
    table : Prepared
        The rows to train on come first, then those held out.
    provenance : mapping
        Where the data come from.
    out : Path
        The file.
    """
    X, y = table.X, table.y
    if table.X_held_out is not None and table.y_held_out is not None:
        X, y = np.concatenate([X, table.X_held_out]), np.concatenate([y, table.y_held_out])
    columns = [*(pa.array(column) for column in X.T), pa.array(y)]
    metadata = {b"provenance": json.dumps(dict(provenance)).encode(), b"classes": json.dumps(table.classes).encode()}
    with written_whole(out) as temporary:
        pq.write_table(pa.table(columns, names=list(table.columns), metadata=metadata), temporary)
