"""The two panels that the loss figures share: where the runs settle, and how far they stray."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.cells import CellSummary, curve_table, unstable
from pipeline.figures.registry import Tables
from pipeline.lab import formats

#: Excesses are shown down to here; below, single precision has no digits left.
SMALLEST_EXCESS = 1e-7
#: A lower panel that ended at the largest finite loss would hide that some are infinite.
_HEADROOM = 10.0


@dataclass(frozen=True)
class _Curve:
    """One cell's summary curve, ready to be drawn."""

    cell: CellSummary
    style: style.CellStyle
    table: pd.DataFrame


def draw_loss_panels(tables: Tables, axis: str, label: str, write: Callable[[float], str]) -> Figure:
    """Draw the loss of every cell against one of the four clocks, twice.

    The upper panel shows the range in which runs settle, on a linear axis; a median that leaves it
    upwards ends in a triangle at the edge. The lower one shows the excess over the minimum (the loss
    itself, where no minimum is known) on a logarithmic axis, where a diverging run is a line that
    rises and ends in a cross. Lines are medians over seeds, bands the middle 80 %.

    Parameters
    ----------
    tables : Tables
        One study.
    axis : str
        The column of the curves to draw against: ``seconds``, ``examples`` or ``epoch``.
    label : str
        What the x axis says.
    write : callable
        Writes a value of the x axis.

    Returns
    -------
    Figure
    """
    cells = tables.cells
    looks = style.cell_styles(cells)
    curves = [_Curve(cell, looks[cell.cell_id], _drawable(cell, tables, axis)) for cell in cells]
    figure = style.new_figure(height=7.2 + 0.2 * math.ceil(len(cells) / 2))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.15, 1])
    for axes in (upper, lower):
        axes.set_xscale("log")
        style.log_axis(axes.xaxis, write)
    _name_panels(upper, lower, label, tables.minimum)
    leaving = 0
    if all(curve.table.empty for curve in curves):
        for axes in (upper, lower):
            style.say(axes, f"no run has {'a clock' if axis == 'seconds' else 'readings'}")
    else:
        leaving = _draw_settling(upper, curves, axis, tables)
        _draw_straying(lower, curves, axis, tables)
    _add_legend(figure, curves, leaving)
    return figure


def _drawable(cell: CellSummary, tables: Tables, axis: str) -> pd.DataFrame:
    """The cell's summary without the reading before the first update: a log axis has no place for 0.

    A median that became infinite stays so, and its line ends there.
    """
    table = curve_table(cell, tables.curves)
    table = table[table[axis] > 0]
    infinite = np.flatnonzero(np.isinf(table["loss"]))
    return table.iloc[: infinite[0] + 1] if infinite.size else table


def _name_panels(upper: Axes, lower: Axes, label: str, minimum: float | None) -> None:
    upper.set_title("Where the runs settle")
    upper.set_ylabel("loss (half mean squared error)")
    lower.set_xlabel(label)
    if minimum is None:
        lower.set_title("How far they stray")
        lower.set_ylabel("loss (log scale)")
    else:
        lower.set_title("How far they stay above the minimum")
        lower.set_ylabel("loss − minimum (log scale)")


def _draw_settling(axes: Axes, curves: Sequence[_Curve], axis: str, tables: Tables) -> int:
    """Draw the upper panel; return how many medians leave it upwards for good."""
    bottom, top = settling_range(tables, [curve.table for curve in curves])
    for i, curve in enumerate(curves):
        x, table = curve.table[axis].to_numpy(), curve.table
        # Clamped far above the edge, not at it: a line must be seen to leave the panel.
        clamped = table[["low", "loss", "high"]].clip(upper=100 * top)
        axes.fill_between(x, clamped["low"], clamped["high"], color=curve.style.colour, alpha=0.13, linewidth=0)
        axes.plot(x, clamped["loss"], **curve.style.line(), markevery=(0.02 + 0.012 * i, 0.11))
    axes.set_ylim(bottom, top)
    leaving = [(curve, edge) for curve in curves if (edge := _leaves_at(curve.table, axis, top)) is not None]
    for line, (curve, edge) in enumerate(leaving):
        _mark_leaving(axes, edge, curve, line)
    if tables.minimum is not None:
        _annotate_level(axes, tables.minimum, f"least squares minimum {formats.loss(tables.minimum)}")
    return len(leaving)


def _leaves_at(table: pd.DataFrame, axis: str, top: float) -> float | None:
    """Where on the x axis a median rises above the panel and does not come back."""
    above = (table["loss"] > top).to_numpy()
    if not (above.size and above[-1]):
        return None
    inside = np.flatnonzero(~above)
    return float(table[axis].iloc[inside[-1] + 1 if inside.size else 0])


def _annotate_level(axes: Axes, level: float, words: str) -> None:
    """Rule a line across a panel, and say below it, at the right, what it is."""
    axes.axhline(level, color="#555555", linewidth=1, linestyle=(0, (2, 2)))
    axes.annotate(
        words,
        (1, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8.5,
        color="#555555",
    )


def _mark_leaving(axes: Axes, x: float, curve: _Curve, line: int) -> None:
    """Mark where a median leaves the panel, and name it there, each on a line of its own."""
    top = axes.get_ylim()[1]
    right = axes.transLimits.transform(axes.transScale.transform((x, top)))[0] > 0.55
    axes.plot(x, top, "^", color=curve.style.colour, markersize=10, markeredgecolor="white", clip_on=False, zorder=5)
    axes.annotate(
        curve.cell.note,
        (x, top),
        xytext=(-9 if right else 9, -4 - 13 * line),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        fontsize=9,
        color=curve.style.colour,
        parse_math=False,
    )


def settling_range(tables: Tables, summaries: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """The limits of the upper panel: from just below the least loss to 45 % of the way to the initial one.

    On the airfoil data that is 0.23 to 0.35, about what the textbook shows.

    Parameters
    ----------
    tables : Tables
        One study.
    summaries : sequence of DataFrame
        As of :func:`pipeline.figures.cells.curve_table`.

    Returns
    -------
    bottom, top : float
    """
    lows = [float(table["low"].min()) for table in summaries if not table.empty]
    finite = [low for low in lows if math.isfinite(low)]
    initial = float(tables.runs["initial_loss"].astype(float).median())
    if not math.isfinite(initial):
        initial = max(finite, default=1.0)
    floor = tables.minimum if tables.minimum is not None else min(finite, default=0.0)
    reach = initial - floor if initial > floor else max(abs(initial), 1e-9)
    return floor - 0.045 * reach, floor + 0.45 * reach


def _draw_straying(axes: Axes, curves: Sequence[_Curve], axis: str, tables: Tables) -> None:
    base = tables.minimum or 0.0
    values = [t.loc[np.isfinite(t["loss"]), "loss"].max() - base for t in (c.table for c in curves) if not t.empty]
    top = _HEADROOM * max([v for v in values if v > 0], default=1.0)
    for i, curve in enumerate(curves):
        x = curve.table[axis].to_numpy()
        excess = (curve.table[["low", "loss", "high"]] - base).clip(lower=SMALLEST_EXCESS, upper=top)
        axes.fill_between(x, excess["low"], excess["high"], color=curve.style.colour, alpha=0.13, linewidth=0)
        axes.plot(x, excess["loss"], **curve.style.line(), markevery=(0.02 + 0.012 * i, 0.11))
    axes.set_yscale("log")
    style.log_axis(axes.yaxis, formats.power_of_ten)
    axes.set_ylim(top=top)
    if axes.get_ylim()[0] < SMALLEST_EXCESS:  # some run is that good
        axes.set_ylim(bottom=SMALLEST_EXCESS / 30)
    for curve in curves:
        _cross_diverged(axes, curve, axis, tables.curves)
    if tables.minimum is not None and axes.get_ylim()[0] < SMALLEST_EXCESS:
        _annotate_level(axes, SMALLEST_EXCESS, "single precision ends here")


def _cross_diverged(axes: Axes, curve: _Curve, axis: str, curves: pd.DataFrame) -> None:
    """Cross every run that diverged, at its last reading, on the upper edge: its loss may be infinite."""
    seeds = curve.cell.runs.loc[curve.cell.runs["status"] == "diverged", "seed"]
    own = curves[(curves["cell_id"] == curve.cell.cell_id) & curves["seed"].isin(seeds)]
    ends = own.groupby("seed")[axis].max().dropna()
    if ends.empty:  # an empty line that is not clipped would confuse the layout
        return
    top = axes.get_ylim()[1]
    axes.plot(ends, [top] * len(ends), "x", color=curve.style.colour, markersize=8, markeredgewidth=2, clip_on=False)


def _add_legend(figure: Figure, curves: Sequence[_Curve], leaving: int) -> None:
    handles = [Line2D([], [], **curve.style.line()) for curve in curves]
    labels = [curve.cell.note for curve in curves]
    if leaving:
        handles.append(Line2D([], [], linestyle="none", marker="^", color="#555555", markersize=9))
        labels.append("goes on above the panel")
    if any("diverged" in curve.cell.statuses for curve in curves):
        handles.append(Line2D([], [], linestyle="none", marker="x", color="#555555", markersize=8, markeredgewidth=2))
        labels.append("a run that diverged")
    style.add_legend(figure, handles, labels)


def settings(tables: Tables) -> str:
    """Say what the lines are, and who diverged, failed or was about to: the end of both captions."""
    cells = tables.cells
    most = max(len(cell.runs) for cell in cells)
    text = f"Lines are medians over {formats.count(most, 'seed')}, bands hold the middle 80 %."
    initial = float(tables.runs["initial_loss"].astype(float).median())
    if math.isfinite(initial):
        text += f" They begin after the initial loss ({formats.loss(initial)}), for which a log axis has no place."
    bad = [f"{formats.quoted(cell.label)} ({cell.trouble})" for cell in cells if cell.trouble]
    if bad:
        text += f" Not all runs ended well: {formats.listed(bad)}."
    for cell, start, final in unstable(cells):
        text += f" {formats.quoted(cell.label)} starts at {formats.loss(start)} and ends at {formats.loss(final)}."
    return text
