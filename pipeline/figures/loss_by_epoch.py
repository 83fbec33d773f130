"""Loss against epochs, which is against examples seen: what a run costs where computing is free."""

import math

from matplotlib.figure import Figure

from pipeline.analysis.cells import TARGET, costs_to_target
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.loss_panels import draw_loss_panels, settings
from pipeline.figures.registry import register
from pipeline.lab import formats


def caption(study: AnalysedStudy) -> str:
    """Say how many examples each cell needs to reach the target."""
    groups: dict[float, list[str]] = {}
    for name, examples in costs_to_target(study.cells.values(), study.curves, "examples").items():
        groups.setdefault(examples, []).append(formats.quoted(name))
    needs = [f"{examples:,.0f} ({formats.listed(groups[examples])})" for examples in sorted(groups)]
    text = "Loss against passes over the data. "
    if math.inf in groups:
        needs.pop()
    if needs:
        text += f"Examples seen until the loss is {TARGET:g} or less, in the median: {'; '.join(needs)}. "
    if math.inf in groups:
        text += f"{TARGET:g} is not reached in half of the runs or more: {formats.listed(groups[math.inf])}. "
    return text + settings(study)


@register(kind="curves", title="Loss against epochs", caption=caption, place=1)
def loss_by_epoch(study: AnalysedStudy) -> Figure:
    """Draw the loss against epochs, on a log axis, with the examples seen along the top.

    Parameters
    ----------
    study : AnalysedStudy
        Of loss curves.

    Returns
    -------
    Figure
    """
    figure = draw_loss_panels(study, "epoch", "epochs (passes over the data, log scale)", formats.tick)
    if n := study.examples:
        style.top_axis(figure.axes[0], n, "examples seen (log scale)")
    return figure
