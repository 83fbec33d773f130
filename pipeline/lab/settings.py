"""Settings from environment variables, read here and nowhere else.

============================  =============================================  ========================
variable                      meaning                                        without it, or empty
============================  =============================================  ========================
``MLFLOW_TRACKING_URI``       the MLflow store                               ``sqlite:///mlflow.db``
``MLFLOW_EXPERIMENT_NAME``    the experiment, made where it is missing       ``minibatch-lab``
``MLFLOW_EXPERIMENT_ID``      an experiment that exists, by its id           the one with the name
``MINIBATCH_LAB_PATIENCE``    seconds to retry a store that does not answer  60
``AIRFOIL_DATA``              file or URL to take the airfoil data from      the published sources
============================  =============================================  ========================
"""

import math
import os
import re
import shlex
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.lab.errors import UserError
from pipeline.lab.urls import masked

DEFAULT_URI = "sqlite:///mlflow.db"
EXPERIMENT = "minibatch-lab"
PATIENCE = 60.0

_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?")
_DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://.+", re.DOTALL)
_STORES = "sqlite:///FILE, postgresql://, mysql://, mssql://, http://, https://, or databricks"


def variable(name: str) -> str | None:
    """Read an environment variable; None where it is not set or empty."""
    return os.environ.get(name, "").strip() or None


def airfoil_data() -> str | None:
    """The user's own source of the airfoil data: ``AIRFOIL_DATA``."""
    return variable("AIRFOIL_DATA")


@dataclass(frozen=True)
class Tracking:
    """Where and how to log to MLflow.

    Parameters
    ----------
    uri : str
        MLflow tracking URI; the path of an SQLite file is absolute.
    experiment : str or None
        Name of the experiment.
    experiment_id : str or None
        Its id, where the user gave one.
    patience : float
        Seconds for which a store that does not answer is tried again.
    """

    uri: str
    experiment: str | None = EXPERIMENT
    experiment_id: str | None = None
    patience: float = PATIENCE

    @classmethod
    def read(cls, uri: str | None = None, patience: str | None = None) -> "Tracking":
        """Read the settings and check what can be checked without asking the store.

        Parameters
        ----------
        uri, patience : str, optional
            In place of ``MLFLOW_TRACKING_URI`` and ``MINIBATCH_LAB_PATIENCE``.

        Raises
        ------
        UserError
            If no store can be at the URI, or the patience is not a number of seconds.

        Examples
        --------
        >>> Tracking.read("https://mlflow.example.org", patience="5").uri
        'https://mlflow.example.org'
        """
        name, number = variable("MLFLOW_EXPERIMENT_NAME"), variable("MLFLOW_EXPERIMENT_ID")
        return cls(
            uri=_checked_uri(uri or variable("MLFLOW_TRACKING_URI") or DEFAULT_URI),
            experiment=name or (None if number else EXPERIMENT),
            experiment_id=number,
            patience=_seconds(patience or variable("MINIBATCH_LAB_PATIENCE")),
        )

    @property
    def sqlite_path(self) -> Path | None:
        """The file of an SQLite store, None for any other."""
        match = _SQLITE.fullmatch(self.uri)
        return Path(match["path"]) if match else None

    @property
    def is_database_server(self) -> bool:
        """Whether the URI names a database server, rather than a file or an MLflow server."""
        return _DATABASE.fullmatch(self.uri) is not None

    @property
    def pages(self) -> str:
        """Where MLflow's pages are: the server's own, or those of ``mlflow ui`` on this machine."""
        return masked(self.uri).rstrip("/") if self.uri.startswith("http") else "http://127.0.0.1:5000"

    def browse(self, page: str = "") -> str:
        """What opens the runs in MLflow: the command that serves its pages, unless a server does, and then a page.

        Examples
        --------
        >>> Tracking("http://mlflow:5000").browse("http://mlflow:5000/#/experiments/1")
        'http://mlflow:5000/#/experiments/1'
        >>> Tracking("postgresql://db/mlflow").browse("http://127.0.0.1:5000/#/experiments/1")
        'mlflow ui --backend-store-uri postgresql://db/mlflow, then http://127.0.0.1:5000/#/experiments/1'
        """
        if self.sqlite_path is None and not self.is_database_server:
            return page if page.startswith(self.uri) else self.shown
        # A password is not printed; whoever has one has it in the variable.
        uri = shlex.quote(self.uri) if masked(self.uri) == self.uri else '"$MLFLOW_TRACKING_URI"'
        store = "" if self.sqlite_path == Path("mlflow.db").absolute() else f" --backend-store-uri {uri}"
        return f"mlflow ui{store}{', then ' if page else ''}{page}"

    @property
    def shown(self) -> str:
        """The store as it may be printed: a new password does not make it another store."""
        experiment = self.experiment if self.experiment_id is None else f"experiment {self.experiment_id}"
        return masked(self.uri) if experiment == EXPERIMENT else f"{masked(self.uri)} ({experiment})"


def _seconds(given: str | None) -> float:
    try:
        seconds = PATIENCE if given is None else float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"patience {given} is not allowed: it must be a number of seconds, 0 or more")
    return seconds


def _checked_uri(uri: str) -> str:
    """Make the path of an SQLite file absolute; refuse what cannot be a store."""
    match = _SQLITE.fullmatch(uri)
    if match and match["path"] != ":memory:":
        path = Path(match["path"]).absolute()
        _check_file(path)
        return f"{match['scheme']}{path.as_posix()}{match['query'] or ''}"
    if _DATABASE.fullmatch(uri) or re.fullmatch(r"databricks(://\S+)?", uri) or _is_http(uri):
        return uri
    raise UserError(f"MLflow store {masked(uri)} is not allowed: it must be {_STORES}")


def _is_http(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in parts.path
    except ValueError:  # the port is no number, as where a password with a / is not percent-encoded
        return False


def _check_file(path: Path) -> None:
    """Refuse a path where no SQLite file is or can be; through SQLite, because closing a plain file drops its locks."""
    if path.is_dir():
        raise UserError(f"MLflow store {path} is not allowed: it is a folder; name a file in it")
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise UserError(f"MLflow store {path} cannot be written")
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        pass
    except sqlite3.DatabaseError:
        raise UserError(
            f"MLflow store {path} is not an SQLite database: move it away, and run snakemake --cores 1 track"
        ) from None
