"""URLs as they may be printed and stored: without what only their owner should know."""

import re

#: The part of a URL that may hold ``user:password@``; a password should not hold /, ? or #, and may all the same.
_CREDENTIALS = re.compile(r"://[^/?#\s]*@|://[^/?#@\s:\[]*:(?!\d*(?:[/?#\s,'\"\]]|$))[^@\s]*@")


def shown(source: str) -> str:
    """A source as it may be printed and stored: a URL loses its user name, password and query.

    Examples
    --------
    >>> shown("https://ada:secret@example.org/airfoil.dat?signature=1f3a")
    'https://example.org/airfoil.dat'
    >>> shown("data/airfoil.dat")
    'data/airfoil.dat'
    """
    if "://" not in source:
        return source
    return re.split(r"[?#]", _CREDENTIALS.sub("://", source))[0]


def has_password(text: str) -> bool:
    """Tell whether a text holds a URL with a password.

    Examples
    --------
    >>> has_password("mlflow_uri=postgresql://ada:secret@db/mlflow"), has_password("https://example.org:8080/a@b")
    (True, False)
    """
    return any(":" in found.group()[3:] for found in _CREDENTIALS.finditer(text))
