"""What each optimizer spends until it is at the target, in examples, steps and seconds."""

import json
import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.scaling import cheapest
from pipeline.figures import style
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_INK = "#0072B2"


def target_words(tables: Tables) -> str:
    """The target, and how it was fixed."""
    target = tables.sweep.target
    if not math.isfinite(target.loss):
        return f"No target: {target.reference} has no cell whose median final loss is finite."
    cell = tables.sweep.grid.cells.iloc[target.row]
    text = (
        f"The target is {formats.loss(target.loss)}: the median final loss of {target.reference}'s best cell "
        f"({formats.loss(target.best)} at b = {cell['batch_size']}, lr {cell['lr']:g}) plus 1 % of that loss"
    )
    if tables.minimum is not None:
        excess = (target.loss - tables.minimum) / (target.best - tables.minimum)
        text += f", which is {formats.number(excess, 2)} times that cell's distance from the minimum"
    return text + "."


def target_briefly(tables: Tables) -> str:
    """The target in a few words, for the captions after the first."""
    target = tables.sweep.target
    if not math.isfinite(target.loss):
        return target_words(tables)
    return f"The target is {formats.loss(target.loss)} ({target.reference}'s best median final loss plus 1 %)."


def costs(tables: Tables) -> list[tuple[str, str, pd.DataFrame]]:
    """The costs that are known: name, axis label, and the cheapest batch size of each optimizer."""
    table = tables.sweep.scaling
    names = {"examples": "examples to the target (log scale)", "steps": "steps (updates) to the target (log scale)"}
    if np.isfinite(table["seconds"]).any():
        names["seconds"] = "seconds to the target = steps × measured time of a step (log scale)"
    return [(name, label, cheapest(table, name)) for name, label in names.items()]


def caption(tables: Tables) -> str:
    """State the target, the cheapest optimizer in each currency, and who misses."""
    text = (
        f"{target_words(tables)} A dot is the median over seeds at the batch size and learning rate that need least, a "
    )
    text += "bar its 95 % interval (order statistics), open where too many seeds miss the target."
    for name, _, table in costs(tables):
        reached = table[np.isfinite(table[name])].sort_values(name, kind="stable")
        if len(reached):
            first = reached.iloc[0]
            text += (
                f" Fewest {name}: {first['optimizer']}, {write_cost(float(first[name]), name)} "
                f"(b = {first['batch_size']}, lr {first['lr']:g})."
            )
    _, _, table = costs(tables)[0]
    missed = [str(name) for name in table.loc[np.isinf(table["examples"]), "optimizer"]]
    if missed:
        text += f" Missed by half of the seeds or more in every cell: {formats.listed(missed)}."
    text += " Readings are at least 200 examples apart, so that no cost is known better than that."
    if len(costs(tables)) > 2:
        unknown = int(tables.sweep.scaling["seconds"].isna().sum())
        text += (
            f" These runs were stacked and have no clock: seconds are steps times {tables.costs.source}, interpolated"
        )
        text += " between the batch sizes that were measured"
        text += f", known for {len(tables.sweep.scaling) - unknown} of {len(tables.sweep.scaling)} combinations."
    return text


def write_cost(value: float, name: str) -> str:
    """Write a cost with its unit."""
    if name == "seconds":
        return formats.seconds(value)
    return "∞" if math.isinf(value) else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


@register(title="Cost of reaching the target", study="sweep", caption=caption, place=4)
def sweep_cost_to_target(tables: Tables) -> Figure:
    """Draw examples, steps and, where known, seconds to the target, a row for each optimizer.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    currencies = costs(tables)
    rows = len(currencies[0][2])
    figure = style.new_figure(height=0.5 + len(currencies) * (0.85 + 0.19 * rows))
    panels = figure.subplots(len(currencies), 1, squeeze=False)[:, 0]
    figure.set_layout_engine("constrained", h_pad=0.12)
    for axes, (name, label, table) in zip(panels, currencies, strict=True):
        _draw_panel(axes, name, table)
        axes.set_xlabel(label)
    _add_epochs(panels[0], tables)
    return figure


def _draw_panel(axes: Axes, name: str, table: pd.DataFrame) -> None:
    axes.set_xscale("log")
    values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    left, right = (float(finite.min()) / 1.3, float(finite.max()) * 1.3) if finite.size else (1.0, 10.0)
    right = max(right, 3 * left)
    axes.set_xlim(left, right)
    for row, (middle, low, high) in enumerate(values):
        if math.isnan(middle):
            axes.text(0.01, row, "not measured", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        elif math.isinf(middle):
            words = "missed by half of the seeds or more"
            axes.text(0.99, row, words, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8)
        else:
            axes.plot([low, min(high, right)], [row, row], color=_INK, linewidth=4, alpha=0.35, solid_capstyle="butt")
            if math.isinf(high):
                axes.plot([right], [row], ">", color=_INK, clip_on=False, markersize=6)
            axes.plot([middle], [row], "o", color=_INK)
    for row, (b, lr) in enumerate(zip(table["batch_size"], table["lr"], strict=True)):
        if np.isfinite(values[row, 0]):
            words = f"b = {b}, lr {lr:.3g}"
            axes.text(1.03, row, words, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_yticks(range(len(table)), [str(optimizer) for optimizer in table["optimizer"]])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    style.log_axis(axes.xaxis, formats.tick_seconds if name == "seconds" else lambda value: f"{value:,.10g}")


def _add_epochs(axes: Axes, tables: Tables) -> None:
    """Put epochs along the top of the panel of examples, where all cells have as many rows."""
    rows = {json.loads(config).get("data", {}).get("rows") for config in tables.runs["config"].unique()}
    if len(rows) != 1 or None in rows:
        return
    n = int(rows.pop())
    top = axes.secondary_xaxis("top", functions=(lambda x: np.asarray(x) / n, lambda x: np.asarray(x) * n))
    top.set_xlabel("epochs (passes over the data)")
    style.log_axis(top.xaxis, lambda value: f"{value:g}")
