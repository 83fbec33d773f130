"""The configuration of a data set: where it comes from and what is in it."""

from dataclasses import dataclass, field
from typing import ClassVar

from omegaconf import MISSING

from pipeline.lab.config import checks
from pipeline.lab.errors import UserError

WHITENINGS = ("standardize", "zca", "none")
WHEN_UNREACHABLE = ("twin", "fail")
LOADINGS = ("tensors", "per_item")
#: Training examples that are held in memory.
MOST_EXAMPLES = 10**8
#: The data's name wherever the offline twin was used, whatever was asked for.
TWIN_NAME = "airfoil_twin"


@dataclass
class DataConfig:
    """What every data set has.

    Parameters
    ----------
    name : str
        The stem of the files' names.
    title, credit, licence : str
        For people: what it is, who made it, what it may be used for.
    rows_total, rows : int
        Rows in the file (images in the folder), and how many of the first ones are trained on.

    Attributes
    ----------
    task : str
        What is learnt, ``regression`` or ``classification``: it decides the loss. Of the class, because it
        follows from the data and cannot be chosen.

    Raises
    ------
    UserError
        If a value is out of range; the sentence names the key, the value and what is allowed.
    """

    task: ClassVar[str] = "regression"

    name: str = MISSING
    title: str = MISSING
    credit: str = MISSING
    licence: str = MISSING
    rows_total: int = MISSING
    rows: int = MISSING

    @property
    def examples(self) -> int:
        """Number of training examples, ``N``."""
        return self.rows

    @property
    def file(self) -> str:
        """The file or folder below ``results/data`` that training reads."""
        return self.name

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.word("data.name", self.name)
        checks.whole("data.rows_total", self.rows_total, least=1)
        checks.whole("data.rows", self.rows, least=1)
        if self.rows > self.rows_total:
            raise UserError(f"data.rows={self.rows} is not allowed: at most data.rows_total={self.rows_total}")


@dataclass
class Column:
    """One column of the table."""

    name: str = MISSING
    unit: str = MISSING


@dataclass
class TableConfig(DataConfig):
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


@dataclass
class DigitsConfig(DataConfig):
    """Images of handwritten digits, a PNG file each.

    Parameters
    ----------
    loading : str
        ``tensors``: every file is decoded once, and minibatches are slices of one tensor on the device;
        ``per_item``: files are decoded each time they are drawn, through a DataLoader, inside the clock.
    workers : int
        Processes that decode; 0: the training process itself. Of ``per_item`` only, as what follows.
    prefetch : int or None
        Minibatches that each worker has ready; None: torch's default, 2.
    persistent : bool
        Keep the workers from one epoch to the next.
    """

    task: ClassVar[str] = "classification"

    rows_total: int = 1437
    rows: int = 1437
    loading: str = "tensors"
    workers: int = 0
    prefetch: int | None = None
    persistent: bool = True

    def __post_init__(self) -> None:
        """Check ranges, and that the workers have something to do."""
        super().__post_init__()
        checks.one_of("data.loading", self.loading, LOADINGS)
        checks.whole("data.workers", self.workers, least=0, most=256)
        if self.workers and self.loading == "tensors":
            raise UserError(
                f"data.workers={self.workers} is not allowed with data.loading=tensors, which loads nothing while it "
                "trains: add data.loading=per_item"
            )
        if self.prefetch is not None:
            checks.whole("data.prefetch", self.prefetch, least=1, most=1000)
            if not self.workers:
                raise UserError(
                    f"data.prefetch={self.prefetch} is not allowed with data.workers=0: only workers prefetch"
                )


def as_table(config: DataConfig) -> TableConfig:
    """Take a configuration as a table's.

    Raises
    ------
    UserError
        If it is not.
    """
    if not isinstance(config, TableConfig):
        raise UserError(
            f"data={config.name} is not allowed here: it is not a table, and is neither fetched nor whitened"
        )
    return config
