"""What the figures of measurements share: series that differ in grey, and axes with units."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, NullLocator

from pipeline.figures import style
from pipeline.lab import formats

#: Colours of Okabe and Ito, in an order whose neighbours differ in lightness; with markers that differ in shape.
_LOOKS = (
    ("#0072B2", "o"),
    ("#D55E00", "^"),
    ("#009E73", "s"),
    ("#E69F00", "D"),
    ("#000000", "v"),
    ("#56B4E9", "P"),
    ("#CC79A7", "X"),
)
GREY = "#777777"
#: Fillings of bars, from dark to light and with hatches, so that neighbours differ in grey.
FILLS: tuple[dict[str, Any], ...] = (
    {"facecolor": "#0072B2"},
    {"facecolor": "#56B4E9", "hatch": "///"},
    {"facecolor": "#D55E00"},
    {"facecolor": "#E69F00", "hatch": "..."},
    {"facecolor": "#bbbbbb"},
    {"facecolor": "#ffffff", "hatch": "xxx"},
)


def look(number: int, *, filled: bool = True) -> dict[str, Any]:
    """Keywords of the line and markers of a series."""
    colour, marker = _LOOKS[number % len(_LOOKS)]
    return {
        "color": colour,
        "marker": marker,
        "markerfacecolor": colour if filled else "white",
        "markeredgecolor": colour,
        "linestyle": "solid" if filled else (0, (4, 1.6)),
    }


def log_axes(axes: Axes, x: Any = None, y: Any = None) -> None:
    """Make axes logarithmic whose writer of ticks is given."""
    for set_scale, axis, write in ((axes.set_xscale, axes.xaxis, x), (axes.set_yscale, axes.yaxis, y)):
        if write is not None:
            set_scale("log")
            style.log_axis(axis, write)


def ticks_at(axis: Axis, values: list[float], labels: list[str]) -> None:
    """Ticks at these values and nowhere else."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels(labels)


def plain(value: float) -> str:
    """Write a tick as a plain number, or as a power of ten where that would be long.

    Examples
    --------
    >>> plain(0.1), plain(1000.0), plain(0.0001)
    ('0.1', '1,000', '10⁻⁴')
    """
    if 1e-3 <= abs(value) < 1e5 or not math.log10(value).is_integer():
        return f"{value:,.10g}"
    return formats.power_of_ten(value)


def size(value: float) -> str:
    """Write bytes: ``48 KiB``.

    Examples
    --------
    >>> print(size(49152), size(2**20), size(300))
    48 KiB 1 MiB 300 B
    """
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= scale:
            return f"{value / scale:.4g}\N{NO-BREAK SPACE}{unit}"
    return f"{value:.0f}\N{NO-BREAK SPACE}B"
