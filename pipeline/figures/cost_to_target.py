"""What each optimizer spends until it is at the target, in examples, steps and seconds."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.target import cheapest
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats

_INK = "#0072B2"


def target_words(study: AnalysedStudy) -> str:
    """The target, and how it was fixed."""
    target = study.sweep.target
    if not math.isfinite(target.loss):
        return f"No target: {target.reference} has no cell whose median final loss is finite."
    if not target.reference:
        return f"The target is {formats.loss(target.loss)}, as the study states it."
    return f"The target is {formats.loss(target.loss)} ({target.reference}'s best median final loss plus 1 %)."


def _costs(study: AnalysedStudy) -> dict[str, tuple[str, pd.DataFrame]]:
    """The costs that are known: name to axis label, and the cheapest batch size of each optimizer."""
    table = study.sweep.scaling
    labels = {"examples": "examples to the target (log scale)", "steps": "steps (updates) to the target (log scale)"}
    if np.isfinite(table["seconds"]).any():
        labels["seconds"] = "seconds to the target = steps × measured time of a step (log scale)"
    return {name: (label, cheapest(table, name)) for name, label in labels.items()}


def caption(study: AnalysedStudy) -> str:
    """State the target, the cheapest optimizer in each currency, and who misses."""
    costs, scaling = _costs(study), study.sweep.scaling
    text = (
        f"{target_words(study)} A dot is the median over seeds at the batch size and learning rate that need least, a "
        "bar its 95 % interval (order statistics), open where too many seeds miss the target."
    )
    for name, (_, table) in costs.items():
        reached = table[np.isfinite(table[name])].sort_values(name, kind="stable")
        if len(reached):
            first = reached.iloc[0]
            text += (
                f" Fewest {name}: {first['optimizer']}, {formats.cost(float(first[name]), name)} "
                f"(b = {first['batch_size']}, lr {first['lr']:g})."
            )
    _, table = costs["examples"]
    missed = [str(name) for name in table.loc[np.isinf(table["examples"]), "optimizer"]]
    if missed:
        text += f" Missed by half of the seeds or more in every cell: {formats.listed(missed)}."
    every = {int(cell.config.get("read_every", 200)) for cell in study.cells.values()}
    text += f" Readings are at least {min(every)} examples apart; between two of them the loss is taken to fall evenly."
    if "seconds" in costs:
        unknown = int(scaling["seconds"].isna().sum())
        text += (
            f" Seconds are steps times {study.costs.source}, interpolated between the batch sizes that were measured, "
            f"known for {len(scaling) - unknown} of {len(scaling)} combinations."
        )
    return text


@register(kind="sweep", title="Cost of reaching the target", caption=caption, place=4)
def cost_to_target(study: AnalysedStudy) -> Figure:
    """Draw examples, steps and, where known, seconds to the target, a row for each optimizer.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    costs = _costs(study)
    figure = style.new_figure(height=0.5 + len(costs) * (0.85 + 0.19 * len(study.sweep.grid.optimizers)))
    panels = figure.subplots(len(costs), 1, squeeze=False)[:, 0]
    figure.set_layout_engine("constrained", h_pad=0.12)
    for axes, (name, (label, table)) in zip(panels, costs.items(), strict=True):
        _draw_panel(axes, name, table)
        axes.set_xlabel(label)
    if n := study.examples:
        style.top_axis(panels[0], 1 / n, "epochs (passes over the data)")
    return figure


def _draw_panel(axes: Axes, name: str, table: pd.DataFrame) -> None:
    style.log(axes.xaxis, formats.tick_seconds if name == "seconds" else formats.tick)
    values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    left, right = (float(finite.min()) / 1.3, float(finite.max()) * 1.3) if finite.size else (1.0, 10.0)
    right = max(right, 3 * left)
    axes.set_xlim(left, right)
    for row, (middle, low, high) in enumerate(values):
        if math.isnan(middle):
            style.beside(axes, row, "not measured", x=0.01)
        elif math.isinf(middle):
            style.beside(axes, row, "missed by half of the seeds or more", x=0.99, ha="right")
        else:
            style.span(axes, row, low, min(high, right), color=_INK, linewidth=4, alpha=0.35)
            if math.isinf(high):
                axes.plot([right], [row], ">", color=_INK, clip_on=False, markersize=6)
            axes.plot([middle], [row], "o", color=_INK)
            cell = table.iloc[row]
            style.beside(axes, row, f"b = {cell['batch_size']}, lr {cell['lr']:.3g}", x=1.03)
    style.rows(axes, [str(optimizer) for optimizer in table["optimizer"]], fontsize=10)
