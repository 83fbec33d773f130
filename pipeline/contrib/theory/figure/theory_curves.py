"""The mean loss over seeds against the loss that theory expects, a panel for each cell."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from pipeline.analysis.agreement import APPROXIMATION, LIMIT, PRECISION, Agreement, Array
from pipeline.analysis.cells import trouble
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, passed, sentences
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark

_MEASURED, _THEORY = "#0072B2", style.INK
#: Why there may be no prediction, which is looked up.
_REASONS = (mark("copied rows"), mark("its least squares problem is not known"), mark("no readings"))
#: Excesses are shown down to here; below, single precision has no digits left.
_SMALLEST = 1e-7


def title(study: AnalysedStudy) -> str:
    """Say how many cells agree with theory."""
    found = [one for _, _, one in study.agreements if one is not None]
    return lang().say(
        "In {n} of {total} cells the loss is what theory expects, at every reading",
        n=sum(one.agrees for one in found),
        total=len(found),
    )


def caption(study: AnalysedStudy) -> str:
    """State the rule, and for every cell the largest deviation and whether it passes."""
    found = [(cell, one) for cell, _, one in study.agreements if one is not None]
    words = [
        lang().say(
            "{cell} {z} ({verdict}; notices {best} % at best, {end} % at the end)",
            cell=formats.quoted(cell.name),
            z=lang().number(one.largest_z, 2),
            verdict=passed(one.agrees),
            best=lang().number(100 * noticed(one, study.minimum or 0.0).min(), 2),
            end=lang().number(100 * noticed(one, study.minimum or 0.0)[-1], 2),
        )
        for cell, one in found
        if len(one.steps)
    ]
    missing = grouped((reason, formats.quoted(cell.name)) for cell, reason, _ in study.agreements if reason)
    reasons = [f"{lang().listed(names)} ({lang().word(reason)})" for reason, names in missing.items()]
    return sentences(
        lang().say(
            "Dots are the mean loss over the seeds at each reading; the line is the loss that theory expects. The band "
            "holds {limit} predicted standard errors of that mean to either side. The rule: a cell passes if |z| < "
            "{limit} at every reading, where z is the deviation from theory in standard errors, less what theory may "
            "be off: {precision} of the loss, for single precision, and for one permutation an epoch {share} % of the "
            "excess, for there it is an approximation (the full batch is exact).",
            limit=f"{LIMIT:g}",
            precision=lang().number(PRECISION, 1),
            share=lang().local(f"{100 * APPROXIMATION:g}"),
        ),
        lang().say(
            "Largest |z| before anything is taken off: {cells}. What a cell notices is by how much the excess that "
            "theory expects must be wrong to leave the band, at the reading where that is least, and at the last: a "
            "cell that notices little at its end says little about the theory of its end.",
            cells="; ".join(words),
        )
        if words
        else "",
        lang().say("{n} of {total} cells pass.", n=sum(one.agrees for _, one in found), total=len(found)),
        lang().say(
            "All cells start from the same weights, seed by seed, so their first deviations are one and the same draw."
        )
        if len(found) > 1
        else "",
        lang().say("Without a prediction: {reasons}.", reasons="; ".join(reasons)) if reasons else "",
    )


def noticed(one: Agreement, minimum: float) -> Array:
    """Share by which the expected excess must be wrong, at each reading, for the rule to fail by that alone, (r,)."""
    excess = np.where(one.expected > minimum, one.expected - minimum, np.nan)  # none is left to be wrong about
    return np.asarray((LIMIT * one.error + one.allowance) / excess)


@register(
    kind="curves",
    title=title,
    caption=caption,
    place=4,
    fits=lambda study: any(one is not None for _, _, one in study.agreements),
)
def theory_curves(study: AnalysedStudy) -> Figure:
    """Draw each cell's mean loss over the seeds beside the expected loss with its band.

    Parameters
    ----------
    study : AnalysedStudy
        With cells that theory predicts.

    Returns
    -------
    Figure
    """
    names = [style.shortened(cell.name, 26) for cell, _, _ in study.agreements]
    # Axes of their own: cells differ in epochs and, by decades, in loss.
    figure, panels = style.panels(
        names, lang().say("epochs"), lang().say("loss − minimum (log scale)"), share="", legend_lines=2
    )
    for axes, (cell, reason, one) in zip(panels, study.agreements, strict=True):
        if one is not None and len(one.steps) > 1:
            _draw_panel(axes, one, study, trouble(cell, lang()))
        else:
            why = lang().word(reason) if reason else lang().say("no reading that all seeds reached")
            style.say(axes, lang().say("no prediction: {why}", why="\n".join(textwrap.wrap(why, 28))))
    keys: list[Any] = [
        style.key(lang().say("measured, mean over seeds"), color=_MEASURED, marker="o", markersize=4),
        style.key(lang().say("theory, expected"), color=_THEORY, linewidth=1.3),
        Patch(
            color=_THEORY, alpha=0.18, linewidth=0, label=lang().say("± {limit} s.e. of the mean", limit=f"{LIMIT:g}")
        ),
    ]
    style.add_legend(figure, keys)
    return figure


def _draw_panel(axes: Axes, one: Agreement, study: AnalysedStudy, bad: str) -> None:
    reach = LIMIT * one.error
    low, high, middle, dots = (
        study.excess(losses, _SMALLEST)
        for losses in (one.expected - reach, one.expected + reach, one.expected, one.measured)
    )
    axes.fill_between(one.epochs, low, high, color=_THEORY, alpha=0.18, linewidth=0)
    axes.plot(one.epochs, middle, color=_THEORY, linewidth=1.3)
    every = max(1, round(len(dots) / 25))  # a hundred dots would hide the line
    axes.plot(one.epochs[::every], dots[::every], "o", color=_MEASURED, markersize=3.6)
    style.log(axes.yaxis, formats.power_of_ten)
    drawn = np.r_[middle, dots]
    axes.set_ylim(max(drawn.min() / 3, _SMALLEST / 2), drawn.max() * 8)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if drawn.min() <= _SMALLEST:
        axes.text(
            0.97, 0.14, lang().say("single precision ends here"), transform=axes.transAxes, ha="right", fontsize=8
        )
    kind = lang().say("exact") if one.exact else lang().say("approximation")
    words = f"max |z| = {lang().number(one.largest_z, 2)}: {passed(one.agrees)}\n({kind})\n{bad}".rstrip()
    # At the left where the curve's end would be in the way.
    x, side = (0.03, "left") if dots[-1] > dots[0] else (0.97, "right")
    options: Any = {"transform": axes.transAxes, "ha": side, "va": "top", "fontsize": 8}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(x, 0.95, words, color=_THEORY if one.agrees else style.RED, bbox=box, **options)
