"""From arrays to a data set and its configuration, which no reader has: arrays are in no file."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.lab import checks
from pipeline.lab.dataset import Dataset, HeldOut
from pipeline.lab.errors import UserError
from pipeline.parts import tasks
from pipeline.parts.base import DataConfig
from pipeline.parts.data.table import Column


@dataclass
class ArraysConfig(DataConfig):
    """Arrays in memory.

    Parameters
    ----------
    in_features, out_features : int
        What a model gets.
    shape : str
        What an example is, ``rows`` of numbers or ``images``.
    sha1 : str
        Of the arrays as they are trained on, those held out left aside: they change no training number.
    columns : list of Column
        Names of the features and of the target.
    whiten : str
        How they were prepared, ``standardize`` or ``none``.
    """

    reader: str = "arrays"
    in_features: int = 1
    out_features: int = 1
    shape: str = "rows"
    sha1: str = ""
    columns: list[Column] = field(default_factory=list)
    whiten: str = "none"

    @property
    def inputs(self) -> str:  # type: ignore[override]
        """What an example is."""
        return self.shape

    @property
    def features(self) -> int:
        """Numbers in a row, or channels of an image."""
        return self.in_features

    @property
    def outputs(self) -> int:
        """1 for a value or two classes, the number of classes where there are more."""
        return self.out_features


#: Whole numbers of more kinds are not taken for classes, nor for numbers: that is to be said.
MOST_CLASSES = 20


def dataset_of(
    X: Any, y: Any, X_val: Any, y_val: Any, *, task: str | None, standardize: bool, name: str
) -> tuple[ArraysConfig, Dataset]:
    """Check arrays, prepare them, and configure a data set of them; see :func:`pipeline.compare`.

    Raises
    ------
    UserError
        If an array has another shape than it must have, holds what is not a finite number, or the task is not clear.
    """
    checks.word("name", name)
    if isinstance(X, Dataset):
        if y is not None or X_val is not None or y_val is not None:
            raise UserError("y, X_val and y_val are not allowed with a Dataset: it holds them")
        task = task or _task(X.y, bool(X.classes))
        return _config(X.name, task, X, "none"), X
    features, targets = _features("X", X), _targets("y", y, len(_features("X", X)))
    if (X_val is None) != (y_val is None):
        raise UserError("X_val and y_val are not allowed alone: give both, or none")
    task = task or _task(targets, targets.dtype.kind not in "fiu")
    classes: tuple[str, ...] = ()
    if task in ("binary", "classification"):
        kinds, targets = np.unique(targets, return_inverse=True)
        classes = tuple(map(str, kinds.tolist()))
        if len(classes) < 2 or (task == "binary" and len(classes) != 2):
            raise UserError(f"task={task} is not allowed: the targets are of {len(classes)} class(es)")
    held_out = None
    if X_val is not None:
        X_held = _features("X_val", X_val)
        if X_held.shape[1:] != features.shape[1:]:
            raise UserError(f"X_val of shape {X_held.shape} is not allowed: an example of X is {features.shape[1:]}")
        y_held = _targets("y_val", y_val, len(X_held))
        if classes:
            unknown = set(np.unique(y_held).tolist()) - set(kinds.tolist())
            if unknown:
                raise UserError(f"y_val={unknown.pop()} is not allowed: y has no such class, only {', '.join(classes)}")
            y_held = np.searchsorted(kinds, y_held)
        held_out = X_held, y_held
    whiten = "standardize" if standardize and features.ndim == 2 else "none"
    if whiten == "standardize":
        features, held_out = _standardized(features, held_out, 0)
    if not classes:
        targets = _numbers("y", targets)
        if held_out is not None:
            held_out = held_out[0], _numbers("y_val", held_out[1])
        if standardize:
            targets, held_out = _standardized(targets, held_out, 1)
    dataset = Dataset(
        name=name,
        X=np.ascontiguousarray(features, dtype=np.float32),
        y=_ended(targets, classes),
        columns=_columns(X, y, features),
        provenance={},
        offline_twin=False,
        held_out=held_out
        and HeldOut(np.ascontiguousarray(held_out[0], dtype=np.float32), _ended(held_out[1], classes)),
        classes=classes,
    )
    return _config(name, task, dataset, whiten), dataset


def _features(name: str, X: Any) -> NDArray[Any]:
    try:
        found = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{name} is not allowed: it must be numbers ({error}); encode texts first, as with scikit-learn's "
            "OneHotEncoder"
        ) from None
    if found.ndim not in (2, 4) or 0 in found.shape:
        raise UserError(
            f"{name} of shape {found.shape} is not allowed: it must be (n, d), or (n, channels, height, width)"
        )
    return _finite(name, found)


def _targets(name: str, y: Any, n: int) -> NDArray[Any]:
    found = np.asarray(y)
    if found.shape == (n, 1):
        found = found[:, 0]
    if found.shape != (n,):
        raise UserError(f"{name} of shape {found.shape} is not allowed: it must be ({n},), a target for each example")
    if found.dtype.kind == "O":
        found = found.astype(str)
    return _finite(name, found) if found.dtype.kind == "f" else found


def _numbers(name: str, y: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{name} is not allowed: task=regression learns numbers, and a target is {y[0]!r}") from None


def _ended(y: NDArray[Any], classes: tuple[str, ...]) -> "NDArray[np.float32] | NDArray[np.int64]":
    return y.astype(np.int64) if classes else y.astype(np.float32)


def _finite(name: str, values: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        wrong = np.argwhere(~np.isfinite(values.astype(np.float32)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise UserError(
            f"{name}{list(place)}={values[place]} is not allowed: it must be a finite number of float32; fill gaps "
            "first, as scikit-learn's SimpleImputer does"
        )
    return values


def _task(y: NDArray[Any], named: bool) -> str:
    kinds = len(np.unique(y))
    if not named and y.dtype.kind == "f":
        return "regression"
    if not named and kinds > MOST_CLASSES:
        raise UserError(
            f"task is not clear: y has {kinds} different whole numbers; give task='regression' or task='classification'"
        )
    return "binary" if kinds == 2 else "classification"


def _standardized(
    values: NDArray[np.float64], held_out: tuple[NDArray[Any], NDArray[Any]] | None, place: int
) -> tuple[NDArray[np.float64], tuple[NDArray[Any], NDArray[Any]] | None]:
    """Subtract the training examples' mean and divide by their deviation; what is constant only loses its mean."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation = np.where(deviation > 1e-12 * np.abs(mean).clip(min=1e-300), deviation, 1.0)
    if held_out is not None:
        both = list(held_out)
        both[place] = (both[place] - mean) / deviation
        held_out = both[0], both[1]
    return (values - mean) / deviation, held_out


def _columns(X: Any, y: Any, features: NDArray[Any]) -> tuple[str, ...]:
    """Names of a table's features and target; none of images."""
    if features.ndim != 2:
        return ()
    names = [str(one) for one in getattr(X, "columns", ())] or [f"x{i}" for i in range(features.shape[1])]
    return (*names, str(getattr(y, "name", None) or "y"))


def _config(name: str, task: str, dataset: Dataset, whiten: str) -> ArraysConfig:
    outputs = (len(dataset.classes) or int(dataset.y.max()) + 1) if tasks.outputs(task) == "classes" else 1
    digest = hashlib.sha1(np.ascontiguousarray(dataset.X).tobytes(), usedforsecurity=False)
    digest.update(np.ascontiguousarray(dataset.y).tobytes())
    return ArraysConfig(
        name=name,
        title=name,
        credit="",
        licence="unknown",
        task=task,
        rows_total=len(dataset.X),
        rows=len(dataset.X),
        in_features=dataset.X.shape[1],
        out_features=outputs,
        shape="rows" if dataset.X.ndim == 2 else "images",
        sha1=digest.hexdigest(),
        columns=[Column(column, "1") for column in dataset.columns],
        whiten=whiten,
    )
