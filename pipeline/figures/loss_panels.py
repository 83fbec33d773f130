"""The two panels that the loss figures share: where the runs settle, and how far they stray."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.cells import curve_table, trouble, unstable
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.lab import formats
from pipeline.lab.results import CellResults

#: Excesses are shown down to here; below, single precision has no digits left.
SMALLEST_EXCESS = 1e-7
#: A lower panel that ended at the largest finite loss would hide that some are infinite.
_HEADROOM = 10.0


@dataclass(frozen=True)
class _Curve:
    """One cell's summary curve, ready to be drawn; ``marks`` says where its markers are."""

    cell: CellResults
    look: dict[str, Any]
    table: pd.DataFrame
    marks: tuple[float, float]


def draw_loss_panels(study: AnalysedStudy, axis: str, label: str, write: Callable[[float], str]) -> Figure:
    """Draw the loss of every cell against one of the four clocks, twice.

    The upper panel shows the range in which runs settle, on a linear axis; a median that leaves it
    upwards ends in a triangle at the edge. The lower one shows the excess over the minimum (the loss
    itself, where no minimum is known) on a logarithmic axis, where a diverging run is a line that
    rises and ends in a cross. Lines are medians over seeds, bands the middle 80 %.

    Parameters
    ----------
    study : AnalysedStudy
        The study.
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
    cells = list(study.cells.values())
    looks = style.cell_looks(cells)
    curves = [
        _Curve(cell, looks[cell.id], _drawable(study.readings(cell), axis), (0.02 + 0.012 * i, 0.11))
        for i, cell in enumerate(cells)
    ]
    figure = style.new_figure(height=7.2 + 0.2 * math.ceil(len(cells) / 2))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.15, 1])
    style.log(upper.xaxis, write)
    upper.set(title="Where the runs settle", ylabel=f"loss ({study.loss_name})")
    known = study.minimum is not None
    lower.set(
        title="How far they stay above the minimum" if known else "How far they stray",
        xlabel=label,
        ylabel="loss − minimum (log scale)" if known else "loss (log scale)",
    )
    keys = [style.key(style.note(curve.cell), linewidth=1.8, **curve.look) for curve in curves]
    if all(curve.table.empty for curve in curves):
        for axes in (upper, lower):
            style.say(axes, "no readings")
    else:
        if _draw_settling(upper, curves, axis, study):
            keys.append(style.key("goes on above the panel", marker="^", color="#555555", markersize=9))
        _draw_straying(lower, curves, axis, study)
    if any("diverged" in cell.statuses for cell in cells):
        cross = {"marker": "x", "markersize": 8, "markeredgewidth": 2}
        keys.append(style.key("a run that diverged", color="#555555", **cross))
    style.add_legend(figure, keys)
    return figure


def _drawable(own: pd.DataFrame, axis: str) -> pd.DataFrame:
    """A cell's summary without the reading before the first update: a log axis has no place for 0.

    A median that became infinite stays so, and its line ends there.
    """
    table = curve_table(own)
    table = table[table[axis] > 0]
    infinite = np.flatnonzero(np.isinf(table["loss"]))
    return table.iloc[: infinite[0] + 1] if infinite.size else table


def _draw(axes: Axes, curve: _Curve, axis: str, losses: pd.DataFrame) -> None:
    x = curve.table[axis].to_numpy()
    axes.fill_between(x, losses["low"], losses["high"], color=curve.look["color"], alpha=0.13, linewidth=0)
    axes.plot(x, losses["loss"], **curve.look, markevery=curve.marks)


def _draw_settling(axes: Axes, curves: Sequence[_Curve], axis: str, study: AnalysedStudy) -> bool:
    """Draw the upper panel; return whether any median leaves it upwards for good."""
    bottom, top = _settling_range(study, [curve.table for curve in curves])
    for curve in curves:
        # Clamped far above the edge, not at it: a line must be seen to leave the panel.
        _draw(axes, curve, axis, curve.table[["low", "loss", "high"]].clip(upper=100 * top))
    axes.set_ylim(bottom, top)
    leaving = [(curve, edge) for curve in curves if (edge := _leaves_at(curve.table, axis, top)) is not None]
    for line, (curve, edge) in enumerate(leaving):
        _mark_leaving(axes, edge, curve, line)
    if study.minimum is not None:
        _annotate_level(axes, study.minimum, f"least squares minimum {formats.loss(study.minimum)}")
    return bool(leaving)


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
    options: Any = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "top"}
    axes.annotate(words, (1, level), xytext=(0, -3), fontsize=8.5, color="#555555", **options)


def _mark_leaving(axes: Axes, x: float, curve: _Curve, line: int) -> None:
    """Mark where a median leaves the panel, and name it there, each on a line of its own."""
    top, colour = axes.get_ylim()[1], curve.look["color"]
    right = axes.transLimits.transform(axes.transScale.transform((x, top)))[0] > 0.55
    axes.plot(x, top, "^", color=colour, markersize=10, markeredgecolor="white", clip_on=False, zorder=5)
    options: Any = {"textcoords": "offset points", "ha": "right" if right else "left", "va": "top"}
    offset = -9 if right else 9, -4 - 13 * line
    axes.annotate(
        style.note(curve.cell), (x, top), xytext=offset, fontsize=9, color=colour, parse_math=False, **options
    )


def _settling_range(study: AnalysedStudy, summaries: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """The limits of the upper panel: from just below the least loss to 45 % of the way to the initial one.

    On the airfoil data that is 0.23 to 0.35, about what the textbook shows.
    """
    lows = [float(table["low"].min()) for table in summaries if not table.empty]
    finite = [low for low in lows if math.isfinite(low)]
    initial = study.initial_loss if math.isfinite(study.initial_loss) else max(finite, default=1.0)
    floor = study.minimum if study.minimum is not None else min(finite, default=0.0)
    reach = initial - floor if initial > floor else max(abs(initial), 1e-9)
    return floor - 0.045 * reach, floor + 0.45 * reach


def _draw_straying(axes: Axes, curves: Sequence[_Curve], axis: str, study: AnalysedStudy) -> None:
    base = study.minimum or 0.0
    values = [t.loc[np.isfinite(t["loss"]), "loss"].max() - base for t in (c.table for c in curves) if not t.empty]
    top = _HEADROOM * max([v for v in values if v > 0], default=1.0)
    for curve in curves:
        losses = (curve.table[["low", "loss", "high"]] - base).clip(lower=SMALLEST_EXCESS, upper=top)
        _draw(axes, curve, axis, losses)
    style.log(axes.yaxis, formats.power_of_ten)
    axes.set_ylim(top=top)
    if axes.get_ylim()[0] < SMALLEST_EXCESS:  # some run is that good
        axes.set_ylim(bottom=SMALLEST_EXCESS / 30)
    for curve in curves:
        _cross_diverged(axes, curve, study.readings(curve.cell), axis)
    if study.minimum is not None and axes.get_ylim()[0] < SMALLEST_EXCESS:
        _annotate_level(axes, SMALLEST_EXCESS, "single precision ends here")


def _cross_diverged(axes: Axes, curve: _Curve, own: pd.DataFrame, axis: str) -> None:
    """Cross every run that diverged, at its last reading, on the upper edge: its loss may be infinite."""
    seeds = curve.cell.runs.loc[curve.cell.runs["status"] == "diverged", "seed"]
    ends = own[own["seed"].isin(seeds)].groupby("seed")[axis].max().dropna()
    if ends.empty:  # an empty line that is not clipped would confuse the layout
        return
    places, colour = [axes.get_ylim()[1]] * len(ends), curve.look["color"]
    axes.plot(ends, places, "x", color=colour, markersize=8, markeredgewidth=2, clip_on=False)


def settings(study: AnalysedStudy) -> str:
    """Say what the lines are, and who diverged, failed or was about to: the end of both captions."""
    cells = study.cells.values()
    most = max(len(cell.runs) for cell in cells)
    text = f"Lines are medians over {formats.count(most, 'seed')}, bands hold the middle 80 %."
    if math.isfinite(study.initial_loss):
        words = formats.loss(study.initial_loss)
        text += f" They begin after the initial loss ({words}), for which a log axis has no place."
    bad = [f"{formats.quoted(cell.name)} ({trouble(cell)})" for cell in cells if cell.statuses.keys() != {"ok"}]
    if bad:
        text += f" Not all runs ended well: {formats.listed(bad)}."
    for cell, start, final in unstable(cells):
        text += f" {formats.quoted(cell.name)} starts at {formats.loss(start)} and ends at {formats.loss(final)}."
    return text
