"""The configuration of a data set: where it comes from and what is in it."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from pipeline.config import checks
from pipeline.errors import UserError

WHITENINGS = ("standardize", "zca", "none")
WHEN_UNREACHABLE = ("twin", "fail")
#: The data's name wherever the offline twin was used, whatever was asked for.
TWIN_NAME = "airfoil_twin"


@dataclass
class Column:
    """One column of the table."""

    name: str = MISSING
    unit: str = MISSING


@dataclass
class DataConfig:
    """A table of numbers whose last column is the target.

    Parameters
    ----------
    name : str
        The stem of the files' names.
    title, credit, licence : str
        For people: what it is, who made it, what it may be used for.
    sources : list of str
        Paths or URLs, tried in this order; an empty entry is skipped. An empty list means the offline twin.
    sha1 : str
        Of the table itself, whatever the source (40 hexadecimal digits).
    columns : list of Column
        Names and units, in the file's order; the last one is the target.
    rows_total, rows : int
        Rows in the file, and how many of its first ones are trained on.
    copies : int
        How many times each of those rows is there.
    whiten : str
        ``standardize``, ``zca`` or ``none``; see :mod:`pipeline.whiten.whiten`.
    on_unreachable : str
        When no source can be used: ``twin`` generates a stand-in, ``fail`` is an error.
    timeout : float
        Seconds that one attempt at a URL may take.
    retries : int
        Further attempts at a URL after a fault that may pass.

    Raises
    ------
    UserError
        If a value is out of range; the sentence names the key, the value and what is allowed.
    """

    name: str = MISSING
    title: str = MISSING
    credit: str = MISSING
    licence: str = MISSING
    sources: list[str] = field(default_factory=list)
    sha1: str = MISSING
    columns: list[Column] = field(default_factory=list)
    rows_total: int = 1503
    rows: int = 1500
    copies: int = 1
    whiten: str = "standardize"
    on_unreachable: str = "twin"
    timeout: float = 10.0
    retries: int = 1

    @property
    def examples(self) -> int:
        """Number of training examples, ``N``."""
        return self.rows * self.copies

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.word("data.name", self.name)
        checks.word("data.sha1", self.sha1, r"[0-9a-f]{40}", "40 hexadecimal digits in lower case")
        checks.whole("data.rows_total", self.rows_total, least=1)
        checks.whole("data.rows", self.rows, least=1)
        checks.whole("data.copies", self.copies, least=1)
        if self.rows > self.rows_total:
            raise UserError(f"data.rows={self.rows} is not allowed: at most data.rows_total={self.rows_total}")
        checks.one_of("data.whiten", self.whiten, WHITENINGS)
        checks.one_of("data.on_unreachable", self.on_unreachable, WHEN_UNREACHABLE)
        checks.number("data.timeout", self.timeout, above=0.0)
        checks.whole("data.retries", self.retries, least=0)
        names = [column.name for column in self.columns]
        if len(names) < 2 or len(set(names)) < len(names):
            raise UserError(f"data.columns={names} is not allowed: it must name two columns or more, each once")
