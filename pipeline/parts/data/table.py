"""Tables of numbers, whitened: the reader of the airfoil data."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import MISSING

from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.parts.base import DataConfig

if TYPE_CHECKING:
    from pipeline.lab.dataset import Dataset

WHITENINGS = ("standardize", "zca", "none")
WHEN_UNREACHABLE = ("twin", "fail")
#: Training examples that are held in memory.
MOST_EXAMPLES = 10**8


@dataclass
class Column:
    """One column of the table."""

    name: str = MISSING
    unit: str = MISSING


@dataclass
class Config(DataConfig):
    """A table of numbers whose last column is the target.

    Parameters
    ----------
    copies : int
        How many times each of the rows is there.
    sources : list of str
        Paths or URLs, tried in this order; an empty entry is skipped. An empty list means the offline twin.
    sha1 : str
        Of the table itself, whatever the source (40 hexadecimal digits).
    columns : list of Column
        Names and units, in the file's order; the last one is the target.
    whiten : str
        ``standardize``, ``zca`` or ``none``; see :mod:`pipeline.whiten.whiten`.
    on_unreachable : str
        When no source can be used: ``twin`` generates a stand-in, ``fail`` is an error.
    timeout : float
        Seconds that one attempt at a URL may take.
    retries : int
        Further attempts at a URL after a fault that may pass.
    max_bytes : int
        The most bytes that a source may have, packed or unpacked.
    """

    rows_total: int = 1503
    rows: int = 1500
    copies: int = 1
    sources: list[str] = field(default_factory=list)
    sha1: str = MISSING
    columns: list[Column] = field(default_factory=list)
    whiten: str = "standardize"
    on_unreachable: str = "twin"
    timeout: float = 10.0
    retries: int = 1
    max_bytes: int = 10_000_000

    @property
    def examples(self) -> int:
        """Number of training examples, ``N``."""
        return self.rows * self.copies

    @property
    def features(self) -> int:
        """All columns but the target."""
        return len(self.columns) - 1

    @property
    def file(self) -> str:
        """The whitened table."""
        return f"{self.name}-{self.whiten}.parquet"

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        checks.word("data.sha1", self.sha1, r"[0-9a-f]{40}", "40 hexadecimal digits in lower case")
        checks.whole("data.copies", self.copies, least=1)
        if self.examples > MOST_EXAMPLES:
            raise UserError(
                f"data.copies={self.copies} is not allowed: with data.rows={self.rows} it makes {self.examples:,} "
                f"examples, and at most {MOST_EXAMPLES:,} fit"
            )
        checks.one_of("data.whiten", self.whiten, WHITENINGS)
        checks.one_of("data.on_unreachable", self.on_unreachable, WHEN_UNREACHABLE)
        checks.number("data.timeout", self.timeout, above=0.0, most=86_400.0)
        checks.whole("data.retries", self.retries, least=0, most=100)
        checks.whole("data.max_bytes", self.max_bytes, least=1, most=10**10)
        names = [column.name for column in self.columns]
        if len(names) < 2 or len(set(names)) < len(names):
            raise UserError(f"data.columns={names} is not allowed: it must name two columns or more, each once")


def table(config: Config, folder: Path) -> "Dataset":
    """Load a whitened table.

    Parameters
    ----------
    config : Config
        Which data, and how prepared.
    folder : Path
        Where the data lie, ``results/data`` say.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the table is missing or damaged, or has fewer rows.
    """
    import numpy as np  # here, as what is imported below: the workflow reads this file at every start

    from pipeline.lab.dataset import load_dataset

    dataset = load_dataset(folder / config.file, config.rows)
    if config.copies == 1:
        return dataset
    return replace(
        dataset, X=np.concatenate([dataset.X] * config.copies), y=np.concatenate([dataset.y] * config.copies)
    )


def as_table(config: DataConfig) -> Config:
    """Take a configuration as a table's.

    Raises
    ------
    UserError
        If it is not.
    """
    if not isinstance(config, Config):
        raise UserError(
            f"data={config.name} is not allowed here: it is not a table, and is neither fetched nor whitened"
        )
    return config
