"""The chapter's closing figure: loss against training seconds."""

import math

from matplotlib.figure import Figure

from pipeline.analysis.cells import TARGET, costs_to_target
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures.loss_panels import draw_loss_panels, settings
from pipeline.figures.registry import register
from pipeline.lab import formats


def caption(study: AnalysedStudy) -> str:
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
    caption=caption,
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
