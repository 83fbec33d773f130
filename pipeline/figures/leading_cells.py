"""The best cell of each optimizer, seed by seed, and whether the seeds are enough to rank them."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.compare import Comparison
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences

_SMALLEST = 1e-6
_DOT, _BAR = "#56B4E9", "#0072B2"


def title(study: AnalysedStudy) -> str:
    """Name the leader, and the optimizers that the seeds cannot rank against it."""
    best, unranked = study.sweep.best, _unranked(study)
    leader, total = str(best["optimizer"].iloc[0]), len(best) - 1
    if not math.isfinite(best["median"].iloc[0]):
        return lang().say("No optimizer has a cell whose median final loss is finite")
    if not unranked:
        return (
            lang().say("{leader} ends lower than every other optimizer", leader=leader)
            if total
            else lang().say("The best cell of {leader}, seed by seed", leader=leader)
        )
    return lang().say(
        "{leader} ends lowest; the seeds cannot rank it against {others}",
        leader=leader,
        others=lang().listed(unranked)
        if len(unranked) < 3
        else lang().say("{n} of {total} others", n=len(unranked), total=total),
    )


def _unranked(study: AnalysedStudy) -> list[str]:
    others = zip(study.sweep.best["optimizer"], study.sweep.against_leader, strict=True)
    return [str(name) for name, other in others if other is not None and not other.ranked]


def caption(study: AnalysedStudy) -> str:
    """Say how to read it, and name the optimizers that the seeds cannot rank against the leader."""
    best, unranked = study.sweep.best, _unranked(study)
    leader, others = str(best["optimizer"].iloc[0]), lang().listed(unranked)
    return sentences(
        lang().count(
            len(study.sweep.grid.seeds),
            "The best cell of each optimizer: {n} seed.",
            "The best cell of each optimizer: {n} seeds as dots, their median with its 95 % bootstrap interval.",
        ),
        lang().say(
            "P is the share of seeds in which the leader ends lower, with its exact 95 % interval; seeds are paired, "
            "because a seed gives all cells the same initial weights and example order. Where the interval holds ½, "
            "the seeds are too few to rank the two."
        ),
        lang().say("Not to be ranked against {leader}: {others}.", leader=leader, others=others)
        if others
        else lang().say("{leader} is ahead of all others.", leader=leader)
        if len(best) > 1 and math.isfinite(best["median"].iloc[0])
        else "",
    )


def _verdict(other: Comparison | None) -> str:
    """What stands beside a row: the probability, or that the seeds are too few."""
    if other is None:
        return ""
    text = lang().local(f"P = {other.probability:.2f}\n") + lang().between(
        *(lang().local(f"{value:.2f}") for value in (other.low, other.high))
    )
    return text if other.ranked else "\n".join([text, lang().say("not ranked")])


@register(kind="sweep", title=title, caption=caption, place=2)
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
    figure = style.new_figure(height=1.8 + 0.42 * len(best))
    axes = figure.subplots()
    style.log(axes.xaxis)
    for row in range(len(best)):
        _draw_row(axes, row, study)
    cells = [
        f"{o}\nb = {b}, lr {lang().local(f'{lr:.3g}')}" if np.isfinite(lr) else str(o)
        for o, b, lr in zip(best["optimizer"], best["batch_size"], best["lr"], strict=True)
    ]
    style.rows(axes, cells, fontsize=8.5)
    axes.set_xlabel(lang().say("{loss} (log scale)", loss=lang().word(study.final_loss_name)))
    if not np.isfinite(best["median"]).any():
        style.ticks(axes.xaxis, [])
    keys = [
        style.key(lang().say("a seed"), marker="o", color=_DOT, markersize=4.5),
        style.key(lang().say("95 % interval of the median"), color=_BAR, linewidth=4, alpha=0.45),
        style.key(lang().say("median"), marker="|", color="black", markersize=12, markeredgewidth=2.5),
    ]
    style.add_legend(figure, keys)
    return figure


def _draw_row(axes: Axes, row: int, study: AnalysedStudy) -> None:
    sweep, line = study.sweep, study.sweep.best.iloc[row]
    if line["row"] < 0:
        words = lang().say("half of the runs or more diverged or failed")
        style.beside(axes, row, words, x=0.5, ha="center", fontsize=10)
        return
    losses = sweep.grid.losses[int(line["row"])]
    finite = study.excess(losses[np.isfinite(losses)], _SMALLEST)
    low, middle, high = study.excess([line["low"], line["median"], line["high"]], _SMALLEST)
    end = high if math.isfinite(high) else max(finite.max(), middle)
    style.span(axes, row, low, end, color=_BAR, linewidth=5, alpha=0.45)
    axes.plot(finite, np.full(len(finite), row), "o", color=_DOT, markersize=4)
    axes.plot([middle], [row], "|", color="black", markersize=14, markeredgewidth=2.5)
    words = _verdict(sweep.against_leader[row]) if row else lang().say("the leader")
    if len(finite) < len(losses):
        infinite = lang().say("{n} of {total} seeds infinite", n=len(losses) - len(finite), total=len(losses))
        words += f"\n{infinite}"
    style.beside(axes, row, words)
