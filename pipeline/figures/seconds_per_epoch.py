"""Seconds per epoch by batch size, every repeat a dot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.cells import trouble
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.results import CellResults

#: Colour and marker say who wrote the update rule; both differ in grey too.
_IMPLEMENTATIONS = {
    "scratch": ("from scratch", style.look(0)),
    "torch": ("torch.optim", style.look(3) | {"color": "#D55E00"}),
}


def caption(study: AnalysedStudy) -> str:
    """Say what batching buys per epoch, and what torch.optim costs against the rules from scratch."""
    medians = _medians(study)
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
    if (smallest := min(own)) != middle:
        ratio = formats.number(own[smallest] / own[middle], 2)
        text += (
            f" At b = {smallest} it takes {formats.seconds(own[smallest])}, {ratio} times as long as at b = {middle}."
        )
    return text


def _medians(study: AnalysedStudy) -> dict[tuple[str, int], float]:
    """Seconds per epoch by implementation and batch size: the median of the cells' medians, which the figure shows."""
    timed = [cell for cell in study.cells.values() if cell.seconds_per_epoch.size]
    groups = grouped(((cell.implementation, cell.batch_size), np.median(cell.seconds_per_epoch)) for cell in timed)
    return {key: float(np.median(values)) for key, values in groups.items()}


@register(kind="curves", title="Seconds per epoch", caption=caption, place=3, fits=lambda study: study.timed)
def seconds_per_epoch(study: AnalysedStudy) -> Figure:
    """Draw the seconds per epoch of every run, cells in rows ordered by batch size.

    Parameters
    ----------
    study : AnalysedStudy
        With a clock.

    Returns
    -------
    Figure
    """
    cells = sorted(study.cells.values(), key=lambda cell: (-cell.batch_size, cell.implementation))
    figure = style.new_figure(height=1.7 + 0.44 * len(cells))
    axes = figure.subplots()
    style.log(axes.xaxis, formats.tick_seconds)
    axes.set_xlabel("training time per epoch (log scale)")
    for row, cell in enumerate(cells):
        _draw_row(axes, row, cell)
    # What went wrong stands below the label: beside it there would be no room left for the panel.
    labels = [style.note(cell, 26).replace(" (" + trouble(cell), "\n(" + trouble(cell)) for cell in cells]
    style.rows(axes, labels)
    for row, cell in enumerate(cells):
        if not row or cell.batch_size != cells[row - 1].batch_size:
            style.beside(axes, row, f"b = {cell.batch_size}", fontsize=10, fontweight="bold")
            axes.axhline(row - 0.5, color="#999999", linewidth=0.8 if row else 0)
    timed = np.concatenate([cell.seconds_per_epoch for cell in cells])
    least, most = timed.min(), timed.max()
    axes.set_xlim(least / 1.5, most * 2.0 * (most / least) ** 0.22)  # room for the medians' numbers
    keys = [
        style.key(words, **look)
        for name, (words, look) in _IMPLEMENTATIONS.items()
        if name in set(study.runs["implementation"])
    ]
    median = style.key("median", marker="|", color="black", markersize=13, markeredgewidth=2.5)
    style.add_legend(figure, [*keys, median], columns=3)
    return figure


def _draw_row(axes: Axes, row: int, cell: CellResults) -> None:
    values = cell.seconds_per_epoch
    if not values.size:
        style.beside(axes, row, "no clock", x=0.02, fontsize=10, fontstyle="italic")
        return
    _, look = _IMPLEMENTATIONS[cell.implementation]
    # Spread by rank and not at random: the same table gives the same figure.
    heights = row + 0.44 * ((0.5 + 0.618 * np.arange(len(values))) % 1 - 0.5)
    axes.plot(values, heights, **look | {"linestyle": "none", "markersize": 4.5, "markeredgewidth": 0}, alpha=0.6)
    median = float(np.median(values))
    axes.plot([median], [row], "|", color="black", markersize=17, markeredgewidth=2.5)
    place = values.max(), row
    axes.annotate(formats.seconds(median), place, xytext=(8, 0), textcoords="offset points", va="center", fontsize=9)
