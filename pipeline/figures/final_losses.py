"""Final losses of many seeds, a cell a row, beside the means that others' seeds gave."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.cells import CellSummary, quantiles, shortened
from pipeline.figures.registry import Tables
from pipeline.lab import formats
from pipeline.lab.published import published_for
from pipeline.lab.published.values import Expected

_SPREAD, _MEAN, _EXPECTED = "#56B4E9", "#000000", "#D55E00"
#: Nothing is drawn closer to the minimum than this: rounding lies there.
_SMALLEST = 1e-6


def expected_of(cell: CellSummary) -> Expected | None:
    """What many seeds gave for a cell; None on generated data, whose minibatches are others."""
    published = published_for(cell.config)
    return None if published is None else published.expected


def agreement(cells: Sequence[CellSummary], *, offline_twin: bool) -> str:
    """Say how many means lie within three standard errors of the expected ones.

    Parameters
    ----------
    cells : sequence of CellSummary
        Those with nothing to compare with do not count.
    offline_twin : bool
        On generated data nothing is compared.

    Returns
    -------
    str
        A sentence.
    """
    if offline_twin:
        return "The expected means are those of the measured table, so nothing is compared here."
    outside = []
    compared = 0
    for cell in cells:
        expected, losses = expected_of(cell), cell.losses
        if expected is None or not np.isfinite(losses).all() or len(losses) < 2:
            continue
        compared += 1
        if abs(losses.mean() - expected.mean) > expected.interval(losses):
            outside.append(formats.quoted(cell.label))
    text = f"{compared - len(outside)} of {compared} means lie within three standard errors of the expected ones"
    return f"{text}; not so: {formats.listed(outside)}." if outside else f"{text}."


def draw_final_losses(tables: Tables, groups: Sequence[Sequence[CellSummary]]) -> Figure:
    """Draw cells in rows, a line between the groups.

    Parameters
    ----------
    tables : Tables
        The study that the cells are of.
    groups : sequence of sequences of CellSummary
        What is to be compared stands together.

    Returns
    -------
    Figure
        The middle 90 % and 50 % of the seeds as bars, the mean with three standard errors, and the expected mean.
    """
    cells = [cell for group in groups for cell in group]
    base = tables.minimum or 0.0
    figure = style.new_figure(height=1.5 + 0.36 * max(len(cells), 3))
    axes = figure.subplots()
    axes.set_xlabel("final loss" if tables.minimum is None else "final loss − minimum (log scale)")
    if not cells:
        style.say(axes, "no such cell in this study")
        return figure
    axes.set_xscale("log")
    for row, cell in enumerate(cells):
        _draw_row(axes, row, cell, base, offline_twin=tables.offline_twin)
    axes.set_yticks(range(len(cells)), [shortened(cell.note, 34) for cell in cells], fontsize=8.5)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)  # a dollar sign in a label is no formula
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    for edge in np.cumsum([len(group) for group in groups])[:-1]:
        axes.axhline(edge - 0.5, color="#999999", linewidth=0.8)
    style.log_axis(axes.xaxis, lambda value: f"{value:.6f}".rstrip("0").rstrip("."))
    style.add_legend(
        figure,
        [
            Line2D([], [], color=_SPREAD, linewidth=3),
            Line2D([], [], color=_SPREAD, linewidth=8),
            Line2D([], [], color=_MEAN, marker="o", markersize=4),
            Line2D([], [], linestyle="none", marker="D", color=_EXPECTED, markerfacecolor="none", markersize=7),
        ],
        ["middle 90 % of the seeds", "middle 50 %", "mean ± 3 standard errors", "mean of others' many seeds"],
    )
    return figure


def _draw_row(axes: Axes, row: int, cell: CellSummary, base: float, *, offline_twin: bool) -> None:
    losses = cell.losses
    if not losses.size or not np.isfinite(losses).any():
        axes.text(0.02, row, "no finite loss", transform=axes.get_yaxis_transform(), va="center", fontstyle="italic")
        return

    def place(loss: float) -> float:
        """How far above the minimum a loss lies, and no nearer than a log axis can show."""
        return max(loss - base, _SMALLEST)

    finite = losses[np.isfinite(losses)]
    for wide, ends in ((3, [0.05, 0.95]), (8, [0.25, 0.75])):
        low, high = (min(float(end), float(finite.max())) for end in quantiles(losses, ends))
        axes.plot([place(low), place(high)], [row, row], color=_SPREAD, linewidth=wide, solid_capstyle="butt")
    if len(finite) == len(losses):
        mean = float(losses.mean())
        error = 3 * float(losses.std(ddof=1)) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
        axes.plot([place(mean - error), place(mean + error)], [row, row], color=_MEAN, linewidth=1.2)
        axes.plot([place(mean)], [row], "o", color=_MEAN, markersize=4)
    expected = None if offline_twin else expected_of(cell)
    if expected is not None:
        axes.plot([place(expected.mean)], [row], "D", color=_EXPECTED, markerfacecolor="none", markersize=7)
