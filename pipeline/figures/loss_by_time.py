"""The chapter's closing figure: loss against training seconds."""

import math

from matplotlib.figure import Figure

from pipeline.figures.cells import TARGET, costs_to_target
from pipeline.figures.loss_panels import draw_loss_panels, settings
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats


def caption(tables: Tables) -> str:
    """Say who reaches the target first, in seconds, and who never does."""
    costs = costs_to_target(tables.cells, tables.curves, "seconds")
    return f"Loss against training seconds; evaluation is not timed. {ranking(costs)} {settings(tables)}"


def ranking(costs: dict[str, float]) -> str:
    """Order the cells by the seconds they need to reach the target.

    Parameters
    ----------
    costs : dict
        Label to median seconds: infinite where the target is not reached, NaN where there is no clock.

    Returns
    -------
    str
        A sentence or two.
    """
    timed = {label: cost for label, cost in costs.items() if not math.isnan(cost)}
    if not timed:
        return "No run has a clock; stacked runs never have one."
    reached = sorted((cost, label) for label, cost in timed.items() if math.isfinite(cost))
    never = [label for label, cost in timed.items() if math.isinf(cost)]
    sentences = []
    if reached:
        order = [f"{formats.quoted(label)} in {formats.seconds(cost)}" for cost, label in reached]
        sentences.append(f"A loss of {TARGET:g} is reached, in the median, by {formats.listed(order)}.")
    if len(reached) > 1:
        times = formats.number(reached[-1][0] / reached[0][0], 2)
        sentences.append(f"The slowest of these takes {times} times as long as the fastest.")
    if never:
        names = formats.listed([formats.quoted(label) for label in never])
        sentences.append(f"In half of their runs or more, {names} never reach it.")
    return " ".join(sentences)


@register(title="Loss against training time", study="textbook", caption=caption)
def loss_by_time(tables: Tables) -> Figure:
    """Draw the loss against training seconds, on a log axis.

    Parameters
    ----------
    tables : Tables
        One study.

    Returns
    -------
    Figure
    """
    return draw_loss_panels(tables, "seconds", "training time (log scale)", formats.tick_seconds)
