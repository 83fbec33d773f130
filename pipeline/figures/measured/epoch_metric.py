"""The chapter's seconds per epoch and the true ones, with the garbage collector on and off."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import formats, style
from pipeline.figures.measured import axes as shared
from pipeline.figures.measured.registry import register
from pipeline.measure.table import Measured

_METRICS = {
    "printed_seconds": "Printed: mean time between evaluations",
    "seconds_per_epoch": "True: seconds per epoch",
}


def caption(measured: Measured) -> str:
    """Say how the two metrics rank the runs, and what the garbage collector does to the true one."""
    table = measured.table
    middle = _medians(table)
    on, off = middle.xs(True, level=0), middle.xs(False, level=0)
    collected = table[table["garbage_collection"] & (table["collections"] > 0)]
    printed, true, quiet = on["printed_seconds"], on["seconds_per_epoch"], off["seconds_per_epoch"]
    text = (
        f"The four runs as the chapter runs them, in fresh processes. Fastest to slowest as printed: "
        f"{_ranked(printed)}. Truly: {_ranked(true)}. Without garbage collection: {_ranked(quiet)}."
    )
    if len(collected):
        pause = float(collected["collecting_seconds"].median())
        text += (
            f" A collection of the oldest generation, {formats.seconds(pause)} in the median, fell into "
            f"{formats.listed(sorted(set(collected['run'])))} in {len(collected)} of "
            f"{int(table['garbage_collection'].sum())} runs with the collector on."
        )
    if {"gd", "minibatch 100"} <= set(true.index):
        ratios = [formats.number(float(s["gd"] / s["minibatch 100"]), 2) for s in (true, quiet)]
        text += f" An epoch of gd takes {ratios[0]} times one of minibatch 100 with it, and {ratios[1]} times without."
    return text


def _medians(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(["garbage_collection", "run"], sort=False)[list(_METRICS)].median()


def _ranked(seconds: "pd.Series[float]") -> str:
    ordered = seconds.sort_values()
    return ", ".join(f"{name} ({formats.seconds(float(value))})" for name, value in ordered.items())


@register(title="What the chapter's clock shows", caption=caption)
def epoch_metric(measured: Measured) -> Figure:
    """Draw both metrics of every run, a panel each.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table
    runs = list(dict.fromkeys(table["run"]))
    figure = style.new_figure(height=5.2)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, (metric, title) in zip(panels, _METRICS.items(), strict=True):
        for number, collecting in enumerate((True, False)):
            rows = table[table["garbage_collection"] == collecting]
            places = [runs.index(run) + 0.2 * (number - 0.5) for run in rows["run"]]
            kind = {**shared.look(1 - number, filled=collecting), "linestyle": "none", "markersize": 6}
            axes.plot(rows[metric], places, alpha=0.75, **kind)
            medians = rows.groupby("run", sort=False)[metric].median()
            for run, value in medians.items():
                axes.plot([value], [runs.index(str(run)) + 0.2 * (number - 0.5)], "|", color="black", markersize=13)
        shared.log_axes(axes, x=formats.tick_seconds)
        axes.set_yticks(range(len(runs)), runs)
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.set_title(title)
    panels[1].set_xlabel("time (log scale)")
    handles = [
        Line2D([], [], **{**shared.look(1), "linestyle": "none"}),
        Line2D([], [], **{**shared.look(0, filled=False), "linestyle": "none"}),
        Line2D([], [], linestyle="none", marker="|", color="black", markersize=13),
    ]
    style.add_legend(figure, handles, ["garbage collector on", "garbage collector off", "median"], columns=3)
    return figure
