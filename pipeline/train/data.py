"""Load the data of a cell; fetch and whiten them first where they are missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.lab.config.data import DataConfig, DigitsConfig, as_table
from pipeline.lab.dataset import Dataset, HeldOut, load_dataset
from pipeline.lab.errors import UserError


def prepared(config: DataConfig, folder: Path) -> Dataset:
    """Load a whitened table or a folder of images; what is missing is fetched, whitened or written first.

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
        # Imported here: data that are already there need no downloader.
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
