"""Small multiples: a panel for each optimizer, all on one scale."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.figures import style

_COLUMNS = 2
_LEFT, _RIGHT, _TOP = 0.72, 0.12, 0.46  # inches
_GAP_ACROSS, _GAP_DOWN = 0.28, 0.34
_LABEL, _LEGEND_LINE = 0.55, 0.21


def optimizer_panels(
    names: Sequence[str], x_label: str, y_label: str, *, height: float = 1.35, legend_lines: int = 1, wide: bool = False
) -> tuple[Figure, list[Axes]]:
    """Lay out a panel for each name, two in a row, that share both axes.

    Placed by hand: to find the places of ten panels out would take longer than to draw them.

    Parameters
    ----------
    names : sequence of str
        Panel titles.
    x_label, y_label : str
        What the axes of all panels say, once.
    height : float
        Of a panel, in inches.
    legend_lines : int
        Room for a legend below, in lines.
    wide : bool
        Leave the x axes of the panels their own, with ticks below each.

    Returns
    -------
    figure : Figure
    panels : list of Axes
        In the order of the names.
    """
    rows = math.ceil(len(names) / _COLUMNS)
    gap = _GAP_DOWN + (0.2 if wide else 0.0)
    bottom = _LABEL + 0.1 + _LEGEND_LINE * legend_lines
    total = _TOP + rows * height + (rows - 1) * gap + bottom
    figure = style.new_figure(height=total)
    figure.set_layout_engine("none")
    across = (style.WIDTH - _LEFT - _RIGHT - _GAP_ACROSS) / _COLUMNS
    panels: list[Axes] = []
    for i, name in enumerate(names):
        row, column = divmod(i, _COLUMNS)
        left = _LEFT + column * (across + _GAP_ACROSS)
        base = total - _TOP - (row + 1) * height - row * gap
        place = (left / style.WIDTH, base / total, across / style.WIDTH, height / total)
        shared = panels[0] if panels else None
        axes = figure.add_axes(place, sharex=None if wide else shared, sharey=shared)
        axes.set_title(name, fontsize=10, pad=3, parse_math=False)
        axes.tick_params(labelsize=8, labelleft=column == 0, labelbottom=wide or i + _COLUMNS >= len(names))
        panels.append(axes)
    middle = (_LEFT + style.WIDTH - _RIGHT) / 2 / style.WIDTH
    figure.text(middle, (bottom - 0.4) / total, x_label, ha="center", va="center")
    figure.text(0.02, (bottom + total - _TOP) / 2 / total, y_label, ha="left", va="center", rotation=90)
    return figure, panels


def legend_below(figure: Figure, handles: Sequence[Line2D | Patch], labels: Sequence[str], columns: int = 3) -> None:
    """Put a legend at the lower edge of a figure that was laid out by :func:`optimizer_panels`."""
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 0.0),
        ncols=columns,
        fontsize=8.5,
        handlelength=2.2,
        columnspacing=1.4,
        borderaxespad=0.3,
    )
