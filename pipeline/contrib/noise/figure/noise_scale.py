"""The gradient noise scale and the critical batch size on one axis."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang
from pipeline.lab import formats
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

_STAR: Any = {"color": "black", "marker": "*", "markersize": 11}
#: What the runs are called in the table.
_NAMES = (mark("sgd, b = 10, lr 0.05"), mark("gd, lr 0.5"))


def title(measured: Measured) -> str:
    """Say how far the critical batch size moves from the nearest target to the farthest."""
    critical = measured.table[measured.table["kind"] == "critical"]
    near, far = critical.iloc[0], critical.iloc[-1]
    return lang().say(
        "The critical batch size is no constant: {near} examples for a loss of {high}, {far} for {low}",
        near=lang().whole(round(near["value"])),
        high=lang().loss(near["loss"]),
        far=lang().whole(round(far["value"])),
        low=lang().loss(far["loss"]),
    )


def caption(measured: Measured) -> str:
    """Say where both start, where they end, and how well the hyperbola fits."""
    table = measured.table
    training, critical = (table[table["kind"] == kind] for kind in ("training", "critical"))
    steps = table[table["kind"] == "steps"]
    misfit = 100 * float((steps["fitted"] / steps["value"] - 1).abs().max())
    start = float(training.loc[training["examples"] == 0, "value"].min())
    return lang().say(
        "Above, training goes to the right: how many times smaller the excess loss L − L* has become. The gradient "
        "noise scale tr(Σ)/|G|² is {start} examples at the start and grows as the gradient vanishes (bars: 95 % "
        "bootstrap intervals of the median over seeds). The critical batch size, where steps are twice those of "
        "perfect scaling (stars, in both panels), grows with it: {first} and {last}. So no batch size is large enough "
        "as such: it depends on the target. Below, the steps that each target takes at the best learning rate, and as "
        "lines Smin + Emin/b, which fits within {misfit} %.",
        start=lang().number(start),
        first=_critical(critical.iloc[0]),
        last=_critical(critical.iloc[-1]),
        misfit=lang().number(misfit, 2),
    )


def _critical(row: pd.Series) -> str:
    value, low, high = (lang().whole(round(row[name])) for name in ("value", "low", "high"))
    return lang().say(
        "{value} {interval} for a loss of {loss}",
        value=value,
        interval=lang().between(low, high),
        loss=lang().loss(row["loss"]),
    )


@register(kind="measurement", title=title, caption=caption)
def noise_scale(measured: Measured) -> Figure:
    """Draw both against the progress of training, and the steps to the targets against the batch size.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table
    figure = style.new_figure(height=7.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.1, 1])
    _draw_scales(upper, table)
    _draw_steps(lower, table)
    return figure


def _draw_scales(axes: Axes, table: pd.DataFrame) -> None:
    style.log(axes.xaxis)
    style.log(axes.yaxis)
    initial = float(table.loc[table["kind"] == "training", "excess"].max())
    for number, (run, rows) in enumerate(table[table["kind"] == "training"].groupby("run", sort=False)):
        look = {**style.look(number, number), "markersize": 4, "linestyle": "none"}
        error = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
        axes.errorbar(initial / rows["excess"], rows["value"], yerr=error, linewidth=1, **look)
        last = rows.sort_values("value").iloc[-1]
        words = lang().say("noise scale, {run}", run=lang().word(str(run)))
        _name(axes, words, initial / last["excess"], last["value"], (-8, 4), color=look["color"], ha="right")
    critical = table[table["kind"] == "critical"]
    error = [critical["value"] - critical["low"], critical["high"] - critical["value"]]
    axes.errorbar(initial / critical["excess"], critical["value"], yerr=error, linewidth=1, **_STAR)
    last = critical.iloc[-1]
    _name(
        axes, lang().say("critical batch size"), initial / last["excess"], last["value"], (8, -9), va="top", ha="right"
    )
    axes.set(
        xlabel=lang().say("initial excess loss ÷ what is left of it (log scale)"),
        ylabel=lang().say("examples (log scale)"),
        title=lang().say("As the loss falls, the noise scale grows"),
    )


def _name(axes: Axes, words: str, x: float, y: float, offset: tuple[float, float], **options: Any) -> None:
    """Write a series' name beside one of its points."""
    options = {"fontsize": 9, "textcoords": "offset points", "va": "center", **options}
    axes.annotate(words, (x, y), xytext=offset, **options, **style.HALO)


def _draw_steps(axes: Axes, table: pd.DataFrame) -> None:
    style.log(axes.xaxis)
    style.log(axes.yaxis)
    critical: Any = table[table["kind"] == "critical"].set_index("run")
    for number, (run, rows) in enumerate(table[table["kind"] == "steps"].groupby("run", sort=False)):
        colour = style.COLOURS[number % len(style.COLOURS)]
        axes.plot(rows["batch_size"], rows["value"], "o", color=colour, markersize=3.5)
        axes.plot(rows["batch_size"], rows["fitted"], color=colour, linewidth=1.1)
        least = critical.loc[run]
        axes.plot([least["value"]], [2 * least["least_steps"]], zorder=5, **_STAR)
        first = rows.iloc[0]
        loss = lang().local(formats.number(float(least["loss"]), 4))
        _name(axes, loss, first["batch_size"], first["value"], (7, 2), color=colour, va="bottom", fontsize=8)
    first = critical.iloc[0]
    b = pd.Series([1.0, float(first["value"])])
    axes.plot(b, first["least_examples"] / b, color=style.GREY, linewidth=1, linestyle=(0, (2, 2)))
    _name(axes, lang().say("perfect scaling"), float(b.iloc[-1]) / 6, 2.2, (0, 0), color=style.GREY, ha="right")
    axes.set_ylim(bottom=1)
    axes.set(
        xlabel=lang().say("batch size b (log scale)"),
        ylabel=lang().say("steps to the target (log scale)"),
        title=lang().say("Steps to each loss; beyond the stars, few are saved"),
    )
