"""What each optimizer spends until it is at the target, in examples, steps and seconds."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.target import cheapest
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark

_INK = "#0072B2"
#: The currencies.
_COSTS = {"examples": mark("examples"), "steps": mark("steps"), "seconds": mark("seconds")}


def target_words(study: AnalysedStudy) -> str:
    """The target, and how it was fixed."""
    target = study.sweep.target
    values = {"loss": lang().loss(target.loss), "name": target.reference}
    if not math.isfinite(target.loss):
        return lang().say("No target: {name} has no cell whose median final loss is finite.", **values)
    return (
        lang().say("The target is {loss} ({name}'s best median final loss plus 1 %).", **values)
        if target.reference
        else lang().say("The target is {loss}, as the study states it.", **values)
    )


def _costs(study: AnalysedStudy) -> dict[str, tuple[str, pd.DataFrame]]:
    """The costs that are known: name to axis label, and the cheapest batch size of each optimizer."""
    table = study.sweep.scaling
    labels = {
        "examples": lang().say("examples to the target (log scale)"),
        "steps": lang().say("steps (updates) to the target (log scale)"),
    }
    if np.isfinite(table["seconds"]).any():
        labels["seconds"] = lang().say("seconds to the target = steps × time of a step (log scale)")
    return {name: (label, cheapest(table, name)) for name, label in labels.items()}


def _fewest(study: AnalysedStudy) -> list[tuple[str, "pd.Series[Any]"]]:
    """The row that needs least, in each currency in which any optimizer gets there."""
    tables = [(name, table[np.isfinite(table[name])]) for name, (_, table) in _costs(study).items()]
    return [(name, own.sort_values(name, kind="stable").iloc[0]) for name, own in tables if len(own)]


def title(study: AnalysedStudy) -> str:
    """Say who needs least in which currency."""
    winners = grouped((str(row["optimizer"]), lang().word(_COSTS[name])) for name, row in _fewest(study))
    if not winners:
        return lang().say("No optimizer reaches the target")
    who = [
        lang().say("{name} needs the fewest {costs}", name=name, costs=lang().listed(costs))
        for name, costs in winners.items()
    ]
    return lang().say("To the target, {who}", who="; ".join(who))


def caption(study: AnalysedStudy) -> str:
    """Say how to read it, state the target, the cheapest optimizer in each currency, and who misses."""
    scaling, missed = study.sweep.scaling, cheapest(study.sweep.scaling, "examples")
    missed = missed.loc[np.isinf(missed["examples"]), "optimizer"]
    return sentences(
        target_words(study),
        lang().say(
            "A dot is the median over seeds at the batch size and learning rate that need least, a bar its 95 % "
            "interval (order statistics), open where too many seeds miss the target."
        ),
        *(
            lang().say(
                "Fewest {costs}: {optimizer}, {cost} (b = {b}, lr {lr}).",
                costs=lang().word(_COSTS[name]),
                optimizer=str(first["optimizer"]),
                cost=lang().cost(float(first[name]), name),
                b=str(first["batch_size"]),
                lr=lang().rate(float(first["lr"])),
            )
            for name, first in _fewest(study)
        ),
        lang().say(
            "Missed by half of the seeds or more in every cell: {optimizers}.",
            optimizers=lang().listed([str(name) for name in missed]),
        )
        if len(missed)
        else "",
        lang().say(
            "Readings are at least {n} examples apart; between two of them the loss is taken to fall evenly.",
            n=min(int(cell.config.get("read_every", 200)) for cell in study.cells.values()),
        ),
        lang().say(
            "Seconds are steps times the time of a step on this machine, interpolated between the batch sizes that "
            "were measured, known for {known} of {total} combinations.",
            known=int(scaling["seconds"].notna().sum()),
            total=len(scaling),
        )
        if "seconds" in _costs(study)
        else "",
    )


@register(kind="sweep", title=title, caption=caption, place=4)
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
    figure = style.new_figure(height=0.7 + len(costs) * (0.85 + 0.19 * len(study.sweep.grid.optimizers)))
    panels = figure.subplots(len(costs), 1, squeeze=False)[:, 0]
    figure.set_layout_engine("constrained", h_pad=0.12)
    for axes, (name, (label, table)) in zip(panels, costs.items(), strict=True):
        _draw_panel(axes, name, table)
        axes.set_xlabel(label)
    if n := study.examples:
        style.top_axis(panels[0], 1 / n, lang().say("epochs (passes over the data)"))
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
            style.beside(axes, row, lang().say("not measured"), x=0.01)
        elif math.isinf(middle):
            style.beside(axes, row, lang().say("missed by half of the seeds or more"), x=0.99, ha="right")
        else:
            style.span(axes, row, low, min(high, right), color=_INK, linewidth=4, alpha=0.35)
            if math.isinf(high):
                axes.plot([right], [row], ">", color=_INK, clip_on=False, markersize=6)
            axes.plot([middle], [row], "o", color=_INK)
            cell = table.iloc[row]
            style.beside(axes, row, f"b = {cell['batch_size']}, lr {lang().local(f'{cell.lr:.3g}')}", x=1.03)
    style.rows(axes, [str(optimizer) for optimizer in table["optimizer"]], fontsize=10)
