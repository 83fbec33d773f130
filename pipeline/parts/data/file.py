"""A table of your own: delimited text, Parquet, arrays in a ``.npz`` file, or a function that returns them.

It is looked at when the configuration is composed: what was not said, task, rows and features among them, is found
out then and printed once.
"""

import hashlib
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.lab.paths import PACKAGE
from pipeline.lab.stage import Options, argument, command
from pipeline.parts import tasks
from pipeline.parts.base import DataConfig

if TYPE_CHECKING:
    from pipeline.lab.dataset import Dataset
    from pipeline.lab.tabular.prepare import Prepared

WHITENINGS = ("standardize", "none")
DECIMALS = ("", ".", ",")
#: The choice in ``conf/data`` that takes its name from the file.
UNNAMED = "table"
#: Keys that do not tell one prepared table from another.
_NOT_OF_TABLE = {"path", "validation", "split_seed", "max_bytes", "table", "title", "credit", "licence"}


@dataclass
class Config(DataConfig):
    """A table of one's own.

    Parameters
    ----------
    path : str
        The file, relative to where the command is started; or ``module:function`` of a Python file there, or in a
        folder given with ``--config-dir``.
    target : str
        The column to learn; ``y`` of arrays.
    validation : float or str
        What is held out: a share of the rows, drawn with ``split_seed`` (of classes the same share of each); a second
        file; or ``column:NAME``, a column that says it row by row. 0: nothing.
    split_seed : int
        Of the draw.
    drop, categorical : list of str
        Columns that are not used, and columns whose numbers are names.
    delimiter, decimal : str
        Of text: ``comma``, ``semicolon``, ``tab``, ``bar``, ``space`` or any one character; ``.`` or ``,``. Empty:
        found out.
    header : bool or None
        Whether the first line has the names; None: found out.
    whiten : str
        ``standardize``: columns of numbers, and a target that is one, minus their mean, over their deviation; or
        ``none``.
    max_bytes : int
        The most bytes that a file may have.
    task : str
        Empty: ``regression``, ``binary`` or ``classification``, by the target.
    rows : int
        How many of the rows to train on are used, the first ones; 0: all.
    sha1 : str
        Of the content. Empty: computed; otherwise, the content must have it.
    features, outputs : int
        Found out: what a model gets as ``in_features`` and ``out_features``.
    split, table : str
        Found out: how rows are held out, and the file of the prepared table below ``results/data``.
    """

    title: str = ""
    credit: str = ""
    licence: str = "unknown"
    reader: str = "file"
    task: str = ""
    rows_total: int = 0
    rows: int = 0
    path: str = ""
    target: str = ""
    validation: Any = 0.2
    split_seed: int = 0
    drop: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    delimiter: str = ""
    decimal: str = ""
    header: bool | None = None
    whiten: str = "standardize"
    max_bytes: int = 500_000_000
    sha1: str = ""
    features: int = 0
    outputs: int = 0
    split: str = ""
    table: str = ""

    @property
    def file(self) -> str:
        """The prepared table."""
        return self.table

    def __post_init__(self) -> None:
        """Check ranges, look at the file, and fill in what was not said."""
        self._check()
        if self.name == UNNAMED:
            self.name = self._name()
        self.table = ""
        found = self.prepared()
        _announce(found.words)
        self.target = found.columns[-1]
        self.sha1, self.split, self.task, self.rows_total = found.sha1, found.split, found.task, found.rows_total
        self.rows = len(found.X)
        self.features = found.X.shape[1]
        self.outputs = len(found.classes) if tasks.outputs(self.task) == "classes" else 1
        file = Path(self.path).name
        self.credit = self.credit or file
        out = f" and {len(found.y_held_out):,} held out" if found.y_held_out is not None else ""
        features = f"{self.features} feature{'s' * (self.features > 1)}"
        facts = f"{self.target} from {features}, {self.rows:,} rows to train on{out}"
        if facts not in self.title:
            self.title = f"{self.title or file}: {facts}"
        keys = {key: value for key, value in asdict(self).items() if key not in _NOT_OF_TABLE}
        digest = hashlib.sha1(json.dumps(keys, sort_keys=True, default=str).encode(), usedforsecurity=False)
        self.table = f"{self.name}-{digest.hexdigest()[:10]}.parquet"
        while len(_known) >= _MOST_KNOWN:
            del _known[next(iter(_known))]
        _known[self.table] = (self._stamps(), found)
        super().__post_init__()

    def _name(self) -> str:
        """The file's name, without what is not safe in a path, and other than those of ``conf/data``."""
        path = Path(self.path.rpartition(":")[2])
        name = re.sub(r"\W+", "_", path.stem, flags=re.ASCII).strip("_")[:60] or "rows"
        return f"{name}_{path.suffix[1:] or 'file'}" if name in parts.configurations("data") else name

    def _check(self) -> None:
        """Check what can be checked without the file; paths become absolute."""
        if not self.path:
            raise UserError("data.path is missing: name a file, as in data=table data.path=mine.csv data.target=price")
        checks.one_of("data.whiten", self.whiten, WHITENINGS)
        checks.one_of("data.decimal", self.decimal, DECIMALS)
        checks.whole("data.split_seed", self.split_seed, least=0, most=2**63)
        checks.whole("data.max_bytes", self.max_bytes, least=1, most=10**12)
        checks.whole("data.rows", self.rows, least=0)
        if self.sha1:
            checks.word("data.sha1", self.sha1, r"[0-9a-f]{40}", "40 hexadecimal digits in lower case")
        if not isinstance(self.validation, str) or re.fullmatch(r"[-+.\deE]+", self.validation):
            self.validation = float(self.validation)
            checks.number("data.validation", self.validation, least=0.0, below=1.0)
        if not _is_function(self.path):
            self.path = str(Path(self.path).expanduser().absolute())
        if isinstance(self.validation, str) and not self.validation.startswith("column:"):
            self.validation = str(Path(self.validation).expanduser().absolute())

    def prepared(self) -> "Prepared":
        """The table as numbers; read again only where a file or a key has changed.

        Raises
        ------
        UserError
            If it cannot be used, or is not what it was when the configuration was composed.
        """
        stamps = self._stamps()
        if _known.get(self.table, ((), None))[0] != stamps or not self.table:
            keys = {key: value for key, value in asdict(self).items() if key not in _NO_MATTER}
            keys["classes"] = self.task == "binary" or bool(self.task) and tasks.outputs(self.task) == "classes"
            return self._checked(_prepared(json.dumps(keys), _folders(), stamps))
        return _known[self.table][1]

    def _checked(self, found: "Prepared") -> "Prepared":
        """Refuse content other than that which the configuration names."""
        for expected, there in ((self.sha1, found.sha1), (self.split, found.split)):
            if expected not in ("", there):
                raise UserError(
                    f"data.path={self.path} is not what it was: {there} was found, and {expected} was expected (SHA-1 "
                    "and split); start the command again to use it as it is now"
                )
        return found

    def is_current(self) -> bool:
        """Whether the files are still those that were looked at."""
        return bool(_known.get(self.table, ((), None))[0] == self._stamps())

    @property
    def files(self) -> list[str]:
        """What the table is read from."""
        apart = isinstance(self.validation, str) and not self.validation.startswith("column:")
        return [_python_file(self.path), *([self.validation] if apart else [])]

    def _stamps(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(map(_stamp, self.files))


#: What a table is known by its name for: the state of its files, and its numbers. The last few are kept.
_known: "dict[str, tuple[tuple[tuple[str, int, int], ...], Prepared]]" = {}
_MOST_KNOWN = 4
#: Keys that change nothing about the numbers, or are found out.
_NO_MATTER = {*("title", "credit", "licence", "name", "rows_total", "sha1"), *("features", "outputs", "split", "table")}


def file(config: Config, folder: Path) -> "Dataset":
    """Give the rows of a table of one's own, and write the prepared table where it is missing.

    Parameters
    ----------
    config : Config
        Which table, and how prepared.
    folder : Path
        Where the prepared table goes, ``results/data`` say: theory and measurements read it there.

    Returns
    -------
    Dataset

    Raises
    ------
    UserError
        If the file is not what it was when the configuration was composed, or the table cannot be written.
    """
    from pipeline.lab.dataset import Dataset, HeldOut
    from pipeline.lab.tabular.prepare import write_prepared

    found = config.prepared()
    provenance = {key: getattr(config, key) for key in ("name", "title", "credit", "licence", "sha1")}
    provenance |= {"source": config.path, "offline_twin": False}
    out = folder / config.file
    if not out.exists():
        write_prepared(found, provenance, out)
    held_out = None
    if found.X_held_out is not None and found.y_held_out is not None:
        held_out = HeldOut(found.X_held_out, found.y_held_out)
    return Dataset(
        name=config.name,
        X=found.X,
        y=found.y,
        columns=found.columns,
        provenance=provenance,
        offline_twin=False,
        held_out=held_out,
        classes=found.classes,
    )


@lru_cache(maxsize=2)
def _prepared(keys: str, folders: tuple[Path, ...], stamps: tuple[tuple[str, int, int], ...]) -> "Prepared":
    """Read a table and turn it into numbers; the stamps are only there to be remembered by."""
    from pipeline.lab.tabular.prepare import Wishes, prepare
    from pipeline.lab.tabular.source import read_source

    given = json.loads(keys)
    how = (given["max_bytes"], given["delimiter"], given["decimal"], given["header"], given["target"], folders)
    source = read_source(given["path"], *how)
    if len(stamps) > 1:
        source = source.with_rows_of(read_source(given["validation"], *how))
    wishes = {key: given[key] for key in ("task", "classes", "validation", "split_seed", "rows", "whiten")}
    wishes |= {key: tuple(given[key]) for key in ("drop", "categorical")}
    return prepare(source, Wishes(**wishes, target=given["target"] or ("y" if source.arrays else "")))


@cache
def _announce(words: str) -> None:
    """Say once what was done to a table."""
    if parent_process() is None:
        print(words, file=sys.stderr)


def _folders() -> tuple[Path, ...]:
    """Where a function's module may lie."""
    return (Path.cwd(), *parts.search_path(), PACKAGE / "lab/tabular/bundled")


def _is_function(path: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", path) is not None


def _python_file(path: str) -> str:
    """The file itself, or that of a function."""
    if not _is_function(path):
        return path
    name = Path(*path.partition(":")[0].split(".")).with_suffix(".py")
    return next((str(folder / name) for folder in _folders() if (folder / name).is_file()), path)


def _stamp(path: str) -> tuple[str, int, int]:
    """What tells whether a file was written since."""
    try:
        status = Path(path).stat()
    except OSError:
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size


@command(
    "pipeline.parts.data.file",
    "Prepare a table.",
    argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the prepared table"),
    argument("overrides", nargs="+", help="as in data=table data.path=mine.csv data.target=price"),
)
def main(options: Options) -> None:
    """Write the prepared table of a configuration and print its path; the overrides are those of ``data``."""
    from pipeline.lab.config import compose_data

    config = compose_data(options.overrides)
    if config.reader != "file":
        raise UserError(f"data={config.name} is not allowed here: it is no table of one's own")
    parts.load("data", "file").function(config, options.out)
    print(options.out / config.file)


if __name__ == "__main__":
    main()
