"""Training examples in memory, and the reader of whitened tables."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.lab.errors import MAKE_AGAIN, UserError, first_line
from pipeline.parts.base import TWIN_NAME


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Examples to test on, shaped as the training examples are."""

    X: NDArray[np.float32]
    y: NDArray[np.float32] | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training examples.

    Parameters
    ----------
    name : str
        The data's name; ``airfoil_twin`` wherever the offline twin was used, whatever was asked for.
    X : ndarray of float32, shape (n, d), or (n, channels, height, width)
        Features, contiguous; or images, from -1 to 1.
    y : ndarray of float32, or of int64 where they are classes, shape (n,)
        Targets.
    columns : tuple of str, length d + 1
        Names of the features, then of the target; empty for images.
    provenance : dict
        Where the data come from; see :func:`pipeline.fetch.download.fetch`.
    offline_twin : bool
        Whether the table is the generated stand-in.
    held_out : HeldOut, optional
        Examples to test on.
    folder : Path, optional
        Of the images, where they can be decoded one by one.
    classes : tuple of str, length K
        Names of the classes 0 .. K-1; empty where the targets are numbers.
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.float32] | NDArray[np.int64]
    columns: tuple[str, ...]
    provenance: dict[str, Any]
    offline_twin: bool
    held_out: HeldOut | None = None
    folder: Path | None = None
    classes: tuple[str, ...] = ()


def load_dataset(path: Path, rows: int) -> Dataset:
    """Load the first rows of a whitened table.

    Parameters
    ----------
    path : Path
        As written by ``python -m pipeline.whiten``.
    rows : int
        How many first rows to train on.

    Returns
    -------
    Dataset
        Cast to float32 last, after all arithmetic was done in float64.

    Raises
    ------
    UserError
        If the file is missing, is no whitened table, or has fewer rows.
    """
    try:
        table = pq.read_table(path)
        provenance = dict(json.loads((table.schema.metadata or {})[b"provenance"]))
        name, offline_twin = str(provenance["name"]), bool(provenance["offline_twin"])
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: whiten the data with python -m pipeline.whiten") from None
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a whitened table ({first_line(error)}): {MAKE_AGAIN}") from None
    if not 1 <= rows <= table.num_rows:
        raise UserError(f"data.rows={rows} is not allowed: {path} has rows 1 to {table.num_rows}")
    values = np.column_stack([table.column(name).to_numpy()[:rows] for name in table.column_names])
    classes = pa.types.is_integer(table.schema.field(table.column_names[-1]).type)
    return Dataset(
        name=TWIN_NAME if offline_twin else name,
        X=np.ascontiguousarray(values[:, :-1], dtype=np.float32),
        y=values[:, -1].astype(np.int64) if classes else values[:, -1].astype(np.float32),
        columns=tuple(table.column_names),
        provenance=provenance,
        offline_twin=offline_twin,
    )
