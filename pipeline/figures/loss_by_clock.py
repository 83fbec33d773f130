"""Loss against epochs and against training seconds: what a run costs where computing is free, and where it is not."""

import math

from matplotlib.figure import Figure

from pipeline.analysis.cells import TARGET, costs_to_target
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.loss_panels import draw_loss_panels, settings
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.lab.grouping import grouped


def epoch_caption(study: AnalysedStudy) -> str:
    """Say how many examples each cell needs to reach the target."""
    costs = costs_to_target(study.cells.values(), study.curves, "examples")
    groups = grouped((examples, formats.quoted(name)) for name, examples in costs.items())
    needs = [f"{examples:,.0f} ({formats.listed(groups[examples])})" for examples in sorted(groups)]
    text = "Loss against passes over the data. "
    if math.inf in groups:
        needs.pop()
    if needs:
        text += f"Examples seen until the loss is {TARGET:g} or less, in the median: {'; '.join(needs)}. "
    if math.inf in groups:
        text += f"{TARGET:g} is not reached in half of the runs or more: {formats.listed(groups[math.inf])}. "
    return text + settings(study)


@register(kind="curves", title="Loss against epochs", caption=epoch_caption, place=1)
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


def time_caption(study: AnalysedStudy) -> str:
    """Say which cell reaches the target first, in seconds, and which never do."""
    costs = costs_to_target(study.cells.values(), study.curves, "seconds")
    reached = sorted((cost, formats.quoted(name)) for name, cost in costs.items() if math.isfinite(cost))
    never = [formats.quoted(name) for name, cost in costs.items() if math.isinf(cost)]
    text = "Loss against training seconds; evaluation is not timed."
    if reached:
        order = [f"{name} in {formats.seconds(cost)}" for cost, name in reached]
        text += f" A loss of {TARGET:g} is reached, in the median, by {formats.listed(order)}."
    if len(reached) > 1:
        times = formats.number(reached[-1][0] / reached[0][0], 2)
        text += f" The slowest of these takes {times} times as long as the fastest."
    if never:
        text += f" In half of their runs or more, {formats.listed(never)} never reach it."
    return f"{text} {settings(study)}"


@register(
    kind="curves",
    title="Loss against training time",
    caption=time_caption,
    place=2,
    fits=lambda study: study.timed,
)
def loss_by_time(study: AnalysedStudy) -> Figure:
    """Draw the loss against training seconds, on a log axis.

    Parameters
    ----------
    study : AnalysedStudy
        Of loss curves, with a clock.

    Returns
    -------
    Figure
    """
    return draw_loss_panels(study, "seconds", "training time (log scale)", formats.tick_seconds)
