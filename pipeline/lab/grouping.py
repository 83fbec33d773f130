"""Values by key."""

from collections.abc import Iterable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Put values of one key together, wherever they are; keys and values keep their order.

    Examples
    --------
    >>> grouped((len(word), word) for word in ("sgd", "adam", "gd", "lion"))
    {3: ['sgd'], 4: ['adam', 'lion'], 2: ['gd']}
    """
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
