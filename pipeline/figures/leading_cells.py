"""The best cell of each optimizer, seed by seed, and whether the seeds are enough to rank them."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.compare import Comparison
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats

_SMALLEST = 1e-6
_DOT, _BAR = "#56B4E9", "#0072B2"


def caption(study: AnalysedStudy) -> str:
    """Name the leader, and the optimizers that the seeds cannot rank against it."""
    sweep = study.sweep
    best, seeds = sweep.best, len(sweep.grid.seeds)
    text = (
        f"The best cell of each optimizer: {formats.count(seeds, 'seed')} as dots, their median with its 95 % "
        "bootstrap interval. P is the share of seeds in which the leader ends lower, with its exact 95 % interval; "
        "seeds are paired, because a seed gives all cells the same initial weights and example order. Where the "
        "interval holds ½, the seeds are too few to rank the two."
    )
    unranked = [
        str(name)
        for name, other in zip(best["optimizer"], sweep.against_leader, strict=True)
        if other is not None and not other.ranked
    ]
    if len(best) > 1 and math.isfinite(best["median"].iloc[0]):
        leader = str(best["optimizer"].iloc[0])
        text += (
            f" Not to be ranked against {leader}: {formats.listed(unranked)}."
            if unranked
            else f" {leader} is ahead of all others."
        )
    return text


def _verdict(other: Comparison | None) -> str:
    """What stands beside a row: the probability, or that the seeds are too few."""
    if other is None:
        return ""
    text = f"P = {other.probability:.2f} [{other.low:.2f}, {other.high:.2f}]"
    return text if other.ranked else f"{text}\ntoo few seeds to rank"


@register(kind="sweep", title="The leading cells", caption=caption, place=2)
def leading_cells(study: AnalysedStudy) -> Figure:
    """Draw the final losses of each optimizer's best cell, the lowest median on top.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    best = study.sweep.best
    figure = style.new_figure(height=1.5 + 0.42 * len(best))
    axes = figure.subplots()
    style.log(axes.xaxis)
    for row in range(len(best)):
        _draw_row(axes, row, study)
    cells = [
        f"{o}\nb = {b}, lr {lr:.3g}" if np.isfinite(lr) else str(o)
        for o, b, lr in zip(best["optimizer"], best["batch_size"], best["lr"], strict=True)
    ]
    style.rows(axes, cells, fontsize=8.5)
    axes.set_xlabel(f"{study.final_loss_name} (log scale)")
    if not np.isfinite(best["median"]).any():
        style.ticks(axes.xaxis, [])
    keys = [
        style.key("a seed", marker="o", color=_DOT, markersize=4.5),
        style.key("95 % interval of the median", color=_BAR, linewidth=4, alpha=0.45),
        style.key("median", marker="|", color="black", markersize=12, markeredgewidth=2.5),
    ]
    style.add_legend(figure, keys, columns=3)
    return figure


def _draw_row(axes: Axes, row: int, study: AnalysedStudy) -> None:
    sweep, line = study.sweep, study.sweep.best.iloc[row]
    if line["row"] < 0:
        style.beside(axes, row, "half of the runs or more diverged or failed", x=0.5, ha="center", fontsize=10)
        return
    losses = sweep.grid.losses[int(line["row"])]
    finite = study.excess(losses[np.isfinite(losses)], _SMALLEST)
    low, middle, high = study.excess([line["low"], line["median"], line["high"]], _SMALLEST)
    end = high if math.isfinite(high) else max(finite.max(), middle)
    style.span(axes, row, low, end, color=_BAR, linewidth=5, alpha=0.45)
    axes.plot(finite, np.full(len(finite), row), "o", color=_DOT, markersize=4)
    axes.plot([middle], [row], "|", color="black", markersize=14, markeredgewidth=2.5)
    words = _verdict(sweep.against_leader[row]) if row else "the leader"
    if len(finite) < len(losses):
        words += f"\n{len(losses) - len(finite)} of {len(losses)} seeds infinite"
    style.beside(axes, row, words)
