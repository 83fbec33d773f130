"""How ten optimizers are told apart where all are lines in one panel."""

from collections.abc import Sequence
from typing import Any

_COLOURS = ("#0072B2", "#D55E00", "#000000", "#009E73", "#CC79A7")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.8)), (0, (1.3, 1.3)))
_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")


def optimizer_looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give each optimizer a colour with dashes, and a marker of its own for grey prints.

    Parameters
    ----------
    names : sequence of str
        In the study's order, so that an optimizer looks the same in all figures.

    Returns
    -------
    dict
        Name to keywords for a line.
    """
    return {
        name: {
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _DASHES[i // len(_COLOURS) % len(_DASHES)],
            "marker": _MARKERS[i % len(_MARKERS)],
            "markersize": 5,
            "linewidth": 1.6,
        }
        for i, name in enumerate(names)
    }
