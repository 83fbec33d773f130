"""The best learning rate against the batch size, with the linear and the square-root rule."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.lr_scaling import LEAST_STEPS, LrScaling
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark

_INK = "#0072B2"
_LINEAR: Any = {"color": "#555555", "linestyle": (0, (4, 2)), "linewidth": 1.2}
_ROOT: Any = {"color": "#555555", "linestyle": (0, (1, 1.5)), "linewidth": 1.4}

#: What an interval of a slope can agree with.
_RULES = (mark("the linear rule"), mark("the square-root rule"), mark("both rules"), mark("neither rule"))


def _rules(study: AnalysedStudy) -> dict[str, list[str]]:
    """The optimizers that follow each rule, with their slopes."""
    slopes = study.sweep.lr_scaling
    return grouped((rule_of(one), f"{one.optimizer} {lang().number(one.slope, 2)}") for one in slopes)


def title(study: AnalysedStudy) -> str:
    """Say how many optimizers follow which rule."""
    counts = {rule: len(names) for rule, names in _rules(study).items() if rule in _RULES}
    total = sum(counts.values())
    if not counts:
        return lang().say("Best learning rate by batch size: too few batch sizes for a slope")
    parts = "; ".join(f"{lang().word(rule)} ({counts[rule]})" for rule in _RULES if rule in counts)
    return lang().say("The best rate of {total} optimizers grows with the batch by {parts}", total=total, parts=parts)


def caption(study: AnalysedStudy) -> str:
    """Say which optimizers follow the linear rule, which the square-root rule, and which neither."""
    groups = _rules(study)
    return sentences(
        lang().say(
            "The learning rate of the lowest median final loss at each batch size, with 95 % bootstrap intervals of "
            "the choice; guides start at the smallest batch. The slope is the exponent s in lr ∝ b^s, fitted where a "
            "run has at least {steps} steps (hollow points are left out), with its 95 % bootstrap interval.",
            steps=LEAST_STEPS,
        ),
        *(
            lang().say(
                "Slopes whose interval agrees with {rule}: {names}.",
                rule=lang().word(rule),
                names=lang().listed(groups[rule]),
            )
            for rule in _RULES
            if rule in groups
        ),
    )


def rule_of(one: LrScaling) -> str:
    """Which rule lies in the interval of the slope, widened by what the grid of rates can resolve.

    A shift of one grid point at one end of the range changes the slope by about a tenth; so slopes
    within 0.1 of the interval are not told apart from it.
    """
    if math.isnan(one.slope):
        return "no slope"
    rules = {"the linear rule": 1.0, "the square-root rule": 0.5}
    agrees = [name for name, slope in rules.items() if one.slope_low - 0.1 <= slope <= one.slope_high + 0.1]
    return "both rules" if len(agrees) > 1 else (agrees or ["neither rule"])[0]


@register(
    kind="sweep",
    title=title,
    caption=caption,
    place=7,
    fits=lambda study: len(study.sweep.grid.batch_sizes) > 1,
)
def best_lr_by_batch(study: AnalysedStudy) -> Figure:
    """Draw best learning rates against batch sizes on log axes, a panel for each optimizer.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    grid, sizes = study.sweep.grid, study.sweep.grid.batch_sizes
    figure, panels = style.panels(
        grid.optimizers,
        lang().say("batch size (log scale)"),
        lang().say("best rate ÷ that of the smallest batch (log scale)"),
    )
    for one, axes in zip(study.sweep.lr_scaling, panels, strict=True):
        _draw_panel(axes, one, sizes)
    axes = panels[0]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set(xlim=(min(sizes) / 1.4, max(sizes) * 1.4), ylim=(0.1, max(3.0 * max(sizes) / min(sizes), 10.0)))
    style.ticks(axes.xaxis, sizes, lambda value: f"{value:g}")
    style.ticks(axes.yaxis, None, lambda value: f"{value:g}")
    keys = [
        style.key(lang().say("best rate"), color=_INK, marker="o", markersize=4.5),
        style.key(lang().say("fit"), color=_INK, linewidth=1.4),
        style.key(lang().say("∝ b (linear)"), **_LINEAR),
        style.key("∝ √b", **_ROOT),
    ]
    style.add_legend(figure, keys, columns=4)
    return figure


def _draw_panel(axes: Axes, one: LrScaling, sizes: list[int]) -> None:
    if not len(one.batch_sizes):
        style.say(axes, lang().say("every rate diverged"))
        return
    first, base = one.batch_sizes[0], one.lrs[0]
    ends = np.array([first, max(sizes)], dtype=float)
    axes.plot(ends, ends / first, **_LINEAR)
    axes.plot(ends, np.sqrt(ends / first), **_ROOT)
    axes.vlines(one.batch_sizes, one.low / base, one.high / base, color=_INK, alpha=0.35, linewidth=4)
    for chosen, face in ((one.fitted, _INK), (~one.fitted, "white")):
        dots: Any = {"markersize": 4.5, "color": _INK, "markerfacecolor": face, "zorder": 4}
        axes.plot(one.batch_sizes[chosen], one.lrs[chosen] / base, "o", **dots)
    words = lang().say("too few batch sizes for a slope")
    if not math.isnan(one.slope):
        x = one.batch_sizes[one.fitted]
        axes.plot(x, 2 ** (one.intercept + one.slope * np.log2(x)) / base, color=_INK, linewidth=1.4)
        slope, *interval = (lang().local(f"{value:.2f}") for value in (one.slope, one.slope_low, one.slope_high))
        words = lang().say("slope {slope} {interval}", slope=slope, interval=lang().between(*interval))
    start = lang().say("lr {lr} at b = {b}", lr=lang().local(f"{base:.3g}"), b=f"{first:g}")
    axes.text(0.03, 0.95, f"{words}\n{start}", transform=axes.transAxes, va="top", fontsize=7.5)
