"""Inputs of a measurement, as given on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError


@dataclass(frozen=True, eq=False)
class Inputs:
    """Data and effort.

    Parameters
    ----------
    dataset : Dataset, optional
        The training examples.
    images : Path, optional
        The folder of images, as :func:`pipeline.parts.data.digits.write_digits` makes it.
    full : bool
        Measure more configurations, more often.
    also : sequence of sequences of str
        Of ``step_cost``: other settings to measure, each a list of overrides such as ``model=mlp``.
    folder : Path
        Where other data sets lie, or are written.
    process : int
        Which of the measurement's processes this is. What no claim needs is measured by the first alone.
    """

    dataset: Dataset | None = None
    images: Path | None = None
    full: bool = False
    also: Sequence[Sequence[str]] = ()
    folder: Path = Path("results/data")
    process: int = 1

    def needed_dataset(self) -> Dataset:
        """The data set.

        Raises
        ------
        UserError
            If there is none.
        """
        if self.dataset is None:
            raise UserError("this measurement needs the data: add --data results/data/airfoil-standardize.parquet")
        return self.dataset

    def needed_images(self) -> Path:
        """The folder of images.

        Raises
        ------
        UserError
            If there is none.
        """
        if self.images is None:
            raise UserError("this measurement needs a folder for its images: add --images results/data/digits")
        return self.images
