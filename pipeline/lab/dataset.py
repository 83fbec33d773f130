"""Whitened tables and images, as training reads them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.lab.config.data import TWIN_NAME, DataConfig, DigitsConfig, as_table
from pipeline.lab.errors import UserError


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Examples to test on, shaped as the training examples are."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]


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
    """

    name: str
    X: NDArray[np.float32]
    y: NDArray[np.float32] | NDArray[np.int64]
    columns: tuple[str, ...]
    provenance: dict[str, Any]
    offline_twin: bool
    held_out: HeldOut | None = None
    folder: Path | None = None


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
        raise UserError(f"{path} is not a whitened table ({_first_line(error)}): whiten the data again") from None
    if not 1 <= rows <= table.num_rows:
        raise UserError(f"data.rows={rows} is not allowed: {path} has rows 1 to {table.num_rows}")
    values = np.column_stack([table.column(name).to_numpy()[:rows] for name in table.column_names])
    return Dataset(
        name=TWIN_NAME if offline_twin else name,
        X=np.ascontiguousarray(values[:, :-1], dtype=np.float32),
        y=values[:, -1].astype(np.float32),
        columns=tuple(table.column_names),
        provenance=provenance,
        offline_twin=offline_twin,
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def prepared(config: DataConfig, folder: Path) -> Dataset:
    """Load a whitened table or a folder of images; what is missing is made first.

    Parameters
    ----------
    config : DataConfig
        Which data, and how prepared.
    folder : Path
        Where the data lie, ``results/data`` say.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the data cannot be fetched, parsed, whitened or loaded.
    """
    if isinstance(config, DigitsConfig):
        return _images(config, folder / config.file)
    config = as_table(config)
    path = folder / config.file
    if not path.exists():
        # Imported here: what is there already needs no downloader.
        from pipeline.fetch.download import fetch
        from pipeline.whiten.table import whiten_file

        whiten_file(fetch(config, folder), path, config)
    dataset = load_dataset(path, config.rows)
    if config.copies == 1:
        return dataset
    return replace(
        dataset, X=np.concatenate([dataset.X] * config.copies), y=np.concatenate([dataset.y] * config.copies)
    )


def _images(config: DigitsConfig, folder: Path) -> Dataset:
    """Decode a folder of images, each file once."""
    from pipeline.parts.data.digits import SPLITS, ImageDataset, write_digits

    write_digits(folder)
    (X, y), (X_test, y_test) = (ImageDataset(folder, split).decoded() for split in SPLITS)
    if config.rows > len(X):
        raise UserError(f"data.rows={config.rows} is not allowed: {folder} has {len(X)} training images")
    return Dataset(
        name=config.name,
        X=X[: config.rows].numpy(),
        y=y[: config.rows].numpy(),
        columns=(),
        provenance={key: getattr(config, key) for key in ("name", "title", "credit", "licence")},
        offline_twin=False,
        held_out=HeldOut(X_test.numpy(), y_test.numpy()),
        folder=folder,
    )
