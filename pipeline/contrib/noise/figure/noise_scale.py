"""The gradient noise scale and the critical batch size on one axis."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured


def caption(measured: Measured) -> str:
    """Say where both start, where they end, and how well the hyperbola fits."""
    table = measured.table
    training, critical = (table[table["kind"] == kind] for kind in ("training", "critical"))
    steps = table[table["kind"] == "steps"]
    misfit = 100 * float((steps["fitted"] / steps["value"] - 1).abs().max())
    start = float(training.loc[training["examples"] == 0, "value"].min())
    return (
        f"The gradient noise scale tr(Σ)/|G|² is {formats.number(start)} examples at the start and grows as the "
        f"gradient vanishes (bars: 95 % bootstrap intervals of the median over seeds). The critical batch size, where "
        f"steps are twice those of perfect scaling, grows with it: {_critical(critical.iloc[0])} and "
        f"{_critical(critical.iloc[-1])}. So no batch size is large enough as such: it depends on the target. Steps at "
        f"the best learning rate follow Smin + Emin/b within {formats.number(misfit, 2)} %."
    )


def _critical(row: pd.Series) -> str:
    value, low, high = (f"{row[name]:,.0f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}] for a loss of {formats.loss(row['loss'])}"


@register(kind="measurement", title="Noise scale and critical batch size", caption=caption)
def noise_scale(measured: Measured) -> Figure:
    """Draw both against the excess loss, and the steps to the targets against the batch size.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table
    figure = style.new_figure(height=8.2)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.2, 1])
    keys = _draw_scales(upper, table)
    keys += _draw_steps(lower, table)
    style.add_legend(figure, keys)
    return figure


def _draw_scales(axes: Axes, table: pd.DataFrame) -> list[Line2D]:
    style.log(axes.xaxis)
    style.log(axes.yaxis)
    keys = []
    for number, (run, rows) in enumerate(table[table["kind"] == "training"].groupby("run", sort=False)):
        look = {**style.look(number, number), "markersize": 4, "linestyle": "none"}
        error = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
        axes.errorbar(rows["excess"], rows["value"], yerr=error, linewidth=1, **look)
        keys.append(style.key(f"noise scale, {run}", **look))
    critical = table[table["kind"] == "critical"]
    error = [critical["value"] - critical["low"], critical["high"] - critical["value"]]
    star: Any = {"color": "black", "marker": "*", "markersize": 11, "linewidth": 1}
    axes.errorbar(critical["excess"], critical["value"], yerr=error, **star)
    keys.append(style.key("critical batch size", **star))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_xaxis()
    axes.set(
        xlabel="excess loss L − L*, training goes to the right (log scale)",
        ylabel="examples (log scale)",
        title="Noise scale, and where larger batches stop paying",
    )
    return keys


def _draw_steps(axes: Axes, table: pd.DataFrame) -> list[Line2D]:
    style.log(axes.xaxis)
    style.log(axes.yaxis)
    critical = table[table["kind"] == "critical"].set_index("run")
    keys = []
    for number, (run, rows) in enumerate(table[table["kind"] == "steps"].groupby("run", sort=False)):
        look = style.look(number + 2)
        axes.plot(rows["batch_size"], rows["value"], **{**look, "linestyle": "none", "markersize": 4})
        axes.plot(rows["batch_size"], rows["fitted"], color=look["color"], linewidth=1.1)
        least = critical.loc[run]
        axes.plot([least["value"]], [2 * least["least_steps"]], marker="*", color="black", markersize=10, zorder=5)
        keys.append(style.key(str(run), **look, linewidth=1.1))
    perfect = table[(table["kind"] == "steps") & (table["run"] == critical.index[0])]
    b = perfect["batch_size"].astype(float)
    line: Any = {"color": style.GREY, "linewidth": 1, "linestyle": (0, (2, 2))}
    axes.plot(b, critical["least_examples"].iloc[0] / b, **line)
    keys.append(style.key("perfect scaling", **line))
    axes.set_ylim(bottom=1)
    axes.set(
        xlabel="batch size b (log scale)",
        ylabel="steps to the target (log)",
        title="Steps at the best learning rate; lines: Smin + Emin/b",
    )
    return keys
