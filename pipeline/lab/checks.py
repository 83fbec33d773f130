"""Range checks whose message names the key, the value and what is allowed."""

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches

from pipeline.lab.errors import UserError

#: A name that is safe in a path.
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"


def number(
    key: str,
    value: float,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> None:
    """Refuse a number that is not finite or not in its range.

    Parameters
    ----------
    key : str
        The configuration key, as the user wrote it.
    value : float
        What the user gave.
    above, least, below, most : float
        The value must be ``> above``, ``>= least``, ``< below`` and ``<= most``.

    Raises
    ------
    UserError
        Naming key, value and range.
    """
    bounds = {"above": above, "at least": least, "below": below, "at most": most}
    wanted = [f"{text} {bound:g}" for text, bound in bounds.items() if math.isfinite(bound)]
    # Compared, not tested with isfinite: a whole number may be too large for a float.
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf
    if not is_number or not (value > above and value >= least and value < below and value <= most):
        raise UserError(f"{key}={value} is not allowed: it must be a finite number {' and '.join(wanted)}".rstrip())


def whole(key: str, value: int, *, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number of at least ``least`` and, if it is given, at most ``most``.

    Raises
    ------
    UserError
        Naming key, value and bounds.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most:,}"
        raise UserError(f"{key}={value} is not allowed: it must be a whole number, at least {least}{upper}")


def word(
    key: str, value: str, pattern: str = NAME, made_of: str = "letters, digits, '_', '-' and '.', at most 100"
) -> None:
    """Refuse text that is not made of what it must be made of; by default, of what is safe in a path.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    """
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise UserError(f"{key}={value!r} is not allowed: it must be made of {made_of}")


def one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a word that is not in the list, and suggest the nearest one.

    Raises
    ------
    UserError
        Naming key, value, the list, and the nearest word if there is one.
    """
    names = sorted(allowed)
    if value not in names:
        raise UserError(f"{key}={value} is not allowed: choose one of {', '.join(names)}{did_you_mean(value, names)}")


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Suggest the nearest allowed word, for the end of a sentence; empty where none is near.

    Examples
    --------
    >>> did_you_mean("sdg", ["adam", "sgd"])
    '; did you mean sgd?'
    """
    near = get_close_matches(str(word), list(allowed), n=1)
    return f"; did you mean {near[0]}?" if near else ""
