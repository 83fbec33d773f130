"""The address of an MLflow store: read, made absolute, and shown without its password."""

import re
from pathlib import Path

from pipeline.lab.errors import UserError

DEFAULT_URI = "sqlite:///mlflow.db"
#: Seconds for which a store that does not answer is tried again.
PATIENCE = 60.0

_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?")
_DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://.*", re.DOTALL)


def absolute_uri(uri: str) -> str:
    """Make a relative SQLite path absolute; leave any other URI as it is.

    Raises
    ------
    UserError
        If the URI is empty, or asks for an SQLite store without a file, which nobody could browse.

    Examples
    --------
    >>> absolute_uri("sqlite:////data/mlflow.db"), absolute_uri("https://mlflow.example.org")
    ('sqlite:////data/mlflow.db', 'https://mlflow.example.org')
    """
    match = _SQLITE.fullmatch(uri)
    if match and match["path"] != ":memory:":
        return f"{match['scheme']}{Path(match['path']).absolute().as_posix()}{match['query'] or ''}"
    if match or not uri or uri.startswith("sqlite"):
        raise UserError(f"MLflow store {uri!r} is not allowed: name a file, as in {DEFAULT_URI}, or a server")
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    match = _SQLITE.fullmatch(uri)
    return Path(match["path"]) if match else None


def is_database(uri: str) -> bool:
    """Tell whether a URI names a database server, rather than an MLflow server or a file.

    Examples
    --------
    >>> is_database("postgresql+psycopg2://db/mlflow"), is_database("https://mlflow.example.org")
    (True, False)
    """
    return _DATABASE.fullmatch(uri) is not None
