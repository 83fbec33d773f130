"""Mistakes that are told in one sentence, without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake of the user's or of the outside world, told in one sentence, without a traceback; exit status 2."""


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Turn a :class:`UserError` into ``error: ...`` on stderr and exit status 2.

    Works as a context and, called, as a decorator of a ``main``. Any other exception passes: it is a
    mistake of the program's, and its traceback is wanted.

    Raises
    ------
    SystemExit
        With status 2, in place of a UserError.

    Examples
    --------
    >>> @exit_on_user_error()
    ... def main() -> None:
    ...     raise UserError("epochs=0 is not allowed: it must be at least 1")
    """
    try:
        yield
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None


def printable(text: str) -> str:
    r"""Escape what would break a line, drive a terminal or turn the direction of writing.

    Examples
    --------
    >>> print(printable("label=a\nb, \x1b[2J, café"))
    label=a\nb, \x1b[2J, café
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
