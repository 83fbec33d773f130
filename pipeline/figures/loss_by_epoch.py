"""Loss against epochs, which is against examples seen: what a run costs where computing is free."""

import json
import math
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.cells import TARGET, costs_to_target
from pipeline.figures.loss_panels import draw_loss_panels, settings
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats


def caption(tables: Tables) -> str:
    """Say how many examples each cell needs to reach the target."""
    groups: dict[float, list[str]] = {}
    for label, examples in costs_to_target(tables.cells, tables.curves, "examples").items():
        groups.setdefault(examples, []).append(formats.quoted(label))
    needs = [
        f"{examples:,.0f} ({formats.listed(groups[examples])})" for examples in sorted(groups) if examples < math.inf
    ]
    text = "Loss against passes over the data. "
    if needs:
        text += f"Examples seen until the loss is {TARGET:g} or less, in the median: {'; '.join(needs)}. "
    if math.inf in groups:
        text += f"Not reached in half of the runs or more: {formats.listed(groups[math.inf])}. "
    return text + settings(tables)


@register(title="Loss against epochs", study="textbook", caption=caption)
def loss_by_epoch(tables: Tables) -> Figure:
    """Draw the loss against epochs, on a log axis, with the examples seen along the top.

    Parameters
    ----------
    tables : Tables
        One study.

    Returns
    -------
    Figure
    """
    figure = draw_loss_panels(tables, "epoch", "epochs (passes over the data, log scale)", _plain)
    rows = _rows(tables)
    if rows:
        top = figure.axes[0].secondary_xaxis("top", functions=_converters(rows))
        top.set_xlabel("examples seen (log scale)")
        style.log_axis(top.xaxis, _plain)
    return figure


def _plain(value: float) -> str:
    return f"{value:,.10g}"


def _converters(rows: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """From epochs to examples seen, and back."""
    return (lambda epochs: epochs * rows), (lambda examples: examples / rows)


def _rows(tables: Tables) -> int | None:
    """Training examples, where all cells have as many."""
    rows = {json.loads(config).get("data", {}).get("rows") for config in tables.runs["config"].unique()}
    return int(rows.pop()) if len(rows) == 1 and None not in rows else None
