"""The panel that the loss figures share: how far above the minimum the runs are, and which of them leave it."""

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.cells import TARGET, curve_table, trouble, unstable
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.results import CellResults

#: Excesses are shown down to here; below, single precision has no digits left.
SMALLEST_EXCESS = 1e-7
#: The bands go from quartile to quartile.
QUARTILES = (0.25, 0.75)


#: One cell's summary curve, ready to be drawn: its excesses are in ``table``, ``marks`` says where its markers are.
_Curve = namedtuple("_Curve", "cell look table marks")


def draw_losses(study: AnalysedStudy, axis: str, label: str, write: Callable[[float], str]) -> Figure:
    """Draw the loss of every cell against one of the four clocks.

    The panel shows the decades in which the runs settle, from the initial loss to a third of where three quarters of
    the cells end: a run that explodes would crush all others. A median that leaves it for good ends in a triangle at
    the edge, a run that diverged in a cross at the upper one. Losses are the excess over the minimum, or the loss
    itself where no minimum is known. Lines are medians over seeds, bands go from quartile to quartile.

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
        _Curve(cell, looks[cell.id], _drawable(study, cell, axis), (0.02 + 0.012 * i, 0.11))
        for i, cell in enumerate(cells)
    ]
    figure = style.new_figure(height=4.7 + 0.2 * math.ceil(len(cells) / 2))
    axes = figure.subplots()
    style.log(axes.xaxis, write)
    name, kind = lang().say("loss − minimum") if study.minimum is not None else lang().say("loss"), study.loss_name
    axes.set(xlabel=label, ylabel=lang().say("{loss} ({kind}, log scale)", loss=name, kind=lang().word(kind)))
    keys = [style.key(style.note(curve.cell), linewidth=1.8, **curve.look) for curve in curves]
    if all(curve.table.empty for curve in curves):
        style.say(axes, lang().say("no readings"))
    else:
        _draw(axes, curves, axis, study)
    if any("diverged" in cell.statuses for cell in cells):
        cross = {"marker": "x", "markersize": 8, "markeredgewidth": 2}
        keys.append(style.key(lang().say("a run that diverged"), color="#555555", **cross))
    style.add_legend(figure, keys)
    return figure


def _drawable(study: AnalysedStudy, cell: CellResults, axis: str) -> pd.DataFrame:
    """A cell's excesses without the reading before the first update: a log axis has no place for 0.

    A median that became infinite stays so, and its line ends there.
    """
    table = curve_table(study.readings(cell), QUARTILES)
    table = table[table[axis] > 0]
    losses = ["low", "loss", "high"]
    table = table.assign(**dict(zip(losses, study.excess(table[losses], SMALLEST_EXCESS).T, strict=True)))
    infinite = np.flatnonzero(np.isinf(table["loss"]))
    return table.iloc[: infinite[0] + 1] if infinite.size else table


def _draw(axes: Axes, curves: Sequence[_Curve], axis: str, study: AnalysedStudy) -> None:
    style.log(axes.yaxis)
    bottom, top = _settling_range(study, [curve.table for curve in curves])
    axes.set_ylim(bottom, top)
    drawn = [curve for curve in curves if not curve.table.empty]
    for curve in sorted(drawn, key=lambda curve: -curve.table[axis].iloc[-1]):  # a longer run does not hide a shorter
        # Clamped far beyond the edges, not at them: a line must be seen to leave the panel.
        table, colour = curve.table.clip(lower=bottom / 100, upper=100 * top), curve.look["color"]
        axes.fill_between(table[axis], table["low"], table["high"], color=colour, alpha=0.16, linewidth=0)
        axes.plot(table[axis].to_numpy(), table["loss"], **curve.look, markevery=curve.marks)
        _cross_diverged(axes, curve, study.readings(curve.cell), axis)
    for line, curve in enumerate(drawn):
        _mark_leaving(axes, curve, axis, line)
    level = float(study.excess(TARGET, SMALLEST_EXCESS))
    if bottom < level < top:
        axes.axhline(level, color=style.INK, linewidth=1.2, linestyle=(0, (6, 2)))
        axes.annotate(
            lang().say("target: a loss of {target}", target=lang().local(f"{TARGET:g}")),
            (1, level),
            xytext=(0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=9,
            **style.HALO,
        )


def _settling_range(study: AnalysedStudy, tables: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """The limits: a third of where three quarters of the cells get at least; half as much again as the initial loss."""
    medians = [table["loss"][np.isfinite(table["loss"])] for table in tables]
    found = [(losses.min(), losses.iloc[0]) for losses in medians if len(losses)] or [(1e-3, 1.0)]
    initial = study.initial_loss - (study.minimum or 0.0)
    top = 1.5 * (initial if initial > 0 and math.isfinite(initial) else max(first for _, first in found))
    return min(float(np.quantile([low for low, _ in found], 0.25, method="higher")) / 3, top / 10), top


def _mark_leaving(axes: Axes, curve: _Curve, axis: str, line: int) -> None:
    """Mark where a median leaves the panel and does not come back, and name it there, each on a line of its own."""
    losses, (bottom, top) = curve.table["loss"].to_numpy(), axes.get_ylim()
    for edge, marker, outside, down in ((top, "^", losses > top, -1), (bottom, "v", losses < bottom, 1)):
        if not outside[-1]:
            continue
        inside = np.flatnonzero(~outside)
        x = float(curve.table[axis].iloc[inside[-1] + 1 if inside.size else 0])
        right = axes.transLimits.transform(axes.transScale.transform((x, edge)))[0] > 0.45
        look: Any = {"color": curve.look["color"], "clip_on": False, "zorder": 5}
        axes.plot(x, edge, marker, markersize=10, markeredgecolor="white", **look)
        offset = -9 if right else 9, down * (5 + 13 * (line % 3))
        options: Any = {"textcoords": "offset points", "ha": "right" if right else "left", "parse_math": False}
        options |= {"va": "top" if down < 0 else "bottom", "color": curve.look["color"], "fontsize": 9} | style.HALO
        axes.annotate(style.note(curve.cell), (x, edge), xytext=offset, **options)


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
    bad = [f"{formats.quoted(cell.name)} ({trouble(cell, lang())})" for cell in cells if cell.statuses.keys() != {"ok"}]
    return sentences(
        lang().count(
            max(len(cell.runs) for cell in cells),
            "A line is {n} run.",
            "Lines are medians over {n} seeds, bands go from quartile to quartile; a triangle at the edge is a median "
            "that leaves the panel for good.",
        ),
        lang().say(
            "They begin after the initial loss ({loss}), for which a log axis has no place.",
            loss=lang().loss(study.initial_loss),
        )
        if math.isfinite(study.initial_loss)
        else "",
        lang().say("Not all runs ended well: {cells}.", cells=lang().listed(bad)) if bad else "",
        *(
            lang().say(
                "{cell} starts at {start} and ends at {end}.",
                cell=formats.quoted(cell.name),
                start=lang().loss(start),
                end=lang().loss(final),
            )
            for cell, start, final in unstable(cells)
        ),
    )
