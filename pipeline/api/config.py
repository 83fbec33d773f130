"""The configuration of arrays in memory: they are in no file, so no reader has it."""

from dataclasses import dataclass, field

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
