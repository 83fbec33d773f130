"""Seconds per epoch by batch size, every repeat a dot."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.cells import CellSummary, shortened
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

#: Colour and marker say who wrote the update rule; both differ in grey too.
_IMPLEMENTATIONS: dict[str, dict[str, Any]] = {
    "scratch": {"color": "#0072B2", "marker": "o"},
    "torch": {"color": "#D55E00", "marker": "D"},
}
_OTHER = {"color": "#555555", "marker": "s"}


def caption(tables: Tables) -> str:
    """Say what batching buys per epoch, and what torch.optim costs against the rules from scratch."""
    medians = _medians(tables)
    if not medians:
        return "No run has a clock, so seconds per epoch are not known; stacked runs never have one."
    text = "Training seconds per epoch: a dot is a run, a bar the median of a cell."
    own = {b: value for (implementation, b), value in medians.items() if implementation == "scratch"}
    if len(own) > 1:
        text += f" {_extremes(own)}"
    for b in sorted({b for _, b in medians}):
        scratch, torch = medians.get(("scratch", b)), medians.get(("torch", b))
        if scratch and torch:
            text += f" At b = {b}, torch.optim takes {formats.number(torch / scratch, 2)} times as long as scratch."
    return text


def _extremes(own: dict[int, float]) -> str:
    """Compare the full batch, or the largest there is, with the next smaller one and with the smallest."""
    *_, middle, largest = sorted(own)
    quick, slow = (largest, middle) if own[largest] <= own[middle] else (middle, largest)
    text = (
        f"From scratch, an epoch at b = {quick} ({formats.seconds(own[quick])}) is faster than one at b = {slow} "
        f"({formats.seconds(own[slow])}), by a factor of {formats.number(own[slow] / own[quick], 2)}."
    )
    smallest = min(own)
    if smallest not in (middle, largest):
        ratio = formats.number(own[smallest] / own[middle], 2)
        text += (
            f" At b = {smallest} it takes {formats.seconds(own[smallest])}, {ratio} times as long as at b = {middle}."
        )
    return text


def _medians(tables: Tables) -> dict[tuple[str, int], float]:
    """Seconds per epoch by implementation and batch size: the median of the cells' medians, which the figure shows."""
    groups: dict[tuple[str, int], list[float]] = {}
    for cell in tables.cells:
        if cell.seconds_per_epoch.size:
            own = float(np.median(cell.seconds_per_epoch))
            groups.setdefault((cell.implementation, cell.batch_size), []).append(own)
    return {key: float(np.median(values)) for key, values in groups.items()}


@register(title="Seconds per epoch", study="textbook", caption=caption)
def seconds_per_epoch(tables: Tables) -> Figure:
    """Draw the seconds per epoch of every run, cells in rows ordered by batch size.

    Parameters
    ----------
    tables : Tables
        One study.

    Returns
    -------
    Figure
    """
    cells = sorted(tables.cells, key=lambda cell: (cell.batch_size, cell.implementation))
    figure = style.new_figure(height=1.9 + 0.42 * len(cells))
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlabel("training time per epoch (log scale)")
    style.log_axis(axes.xaxis, formats.tick_seconds)
    axes.set_title("Every run, by batch size b")
    for row, cell in enumerate(cells):
        _draw_row(axes, row, cell)
    _name_rows(axes, cells)
    timed = [cell.seconds_per_epoch for cell in cells if cell.seconds_per_epoch.size]
    if timed:
        least, most = np.concatenate(timed).min(), np.concatenate(timed).max()
        axes.set_xlim(least / 1.5, most * 2.0 * (most / least) ** 0.22)  # room for the medians' numbers
    drawn = sorted({cell.implementation for cell in cells})
    handles = [Line2D([], [], linestyle="none", **_IMPLEMENTATIONS.get(name, _OTHER)) for name in drawn]
    handles.append(Line2D([], [], linestyle="none", marker="|", color="black", markersize=13, markeredgewidth=2.5))
    names = {"scratch": "from scratch", "torch": "torch.optim"}
    style.add_legend(figure, handles, [*(names.get(name, name) for name in drawn), "median"], columns=3)
    return figure


def _draw_row(axes: Axes, row: int, cell: CellSummary) -> None:
    values = cell.seconds_per_epoch
    look = _IMPLEMENTATIONS.get(cell.implementation, _OTHER)
    if not values.size:
        axes.text(0.02, row, "no clock", transform=axes.get_yaxis_transform(), va="center", fontstyle="italic")
        return
    # Spread by rank and not at random: the same table gives the same figure.
    heights = row + 0.44 * ((0.5 + 0.618 * np.arange(len(values))) % 1 - 0.5)
    axes.plot(values, heights, linestyle="none", markersize=4.5, alpha=0.6, markeredgewidth=0, **look)
    median = float(np.median(values))
    axes.plot([median], [row], "|", color="black", markersize=17, markeredgewidth=2.5)
    axes.annotate(
        formats.seconds(median),
        (values.max(), row),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
    )


def _name_rows(axes: Axes, cells: Sequence[CellSummary]) -> None:
    """Write the batch size before each group of rows, and rule a line between the groups."""
    axes.set_yticks(range(len(cells)), [_row_label(cell) for cell in cells])
    for text in axes.get_yticklabels():
        text.set_parse_math(False)  # a dollar sign in a label is no formula
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    before = math.nan
    for row, cell in enumerate(cells):
        if cell.batch_size != before:
            axes.text(
                1.02,
                row,
                f"b = {cell.batch_size}",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontweight="bold",
            )
            if row:
                axes.axhline(row - 0.5, color="#999999", linewidth=0.8)
        before = cell.batch_size


def _row_label(cell: CellSummary) -> str:
    """The label, and below it what went wrong: beside it there would be no room left for the panel."""
    return f"{shortened(cell.label, 26)}\n({cell.trouble})" if cell.trouble else shortened(cell.label, 26)
