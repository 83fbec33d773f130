"""The chapter's seconds per epoch beside the true ones, and what the garbage collector does to them."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

_PRINTED, _TRUE = style.look(1), style.look(0)
#: What a round within a process consists of: run and whether a collection fell into it.
_TURNS = {
    ("gd", True): mark("gd, one collection"),
    ("gd", False): "gd",
    ("minibatch 100", False): "minibatch 100",
}


def title(measured: Measured) -> str:
    """What the chapter prints, and how far that is from the truth."""
    table = _medians(measured)
    ratio = table["seconds_per_epoch"] / table["printed_seconds"]
    return lang().say(
        "The chapter prints the time between two readings as seconds per epoch; an epoch takes up to {high} times as "
        "long",
        high=lang().number(float(ratio.max()), 2),
    )


def caption(measured: Measured) -> str:
    """Say how the two metrics rank the runs, and what the garbage collector does to the true one."""
    printed = _medians(measured)
    table = _processes(measured)
    quiet = table[~table["garbage_collection"].astype(bool)].groupby("run", sort=False)["seconds_per_epoch"].median()
    return sentences(
        lang().say(
            "Above, the four runs as the chapter runs them, in fresh processes: each arrow leads from what the chapter "
            "prints, the mean time between two readings of the loss, to the true time of an epoch; the number is true "
            "over printed, which is how many readings an epoch has. Dots are processes, with garbage collection as "
            "usual. The printed order, fastest first: {printed}. The true one: {true}. Without garbage collection: "
            "{off}.",
            printed=_ranked(printed["printed_seconds"]),
            true=_ranked(printed["seconds_per_epoch"]),
            off=_ranked(quiet),
        ),
        _collections(measured),
        _rounds(measured),
    )


def _collections(measured: Measured) -> str:
    table = _processes(measured)
    collecting = table[table["garbage_collection"] & (table["run"] == "gd")]
    hit = int((collecting["collections"] > 0).sum())
    words = lang().say(
        "A collection of the oldest generation fell into gd in {hit} of {n} processes, by chance.",
        hit=hit,
        n=len(collecting),
    )
    return words if len(collecting) else ""


def _rounds(measured: Measured) -> str:
    turns = _turns(measured)
    if turns.empty:
        return ""
    spent = turns.groupby("turn")["seconds_per_epoch"].median()
    one, none, other = (lang().seconds(float(spent[name])) for name in _TURNS.values())
    pause = float(turns.loc[turns["garbage_collection"], "collecting_seconds"].median())
    return lang().say(
        "Below, {n} rounds in {processes} processes: one collection, {pause} in the median, makes an epoch of gd "
        "{one} instead of {none}; one of minibatch 100 takes {other}.",
        **{
            "processes": turns["process"].nunique(),
            "n": len(turns) // len(_TURNS),
            "pause": lang().seconds(pause),
            "one": one,
            "none": none,
            "other": other,
        },
    )


def _processes(measured: Measured) -> pd.DataFrame:
    """The chapter's runs in processes of their own."""
    return measured.table[measured.table["round"].isna()]


def _medians(measured: Measured) -> pd.DataFrame:
    """Printed and true seconds of the chapter's runs, garbage collection as usual."""
    table = _processes(measured)
    own = table[table["garbage_collection"].astype(bool)]
    return own.groupby("run", sort=False)[["printed_seconds", "seconds_per_epoch"]].median()


def _turns(measured: Measured) -> pd.DataFrame:
    """The rounds of all processes, each row named in ``turn``."""
    rows = measured.table[measured.table["round"].notna()]
    return rows.assign(turn=[_TURNS[key] for key in zip(rows["run"], rows["garbage_collection"], strict=True)])


def _ranked(seconds: "pd.Series[float]") -> str:
    ordered = seconds.sort_values()
    return ", ".join(f"{name} ({lang().seconds(float(value))})" for name, value in ordered.items())


@register(kind="measurement", title=title, caption=caption)
def epoch_metric(measured: Measured) -> Figure:
    """Draw what is printed and what is true of every run, and what one collection costs, a panel each.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    figure = style.new_figure(height=5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 2.4])
    _draw_runs(upper, measured)
    turns = _turns(measured)
    names = [name for name in _TURNS.values() if name in set(turns["turn"])]
    lower.plot(turns["seconds_per_epoch"], [names.index(name) for name in turns["turn"]], alpha=0.75, **_dots(_TRUE))
    for name, value in turns.groupby("turn")["seconds_per_epoch"].median().items():
        _number(lower, float(value), float(value), names.index(str(name)))
    style.rows(lower, [lang().word(name) for name in names])
    lower.set_title(lang().say("An epoch, in turn within each process"))
    style.log(lower.xaxis, formats.tick_seconds)
    low, high = lower.get_xlim()
    lower.set_xlim(low / 1.3, high * 2.2)
    lower.set_xlabel(lang().say("time (log scale)"))
    keys = [
        style.key(lang().say("printed: between two readings"), **_dots(_PRINTED)),
        style.key(lang().say("true: an epoch"), **_dots(_TRUE)),
    ]
    style.add_legend(figure, keys)
    return figure


def _dots(look: dict[str, Any]) -> dict[str, Any]:
    return look | {"linestyle": "none", "markersize": 6.5}


def _number(axes: Axes, x: float, value: float, row: float) -> None:
    options: Any = {"textcoords": "offset points", "va": "center", "fontsize": 8.5}
    axes.annotate(lang().seconds(value), (x, row), xytext=(9, 0), **options, **style.HALO)


def _draw_runs(axes: Axes, measured: Measured) -> None:
    """An arrow from the printed median to the true one, and what lies between them: how many readings an epoch has."""
    table, medians = _processes(measured), _medians(measured)
    table = table[table["garbage_collection"].astype(bool)]
    names = list(medians.index)
    for (name, line), row in zip(medians.iterrows(), range(len(names)), strict=True):
        printed, true = float(line["printed_seconds"]), float(line["seconds_per_epoch"])
        arrow = {"arrowstyle": "-|>", "color": style.INK, "shrinkA": 5, "shrinkB": 5, "linewidth": 1.2}
        axes.annotate("", (true, row), (printed, row), arrowprops=arrow, annotation_clip=False)
        own = table[table["run"] == name]
        for column, look in (("printed_seconds", _PRINTED), ("seconds_per_epoch", _TRUE)):
            axes.plot(own[column], [row] * len(own), alpha=0.75, **_dots(look))
        words = f"× {lang().number(true / printed, 2)}"
        options: Any = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 9}
        axes.annotate(words, ((printed * true) ** 0.5, row), xytext=(0, 4), **options, **style.HALO)
        _number(axes, float(own[["printed_seconds", "seconds_per_epoch"]].max().max()), true, row)
    style.rows(axes, names)
    axes.set_title(lang().say("As the chapter runs them, in fresh processes"))
