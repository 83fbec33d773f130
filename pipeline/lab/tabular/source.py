"""Where a table comes from: text, Parquet, arrays in a file, or a function that returns them."""

import hashlib
import importlib.util
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.lab.errors import UserError, first_line
from pipeline.lab.files import TooLarge, read_limited
from pipeline.lab.tabular.text import check_names, read_text

#: The target's name where arrays have none.
TARGET = "y"


@dataclass(frozen=True, eq=False)
class Source:
    """A table as it was read.

    Attributes
    ----------
    where : str
        The file's name, for messages.
    frame : DataFrame
        Its rows.
    sha1 : str
        Of the file's bytes; of a function's values, because its file says little of them.
    held_out : DataFrame or None
        Rows that came apart, as validation rows.
    lines : ndarray of int or None
        The line of each row, of text.
    notes : tuple of str
        What was found out, for people.
    apart : str
        How ``held_out`` came.
    arrays : bool
        Whether it was arrays, whose columns have no names of their own.
    """

    where: str
    frame: pd.DataFrame
    sha1: str
    held_out: pd.DataFrame | None = None
    lines: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    apart: str = "rows given apart"
    arrays: bool = False

    def place(self, row: int) -> str:
        """Where a row is, counted from 0: ``mine.csv, line 7``."""
        return f"{self.where}, " + (f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}")

    def with_rows_of(self, other: "Source") -> "Source":
        """The same table with another one's rows held out."""
        if self.held_out is not None:
            raise UserError(f"data.validation={other.where} is not allowed: {self.where} has validation rows itself")
        lines = None
        if self.lines is not None and other.lines is not None:
            lines = np.concatenate([self.lines, other.lines])
        apart = f"the rows of {other.where}, SHA-1 {other.sha1}"
        return replace(self, held_out=other.frame, lines=lines, apart=apart)


def read_source(
    path: str, max_bytes: int, delimiter: str, decimal: str, header: bool | None, target: str, folders: Sequence[Path]
) -> Source:
    """Read a table.

    Parameters
    ----------
    path : str
        A file, or ``module:function`` of a Python file in one of the folders.
    max_bytes : int
        The most bytes that a file may have.
    delimiter, decimal, header, target
        As for :func:`pipeline.lab.tabular.text.read_text`.
    folders : sequence of Path
        Where a function's module may lie: a configuration is data, and names no other code.

    Returns
    -------
    Source

    Raises
    ------
    UserError
        If there is no such file or function, it is too large, or holds no table.
    """
    file = Path(path)
    if is_function(path):
        return _from_function(path, folders)
    try:
        content = read_limited(file, max_bytes)
    except FileNotFoundError:
        raise UserError(f"data.path={path} is not allowed: there is no such file") from None
    except TooLarge:
        raise UserError(
            f"data.path={path} is not allowed: it has {file.stat().st_size:,} bytes, and data.max_bytes={max_bytes}; "
            "raise that if the memory holds a few times as much"
        ) from None
    except OSError as error:
        raise UserError(f"data.path={path} cannot be read: {error.strerror or error}") from None
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if content[:4] == b"PAR1" or file.suffix in (".parquet", ".pq"):
        return Source(file.name, _parquet(content, file.name), sha1, notes=("Parquet",))
    if content[:4] == b"PK\x03\x04" or file.suffix == ".npz":
        frame, held_out = _npz(file)
        return Source(file.name, frame, sha1, held_out, notes=("arrays",), arrays=True)
    text = read_text(content, file.name, delimiter, decimal, header, target)
    return Source(file.name, text.frame, sha1, lines=text.lines, notes=text.notes)


def is_function(path: str) -> bool:
    """Whether a path is ``module:function``."""
    module, colon, name = path.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def function_file(path: str, folders: Sequence[Path]) -> Path:
    """The Python file of ``module:function``, in the first folder that has it.

    Raises
    ------
    UserError
        If none has it.
    """
    name = Path(*path.partition(":")[0].split(".")).with_suffix(".py")
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        raise UserError(
            f"data.path={path} is not allowed: there is no {name.as_posix()} where the command was started, nor in a "
            "folder given with --config-dir; write it there, or give a file of data"
        )
    return found


def _parquet(content: bytes, where: str) -> pd.DataFrame:
    try:
        table = pq.read_table(pa.BufferReader(content))
        check_names([str(name) for name in table.column_names], where)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"data.path={where} cannot be read as Parquet: {first_line(error)}") from None
    return frame


def _npz(file: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files if name in ("X", "y", "X_val", "y_val")}
            names = arrays.files
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"data.path={file.name} cannot be read as npz: {first_line(error)}; write it with numpy.savez(file, X=..., "
            "y=...), without objects"
        ) from None
    for name in ("X", "y", *(("X_val", "y_val") if {"X_val", "y_val"} & set(names) else ())):
        if name not in found:
            raise UserError(f"data.path={file.name} is not allowed: it has no array {name}, only {', '.join(names)}")
    frame = _from_arrays(found["X"], found["y"], file.name)
    return frame, _from_arrays(found["X_val"], found["y_val"], file.name) if "X_val" in found else None


def _from_arrays(X: Any, y: Any, where: str) -> pd.DataFrame:
    """A frame of features ``x1, x2, ...`` and the target ``y``."""
    X, y = (np.asarray(one) for one in (X, y))
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if X.ndim != 2 or y.ndim != 1 or len(X) != len(y):
        raise UserError(
            f"data.path={where} is not allowed: X has the shape {X.shape} and y {y.shape}, and they must be (n, d) and "
            "(n,); flatten what has more dimensions, X.reshape(len(X), -1)"
        )
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(1, X.shape[1] + 1)]).assign(**{TARGET: y})


def _from_function(path: str, folders: Sequence[Path]) -> Source:
    file, name = function_file(path, folders), path.partition(":")[2]
    returned = _call(_imported(file, name, path), path)
    held_out = None
    if isinstance(returned, pd.DataFrame):
        frame = returned.reset_index(drop=True)
    elif isinstance(returned, tuple) and len(returned) in (2, 4):
        frame = _from_arrays(returned[0], returned[1], path)
        held_out = _from_arrays(returned[2], returned[3], path) if len(returned) == 4 else None
    elif hasattr(returned, "__getitem__") and hasattr(returned, "__len__"):  # a Dataset of torch's
        pairs = [returned[i] for i in range(len(returned))]
        if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
            raise UserError(f"data.path={path} is not allowed: an item of its data set must be a pair of x and y")
        frame = _from_arrays(np.stack([np.asarray(x) for x, _ in pairs]), [np.asarray(y) for _, y in pairs], path)
    else:
        raise UserError(
            f"data.path={path} is not allowed: it returned a {type(returned).__name__}, and must return arrays (X, y) "
            "or (X, y, X_val, y_val), a DataFrame or a torch Dataset"
        )
    check_names([str(column) for column in frame.columns], path)
    digest = hashlib.sha1(usedforsecurity=False)
    for one in (frame, held_out):
        if one is not None:
            digest.update(repr(list(one.columns)).encode())
            digest.update(pd.util.hash_pandas_object(one, index=False).to_numpy().tobytes())
    return Source(path, frame, digest.hexdigest(), held_out, notes=("returned by a function",), arrays=TARGET in frame)


def _imported(file: Path, name: str, path: str) -> Callable[[], Any]:
    spec = importlib.util.spec_from_file_location(f"minibatch_lab_data_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a file of the user's may raise
        raise UserError(
            f"data.path={path} cannot be imported: {type(error).__name__}: {first_line(error)} ({file.name})"
        ) from None
    function = getattr(module, name, None)
    if not callable(function) or getattr(function, "__module__", "") != spec.name:
        raise UserError(f"data.path={path} is not allowed: {file.name} defines no function {name}")
    return function  # type: ignore[no-any-return]


def _call(function: Callable[[], Any], path: str) -> Any:
    try:
        return function()
    except Exception as error:  # whatever a function of the user's may raise
        raise UserError(f"data.path={path} failed: {type(error).__name__}: {first_line(error)}") from None
