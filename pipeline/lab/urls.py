"""URLs without their passwords, for messages and files."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from pipeline.lab.errors import UserError

#: The part of a URL that may hold ``user:password@``; a password should not hold /, ? or #, and may all the same.
_CREDENTIALS = re.compile(r"://[^/?#\s]*@|://[^/?#@\s:\[]*:(?!\d*(?:[/?#\s,'\"\]]|$))[^@\s]*@")
#: The same, up to the last @: hides too much rather than too little.
_USERINFO = re.compile(r"(?P<start>://[^:/@\s]*:)(?P<secret>\S*)@")
_QUERY = re.compile(
    r"(?i)(?P<start>[?&][^=&\s]*(?:password|passwd|pwd|token|secret|sslkey)[^=&\s]*=)(?P<secret>[^&\s]*)"
)


def shown(source: str) -> str:
    """A source as it may be printed and stored: a URL loses its user name, password and query.

    Examples
    --------
    >>> shown("https://ada:secret@example.org/airfoil.dat?signature=1f3a")
    'https://example.org/airfoil.dat'
    >>> shown("data/airfoil.dat")
    'data/airfoil.dat'
    """
    return re.split(r"[?#]", _CREDENTIALS.sub("://", source))[0] if "://" in source else source


def has_password(text: str) -> bool:
    """Tell whether a text holds a URL with a password.

    Examples
    --------
    >>> has_password("mlflow_uri=postgresql://ada:secret@db/mlflow"), has_password("https://example.org:8080/a@b")
    (True, False)
    """
    return any(":" in found.group()[3:] for found in _CREDENTIALS.finditer(text))


def masked(text: str, uri: str = "") -> str:
    """Replace the passwords and tokens of URLs by ``***``.

    Parameters
    ----------
    text : str
        A URL, or a message that may quote one.
    uri : str, optional
        A URL whose secrets are hidden wherever they occur in the text, outside of a URL too.

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


def refuse_secrets(overrides: Sequence[str]) -> None:
    """Refuse a password on a command line, which other users can read and Hydra stores.

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
        if text.lstrip("+").startswith("mlflow_uri=") and masked(text) != text:
            raise UserError(f"{masked(text)} is not allowed: give a URI with a password in MLFLOW_TRACKING_URI")
