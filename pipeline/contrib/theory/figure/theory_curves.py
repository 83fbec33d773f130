"""The mean loss over seeds against the loss that theory expects, a panel for each cell."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from pipeline.analysis.agreement import APPROXIMATION, LIMIT, PRECISION, Agreement, Array
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.lab.grouping import grouped

_MEASURED, _THEORY = "#0072B2", style.INK
#: Excesses are shown down to here; below, single precision has no digits left.
_SMALLEST = 1e-7


def caption(study: AnalysedStudy) -> str:
    """State the rule, and for every cell the largest deviation and whether it passes."""
    found = [(cell, one) for cell, _, one in study.agreements if one is not None]
    text = (
        "Dots are the mean loss over the seeds at each reading; the line is the loss that theory expects. "
        f"The band holds {LIMIT:g} predicted standard errors of that mean to either side. The rule: a cell passes "
        f"if |z| < {LIMIT:g} at every reading, where z is the deviation from theory in standard errors, less what "
        f"theory may be off: {formats.number(PRECISION, 1)} of the loss, for single precision, and for one "
        f"permutation an epoch {100 * APPROXIMATION:g} % of the excess, for there it is an approximation (the full "
        "batch is exact). Largest |z| before anything is taken off: "
    )
    words = [
        f"{formats.quoted(cell.name)} {formats.number(one.largest_z, 2)} ({_verdict(one)}; notices "
        f"{formats.number(100 * noticed(one, study.minimum or 0.0).min(), 2)} % at best, "
        f"{formats.number(100 * noticed(one, study.minimum or 0.0)[-1], 2)} % at the end)"
        for cell, one in found
        if len(one.steps)
    ]
    passed = sum(one.agrees for _, one in found)
    text += (
        f"{'; '.join(words)}. What a cell notices is by how much the excess that theory expects must be wrong to leave "
        "the band, at the reading where that is least, and at the last: a cell that notices little at its end says "
        f"little about the theory of its end. {passed} of {formats.count(len(found), 'cell')} pass."
    )
    if len(found) > 1:
        text += (
            " All cells start from the same weights, seed by seed, so their first deviations are one and the same draw."
        )
    missing = grouped((reason, formats.quoted(cell.name)) for cell, reason, _ in study.agreements if reason)
    if missing:
        reasons = [f"{formats.listed(names)} ({reason})" for reason, names in missing.items()]
        text += f" Without a prediction: {'; '.join(reasons)}."
    return text


def noticed(one: Agreement, minimum: float) -> Array:
    """Share by which the expected excess must be wrong, at each reading, for the rule to fail by that alone, (r,)."""
    excess = np.where(one.expected > minimum, one.expected - minimum, np.nan)  # none is left to be wrong about
    return np.asarray((LIMIT * one.error + one.allowance) / excess)


def _verdict(one: Agreement) -> str:
    return "pass" if one.agrees else "FAIL"


@register(
    kind="curves",
    title="Measured loss against theory",
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
    names = [style.note(cell) for cell, _, _ in study.agreements]
    # Axes of their own: cells differ in epochs and, by decades, in loss.
    figure, panels = style.panels(names, "epochs", "loss − minimum (log scale)", share="")
    for axes, (_, reason, one) in zip(panels, study.agreements, strict=True):
        if one is not None and len(one.steps) > 1:
            _draw_panel(axes, one, study)
        else:
            style.say(axes, f"no prediction:\n{reason or 'no reading that all seeds reached'}")
    keys: list[Any] = [
        style.key("measured, mean over seeds", color=_MEASURED, marker="o", markersize=4),
        style.key("theory, expected", color=_THEORY, linewidth=1.3),
        Patch(color=_THEORY, alpha=0.18, linewidth=0, label=f"± {LIMIT:g} s.e. of the mean"),
    ]
    style.add_legend(figure, keys, columns=3)
    return figure


def _draw_panel(axes: Axes, one: Agreement, study: AnalysedStudy) -> None:
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
        axes.text(0.97, 0.14, "single precision ends here", transform=axes.transAxes, ha="right", fontsize=8)
    kind = "exact" if one.exact else "approximation"
    words = f"max |z| = {formats.number(one.largest_z, 2)}: {_verdict(one)} ({kind})"
    # At the left where the curve's end would be in the way.
    x, side = (0.03, "left") if dots[-1] > dots[0] else (0.97, "right")
    options: Any = {"transform": axes.transAxes, "ha": side, "va": "top", "fontsize": 8.5}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(x, 0.95, words, color=_THEORY if one.agrees else style.RED, bbox=box, **options)
