"""The address of an MLflow store: read, made absolute, and shown without its password."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from pipeline.lab.errors import UserError

DEFAULT_URI = "sqlite:///mlflow.db"
#: Seconds for which a store that does not answer is tried again.
PATIENCE = 60.0

_SQLITE = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?")
_USERINFO = re.compile(r"(?P<start>://[^:/@\s]*:)(?P<secret>\S*)@")
_QUERY = re.compile(
    r"(?i)(?P<start>[?&][^=&\s]*(?:password|passwd|pwd|token|secret|sslkey)[^=&\s]*=)(?P<secret>[^&\s]*)"
)
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


def masked(text: str, uri: str = "") -> str:
    """Hide the passwords and tokens of the URIs in a text.

    Parameters
    ----------
    text : str
        What is to be shown: a URI, an error's message.
    uri : str, optional
        A URI whose secrets are hidden wherever they stand, outside of a URI too.

    Examples
    --------
    >>> masked("postgresql://ada:secret@db.example.org/mlflow")
    'postgresql://ada:***@db.example.org/mlflow'
    >>> masked("no port 'two@home'", "postgresql://ada:two%40home@db/mlflow")
    "no port '***'"
    """
    text = _QUERY.sub(r"\g<start>***", _USERINFO.sub(r"\g<start>***@", text))
    secrets = {match["secret"] for pattern in (_USERINFO, _QUERY) for match in pattern.finditer(uri)}
    for secret in sorted({form for each in secrets for form in (each, unquote(each)) if form}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def has_secret(uri: str) -> bool:
    """Tell whether a URI holds a password or a token.

    Examples
    --------
    >>> has_secret("postgresql://ada:secret@db/mlflow"), has_secret("postgresql://ada@db/mlflow")
    (True, False)
    """
    return masked(uri) != uri


def refuse_secrets(overrides: Sequence[str]) -> None:
    """Refuse a password on a command line, which other users can read and Hydra writes down.

    Parameters
    ----------
    overrides : sequence of str
        The command line.

    Raises
    ------
    UserError
        If ``mlflow_uri=...`` holds one.

    Examples
    --------
    >>> refuse_secrets(["lr=0.1", "mlflow_uri=postgresql://ada@db/mlflow"])
    """
    for text in overrides:
        if text.lstrip("+").startswith("mlflow_uri=") and has_secret(text):
            raise UserError(f"{masked(text)} is not allowed: give a URI with a password in MLFLOW_TRACKING_URI")
