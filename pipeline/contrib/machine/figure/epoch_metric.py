"""The chapter's seconds per epoch and the true ones, with the garbage collector on and off."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

_METRICS = {
    "printed_seconds": "Printed: mean time between evaluations",
    "seconds_per_epoch": "True: seconds per epoch",
}
#: What a round within a process consists of: run and whether a collection fell into it.
_TURNS = {
    ("gd", True): "gd with one\ncollection",
    ("gd", False): "gd",
    ("minibatch 100", False): "minibatch 100",
}


def caption(measured: Measured) -> str:
    """Say how the two metrics rank the runs, and what the garbage collector does to the true one."""
    table = _processes(measured)
    medians = table.groupby(["garbage_collection", "run"], sort=False)[list(_METRICS)].median()
    on, off = medians.xs(True, level=0), medians.xs(False, level=0)
    text = (
        f"Above, the four runs as the chapter runs them, in fresh processes. Fastest to slowest as printed: "
        f"{_ranked(on['printed_seconds'])}. Truly: {_ranked(on['seconds_per_epoch'])}. Without garbage collection: "
        f"{_ranked(off['seconds_per_epoch'])}."
    )
    collecting = table[table["garbage_collection"] & (table["run"] == "gd")]
    if len(collecting):
        hit = int((collecting["collections"] > 0).sum())
        text += (
            f" A collection of the oldest generation fell into gd in {hit} of {len(collecting)} processes, by chance."
        )
    turns = _turns(measured)
    if len(turns):
        spent = turns.groupby("turn")["seconds_per_epoch"].median()
        one, none, other = (formats.seconds(float(spent[name])) for name in _TURNS.values())
        pause = float(turns.loc[turns["garbage_collection"], "collecting_seconds"].median())
        text += (
            f" Below, {formats.count(len(turns) // len(_TURNS), 'round')} in "
            f"{turns['process'].nunique()} processes: one collection, "
            f"{formats.seconds(pause)} in the median, makes an epoch of gd {one} instead of {none}; one of "
            f"minibatch 100 takes {other}."
        )
    return text


def _processes(measured: Measured) -> pd.DataFrame:
    """The chapter's runs in processes of their own."""
    return measured.table[measured.table["round"].isna()]


def _turns(measured: Measured) -> pd.DataFrame:
    """The rounds of all processes, each row named in ``turn``."""
    rows = measured.table[measured.table["round"].notna()]
    return rows.assign(turn=[_TURNS[key] for key in zip(rows["run"], rows["garbage_collection"], strict=True)])


def _ranked(seconds: "pd.Series[float]") -> str:
    ordered = seconds.sort_values()
    return ", ".join(f"{name} ({formats.seconds(float(value))})" for name, value in ordered.items())


@register(kind="measurement", title="What the chapter's clock shows", caption=caption)
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
    figure = style.new_figure(height=7.0)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=[4, 4, 3])
    for axes, (metric, title) in zip(panels, _METRICS.items(), strict=False):
        _draw_panel(axes, table.rename(columns={"run": "row"}), metric, title, apart=0.2)
    turns = _turns(measured).rename(columns={"turn": "row"})
    _draw_panel(panels[2], turns, "seconds_per_epoch", "True, in turn within each process", apart=0.0)
    style.log(panels[2].xaxis, formats.tick_seconds)
    panels[2].set_xlabel("time (log scale)")
    keys = [
        style.key("with garbage collection", **_looks(True)),
        style.key("without", **_looks(False)),
        style.key("median", marker="|", color="black", markersize=13),
    ]
    style.add_legend(figure, keys, columns=3)
    return figure


def _looks(collecting: bool) -> dict[str, Any]:
    return {**style.look(int(collecting), int(not collecting)), "linestyle": "none"}


def _draw_panel(axes: Axes, rows: pd.DataFrame, metric: str, title: str, apart: float) -> None:
    """Draw every reading beside its row's name, and the medians over it; the two kinds a little apart."""
    names = list(dict.fromkeys(rows["row"]))
    for collecting in (True, False):
        shift = apart * (0.5 - collecting)
        own = rows[rows["garbage_collection"] == collecting]
        places = [names.index(name) + shift for name in own["row"]]
        axes.plot(own[metric], places, alpha=0.75, **{**_looks(collecting), "markersize": 6})
        for name, value in own.groupby("row", sort=False)[metric].median().items():
            axes.plot([value], [names.index(str(name)) + shift], "|", color="black", markersize=13)
    style.rows(axes, names)
    axes.set_title(title)
