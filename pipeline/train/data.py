"""Load the data of a cell; a table that is missing is fetched and whitened first."""

from pathlib import Path

from pipeline import parts
from pipeline.lab.dataset import Dataset
from pipeline.parts.base import DataConfig
from pipeline.parts.data.table import Config as TableConfig


def prepared(config: DataConfig, folder: Path) -> Dataset:
    """Read a data set by the reader that its configuration names.

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
        If the data cannot be fetched, parsed, whitened, written or read.
    """
    path = folder / config.file
    if isinstance(config, TableConfig) and not path.exists():
        # Imported here: data that are already there need no downloader.
        from pipeline.fetch.download import fetch
        from pipeline.whiten.table import whiten_file

        whiten_file(fetch(config, folder), path, config)
    dataset: Dataset = parts.load("data", config.reader).function(config, folder)
    return dataset
