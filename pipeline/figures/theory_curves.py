"""The mean loss over seeds against the loss that theory expects, a panel for each cell."""

import math
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from pipeline.analysis.agreement import APPROXIMATION, LIMIT, PRECISION, Agreement, agreement, not_predicted
from pipeline.figures import style
from pipeline.figures.cells import CellSummary
from pipeline.figures.panels import legend_below
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_MEASURED, _THEORY, _FAILS = "#0072B2", "#222222", "#a30000"
#: Excesses are shown down to here; below, single precision has no digits left.
_SMALLEST = 1e-7
_COLUMNS = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.75, 0.12, 0.46, 0.78  # inches
_HEIGHT, _GAP_ACROSS, _GAP_DOWN = 1.3, 0.55, 0.5

#: A cell, why it has no prediction (or None), and how it agrees (or None).
_Row = tuple[CellSummary, str | None, Agreement | None]
_KNOWN: "WeakKeyDictionary[Tables, list[_Row]]" = WeakKeyDictionary()


def agreements(tables: Tables) -> list[_Row]:
    """Hold every cell of a study against theory; figure and caption share the answer.

    Parameters
    ----------
    tables : Tables
        One study.

    Returns
    -------
    list of tuple
        The cell; why it has no prediction, or None; its agreement, or None.
    """
    if tables not in _KNOWN:
        _KNOWN[tables] = [_row(cell, tables) for cell in tables.cells]
    return _KNOWN[tables]


def _row(cell: CellSummary, tables: Tables) -> _Row:
    if tables.problem is None:
        return cell, "its least squares problem is not known", None
    if reason := not_predicted(cell.config):
        return cell, reason, None
    own = tables.curves[tables.curves["cell_id"] == cell.cell_id]
    if own.empty:
        return cell, "no readings", None
    return cell, None, agreement(tables.problem, cell.config, own)


def caption(tables: Tables) -> str:
    """State the rule, and for every cell the largest deviation and whether it passes."""
    rows = agreements(tables)
    found = [(cell, one) for cell, _, one in rows if one is not None]
    text = "Dots are the mean loss over the seeds at each reading; the line is the loss that theory expects. "
    if found:
        text += (
            f"The band holds {LIMIT:g} predicted standard errors of that mean to either side. The rule: a cell passes "
            f"if |z| < {LIMIT:g} at every reading, where z is the deviation from theory in standard errors, less what "
            f"theory may be off: {formats.number(PRECISION, 1)} of the loss, for single precision, and for one "
            f"permutation an epoch {100 * APPROXIMATION:g} % of the excess, for there it is an approximation (the full "
            "batch is exact). "
            "Largest |z| before anything is taken off: "
        )
        words = [f"{formats.quoted(cell.label)} {_verdict(one)}" for cell, one in found]
        passed = sum(one.agrees for _, one in found)
        text += f"{'; '.join(words)}. {passed} of {formats.count(len(found), 'cell')} pass."
        text += (
            " All cells start from the same weights, seed by seed, so their first deviations are one and the same draw."
        )
    missing: dict[str, list[str]] = {}
    for cell, reason, _ in rows:
        if reason is not None:
            missing.setdefault(reason, []).append(formats.quoted(cell.label))
    if missing:
        reasons = [f"{formats.listed(labels)} ({reason})" for reason, labels in missing.items()]
        text += f"{' ' if found else ''}Without a prediction: {'; '.join(reasons)}."
    return text


def _verdict(one: Agreement) -> str:
    return f"{formats.number(one.largest_z, 2)} ({'pass' if one.agrees else 'FAIL'})"


@register(title="Measured loss against exact theory", study="textbook", caption=caption)
def theory_curves(tables: Tables) -> Figure:
    """Draw each cell's mean loss over the seeds beside the expected loss with its band.

    Parameters
    ----------
    tables : Tables
        One study.

    Returns
    -------
    Figure
    """
    rows = agreements(tables)
    figure, panels = _panels(len(rows))
    for axes, (cell, reason, one) in zip(panels, rows, strict=True):
        axes.set_title(cell.note, fontsize=10, pad=3, parse_math=False)
        if one is not None and len(one.steps) > 1:
            _draw_panel(axes, one, tables)
        else:
            style.say(axes, f"no prediction:\n{reason or 'no reading that all seeds reached'}")
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=_MEASURED, marker="o", markersize=4, linestyle="none"),
        Line2D([], [], color=_THEORY, linewidth=1.3),
        Patch(color=_THEORY, alpha=0.18, linewidth=0),
    ]
    legend_below(figure, handles, ["measured, mean over seeds", "theory, expected", f"± {LIMIT:g} s.e. of the mean"])
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Panels with axes of their own: cells differ in epochs and, by decades, in loss. Placed by hand, to be quick."""
    rows = math.ceil(count / _COLUMNS)
    total = _TOP + rows * _HEIGHT + (rows - 1) * _GAP_DOWN + _BOTTOM
    figure = style.new_figure(height=total)
    figure.set_layout_engine("none")
    across = (style.WIDTH - _LEFT - _RIGHT - _GAP_ACROSS) / _COLUMNS
    panels = []
    for i in range(count):
        row, column = divmod(i, _COLUMNS)
        left, base = _LEFT + column * (across + _GAP_ACROSS), total - _TOP - (row + 1) * _HEIGHT - row * _GAP_DOWN
        place = (left / style.WIDTH, base / total, across / style.WIDTH, _HEIGHT / total)
        panels.append(figure.add_axes(place))
    figure.text(0.55, 0.4 / total, "epochs", ha="center", va="center")
    middle = (_BOTTOM + total - _TOP) / 2 / total
    figure.text(0.02, middle, "loss − minimum (log scale)", ha="left", va="center", rotation=90)
    return figure, panels


def _draw_panel(axes: Axes, one: Agreement, tables: Tables) -> None:
    minimum = tables.minimum or 0.0
    reach = LIMIT * one.error
    low, high, middle, dots = (
        np.maximum(values - minimum, _SMALLEST)
        for values in (one.expected - reach, one.expected + reach, one.expected, one.measured)
    )
    axes.fill_between(one.epochs, low, high, color=_THEORY, alpha=0.18, linewidth=0)
    axes.plot(one.epochs, middle, color=_THEORY, linewidth=1.3)
    every = max(1, round(len(dots) / 25))  # a hundred dots would hide the line
    axes.plot(one.epochs[::every], dots[::every], "o", color=_MEASURED, markersize=3.6)
    axes.set_yscale("log")
    drawn = np.r_[middle, dots]
    axes.set_ylim(max(drawn.min() / 3, _SMALLEST / 2), drawn.max() * 8)
    style.log_axis(axes.yaxis, formats.power_of_ten)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(labelsize=8.5)
    if drawn.min() <= _SMALLEST:
        axes.text(0.97, 0.14, "single precision ends here", transform=axes.transAxes, ha="right", fontsize=8)
    kind = "exact" if one.exact else "approximation"
    rising = dots[-1] > dots[0]  # then its end is where the words would be
    axes.text(
        0.03 if rising else 0.97,
        0.95,
        f"max |z| = {formats.number(one.largest_z, 2)}: {'pass' if one.agrees else 'FAIL'} ({kind})",
        transform=axes.transAxes,
        ha="left" if rising else "right",
        va="top",
        fontsize=8.5,
        color=_THEORY if one.agrees else _FAILS,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    )
