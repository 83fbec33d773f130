"""Seconds per epoch by batch size, every repeat a dot."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.cells import trouble
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark
from pipeline.lab.results import CellResults

#: Colour and marker say who wrote the update rule; both differ in grey too.
_IMPLEMENTATIONS = {
    "scratch": (mark("from scratch"), style.look(0)),
    "torch": ("torch.optim", style.look(3) | {"color": "#D55E00"}),
}


def title(study: AnalysedStudy) -> str:
    """Compare the quickest and the slowest batch size."""
    medians = sorted((value, str(b)) for (_, b), value in _medians(study).items())
    (least, quick), (most, slow) = medians[0], medians[-1]
    if quick == slow:
        return lang().say("An epoch at b = {b} takes {seconds}", b=quick, seconds=lang().seconds(least))
    return lang().say(
        "An epoch takes {most} at b = {slow} and {least} at b = {quick}: {times} times as long",
        **{"most": lang().seconds(most), "slow": slow, "least": lang().seconds(least), "quick": quick},
        times=lang().number(most / least, 2),
    )


def caption(study: AnalysedStudy) -> str:
    """Say what batching buys per epoch, and what torch.optim costs against the rules from scratch."""
    medians = _medians(study)
    own, torch = ({b: value for (kind, b), value in medians.items() if kind == name} for name in _IMPLEMENTATIONS)
    found = [lang().say("{seconds} at b = {b}", seconds=lang().seconds(own[b]), b=str(b)) for b in sorted(own)]
    return sentences(
        lang().say("Training seconds per epoch: a dot is a run, a bar the median of a cell."),
        lang().say("From scratch, in the median: {found}.", found=lang().listed(found)) if found else "",
        *(
            lang().say(
                "At b = {b}, torch.optim takes {times} times as long as scratch.",
                b=str(b),
                times=lang().number(torch[b] / own[b], 2),
            )
            for b in sorted(own.keys() & torch.keys())
        ),
    )


def _medians(study: AnalysedStudy) -> dict[tuple[str, int], float]:
    """Seconds per epoch by implementation and batch size: the median of the cells' medians, which the figure shows."""
    timed = [cell for cell in study.cells.values() if cell.seconds_per_epoch.size]
    groups = grouped(((cell.implementation, cell.batch_size), np.median(cell.seconds_per_epoch)) for cell in timed)
    return {key: float(np.median(values)) for key, values in groups.items()}


@register(kind="curves", title=title, caption=caption, place=3, fits=lambda study: study.timed)
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
    figure = style.new_figure(height=2.0 + 0.4 * len(cells))
    axes = figure.subplots()
    style.log(axes.xaxis, formats.tick_seconds)
    axes.set_xlabel(lang().say("training time per epoch (log scale)"))
    # What went wrong stands below the label: beside it there would be no room left for the panel.
    labels = [
        style.note(cell, 26).replace(" (" + trouble(cell, lang()), "\n(" + trouble(cell, lang())) for cell in cells
    ]
    style.rows(axes, labels)
    for row, cell in enumerate(cells):
        _draw_row(axes, row, cell)
        if not row or cell.batch_size != cells[row - 1].batch_size:
            style.beside(axes, row, f"b = {cell.batch_size}", fontsize=10, fontweight="bold")
            axes.axhline(row - 0.5, color="#999999", linewidth=0.8 if row else 0)
    timed = np.concatenate([cell.seconds_per_epoch for cell in cells])
    least, most = timed.min(), timed.max()
    axes.set_xlim(least / 1.5, most * 2.0 * (most / least) ** 0.22)  # room for the medians' numbers
    keys = [
        style.key(lang().word(words), **look)
        for name, (words, look) in _IMPLEMENTATIONS.items()
        if name in set(study.runs["implementation"])
    ]
    keys.append(style.key(lang().say("median"), marker="|", color="black", markersize=13, markeredgewidth=2.5))
    style.add_legend(figure, keys, columns=3)
    return figure


def _draw_row(axes: Axes, row: int, cell: CellResults) -> None:
    values = cell.seconds_per_epoch
    if not values.size:
        style.beside(axes, row, lang().say("no clock"), x=0.02, fontsize=10, fontstyle="italic")
        return
    _, look = _IMPLEMENTATIONS[cell.implementation]
    # Spread by rank and not at random: the same table gives the same figure.
    heights = row + 0.44 * ((0.5 + 0.618 * np.arange(len(values))) % 1 - 0.5)
    axes.plot(values, heights, **look | {"linestyle": "none", "markersize": 4.5, "markeredgewidth": 0}, alpha=0.6)
    median = float(np.median(values))
    axes.plot([median], [row], "|", color="black", markersize=17, markeredgewidth=2.5)
    axes.annotate(
        lang().seconds(median),
        (float(values.max()), row),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
    )
