"""The chapter's seconds per epoch and the true ones, with the garbage collector on and off."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.measured import axes as shared
from pipeline.figures.measured.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

_METRICS = {
    "printed_seconds": "Printed: mean time between evaluations",
    "seconds_per_epoch": "True: seconds per epoch",
}


#: What a round in one process consists of: run and whether a collection fell into it.
_TURNS = {
    ("gd", True): "gd with one\ncollection",
    ("gd", False): "gd",
    ("minibatch 100", False): "minibatch 100",
}


def caption(measured: Measured) -> str:
    """Say how the two metrics rank the runs, and what the garbage collector does to the true one."""
    table = _processes(measured)
    middle = _medians(table)
    on, off = middle.xs(True, level=0), middle.xs(False, level=0)
    printed, true, quiet = on["printed_seconds"], on["seconds_per_epoch"], off["seconds_per_epoch"]
    text = (
        f"Above, the four runs as the chapter runs them, in fresh processes. Fastest to slowest as printed: "
        f"{_ranked(printed)}. Truly: {_ranked(true)}. Without garbage collection: {_ranked(quiet)}."
    )
    collecting = table[table["garbage_collection"] & (table["run"] == "gd")]
    if len(collecting):
        hit = int((collecting["collections"] > 0).sum())
        text += (
            f" A collection of the oldest generation fell into gd in {hit} of {len(collecting)} processes, by chance."
        )
    turns = _turns(measured)
    if len(turns):
        one, none, other = (
            float(turns[turns["turn"] == name]["seconds_per_epoch"].median()) for name in _TURNS.values()
        )
        pause = float(turns.loc[turns["garbage_collection"], "collecting_seconds"].median())
        text += (
            f" Below, {formats.count(len(turns) // len(_TURNS), 'round')} in one process: one collection, "
            f"{formats.seconds(pause)} in the median, makes an epoch of gd {formats.seconds(one)} instead of "
            f"{formats.seconds(none)}; one of minibatch 100 takes {formats.seconds(other)}."
        )
    return text


def _processes(measured: Measured) -> pd.DataFrame:
    """The chapter's runs in processes of their own."""
    return measured.table[measured.table["round"].isna()]


def _turns(measured: Measured) -> pd.DataFrame:
    """The runs in turn in one process, with their name in ``turn``."""
    rows = measured.table[measured.table["round"].notna()]
    return rows.assign(turn=[_TURNS[key] for key in zip(rows["run"], rows["garbage_collection"], strict=True)])


def _medians(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(["garbage_collection", "run"], sort=False)[list(_METRICS)].median()


def _ranked(seconds: "pd.Series[float]") -> str:
    ordered = seconds.sort_values()
    return ", ".join(f"{name} ({formats.seconds(float(value))})" for name, value in ordered.items())


@register(title="What the chapter's clock shows", caption=caption)
def epoch_metric(measured: Measured) -> Figure:
    """Draw both metrics of every run, and what one collection costs, a panel each.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = _processes(measured)
    runs = list(dict.fromkeys(table["run"]))
    figure = style.new_figure(height=7.0)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=[4, 4, 3])
    for axes, (metric, title) in zip(panels[:2], _METRICS.items(), strict=True):
        for number, collecting in enumerate((True, False)):
            rows = table[table["garbage_collection"] == collecting]
            _draw_rows(axes, rows, "run", runs, metric, number)
        axes.set_yticks(range(len(runs)), runs)
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.set_title(title)
    _draw_turns(panels[2], _turns(measured))
    for axes in panels:
        shared.log_axes(axes, x=formats.tick_seconds)
    panels[2].set_xlabel("time (log scale)")
    handles = [
        Line2D([], [], **{**shared.look(1), "linestyle": "none"}),
        Line2D([], [], **{**shared.look(0, filled=False), "linestyle": "none"}),
        Line2D([], [], linestyle="none", marker="|", color="black", markersize=13),
    ]
    style.add_legend(figure, handles, ["with garbage collection", "without", "median"], columns=3)
    return figure


def _draw_turns(axes: Axes, turns: pd.DataFrame) -> None:
    names = list(_TURNS.values())
    for number, collected in enumerate((True, False)):
        rows = turns[turns["garbage_collection"] == collected]
        _draw_rows(axes, rows, "turn", names, "seconds_per_epoch", number, apart=0.0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_title("True, in turn in one process")


def _draw_rows(
    axes: Axes, rows: pd.DataFrame, column: str, names: list[str], metric: str, number: int, apart: float = 0.2
) -> None:
    """Draw every row's number beside its name, and the medians over it; the two kinds a little apart."""
    shift = apart * (number - 0.5)
    kind = {**shared.look(1 - number, filled=number == 0), "linestyle": "none", "markersize": 6}
    axes.plot(rows[metric], [names.index(name) + shift for name in rows[column]], alpha=0.75, **kind)
    for name, value in rows.groupby(column, sort=False)[metric].median().items():
        axes.plot([value], [names.index(str(name)) + shift], "|", color="black", markersize=13)
