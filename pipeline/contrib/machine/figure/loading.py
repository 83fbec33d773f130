"""Where workers help to load an epoch, and where they hurt."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

#: The loaders whose share of training is measured, and what tables are called.
_LOADERS = {"DataLoader": mark("DataLoader, no workers"), "slices": mark("tensor slices")}
_TABLES = (mark("airfoil"), mark("digits"), mark("slow reads"))


def _best(table: pd.DataFrame) -> list[tuple[str, str, "pd.Series[Any]"]]:
    """The best number of workers for each table and batch size."""
    groups = table[table["workers"] > 0].groupby(["data", "batch_size"], sort=False)
    return [(lang().word(str(data)), str(b), rows.sort_values("seconds").iloc[0]) for (data, b), rows in groups]


def title(measured: Measured) -> str:
    """Say where workers pay, and how much they hurt elsewhere."""
    ratios = [(float(best["to_plain"]), data) for data, _, best in _best(measured.pooled)]
    least, most = min(ratios, default=(1.0, "")), max(ratios, default=(1.0, ""))
    if least[0] > 1:
        return lang().say(
            "Workers never pay: an epoch takes at least {times} times as long", times=lang().number(least[0], 2)
        )
    return lang().say(
        "Workers pay on {first}, {faster} times faster; on {last} they take {slower} times as long",
        **{"first": least[1], "last": most[1]},
        faster=lang().number(1 / least[0], 2),
        slower=lang().number(most[0], 2),
    )


def caption(measured: Measured) -> str:
    """Say what workers do to each table, and how much of an epoch loading is."""
    return sentences(
        lang().say("Seconds to load one epoch; medians, bars from quartile to quartile. Anew: started every epoch."),
        *(_of_table(*one) for one in _best(measured.pooled)),
        *(_share(measured.pooled, loader, words) for loader, words in _LOADERS.items()),
    )


def _of_table(data: str, b: str, best: "pd.Series[Any]") -> str:
    seconds, ratio = float(best["seconds"]), float(best["to_plain"])
    values = {"data": data, "b": b, "workers": int(best["workers"]), "times": lang().number(max(ratio, 1 / ratio), 2)}
    values |= {"with": lang().seconds(seconds), "without": lang().seconds(seconds / ratio)}
    if ratio < 1:
        return lang().say(
            "On {data} at b = {b}, the best number of workers ({workers}) is {times} times faster than none ({with} "
            "against {without}).",
            **values,
        )
    return lang().say(
        "On {data} at b = {b}, the best number of workers ({workers}) is {times} times slower than none ({with} "
        "against {without}).",
        **values,
    )


def _share(table: pd.DataFrame, loader: str, words: str) -> str:
    """What share of an epoch of training loading is."""
    rows = table[table["load_share"].notna() & (table["loader"] == loader)]
    shares = zip(rows["batch_size"], 100 * rows["load_share"], strict=True)
    parts = [lang().say("{share} % at b = {b}", share=lang().number(share, 2), b=str(b)) for b, share in shares]
    text = lang().say(
        "Of an epoch of training, loading ({loader}) is {parts}.", loader=lang().word(words), parts=lang().listed(parts)
    )
    return text if parts else ""


@register(kind="measurement", title=title, caption=caption)
def loading(measured: Measured) -> Figure:
    """Draw the epoch of every loader relative to the one without workers, and the share of loading in training.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    order = ["loader", "workers", "persistent", "prefetch"]
    table = measured.pooled.sort_values(order, ascending=[False, True, False, True])
    table = table.assign(row=[_loader(row) for _, row in table.iterrows()])
    names = list(dict.fromkeys(table["row"]))
    figure = style.new_figure(height=4.2 + 0.3 * len(names))
    upper, lower = figure.subplots(2, 1, height_ratios=[0.3 * len(names) + 0.8, 2.4])
    worked = measured.pooled[measured.pooled["workers"] > 0]
    groups = [table[(table["data"] == data) & (table["batch_size"] == b)] for data, b in _pairs(worked)]
    keys = _draw_loaders(upper, groups, names)
    _draw_shares(lower, measured.pooled)
    style.add_legend(figure, keys, columns=1)
    return figure


def _pairs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Data and batch sizes, in the table's order."""
    return list(dict.fromkeys(zip(rows["data"], rows["batch_size"], strict=True)))


def _loader(row: "pd.Series[Any]") -> str:
    """What a loader is called."""
    if row["loader"] == "slices":
        return lang().say("tensor slices")
    if not row["workers"]:
        return lang().say("no workers")
    values = {"prefetch": str(row["prefetch"])}
    if row["persistent"]:
        return lang().count(
            int(row["workers"]), "{n} worker, prefetch {prefetch}", "{n} workers, prefetch {prefetch}", **values
        )
    return lang().count(
        int(row["workers"]), "{n} worker anew, prefetch {prefetch}", "{n} workers anew, prefetch {prefetch}", **values
    )


def _draw_loaders(axes: Axes, groups: list[pd.DataFrame], names: list[str]) -> list[Line2D]:
    keys = []
    for number, rows in enumerate(groups):
        look = {**style.look(number, number == 1), "linestyle": "none", "markersize": 6.5}
        plain = float(rows.loc[(rows["loader"] != "slices") & (rows["workers"] == 0), "seconds"].iloc[0])
        places = [names.index(name) + 0.18 * (number - (len(groups) - 1) / 2) for name in rows["row"]]
        low, middle, high = (rows[name] / plain for name in ("seconds_q25", "seconds", "seconds_q75"))
        axes.errorbar(middle, places, xerr=[middle - low, high - middle], elinewidth=1, **look)
        first = rows.iloc[0]
        label = f"{lang().word(str(first['data']))}, b = {first['batch_size']} (1 = {lang().seconds(plain)})"
        keys.append(style.key(label, **look))
    style.log(axes.xaxis)
    axes.axvline(1, color="black", linewidth=1)
    style.rows(axes, names)
    axes.set_xlabel(lang().say("epoch ÷ that without workers (log scale)"))
    axes.set_title(lang().say("Loading an epoch"))
    return keys


def _draw_shares(axes: Axes, table: pd.DataFrame) -> None:
    shares = table[table["load_share"].notna()]
    for number, (loader, words) in enumerate(_LOADERS.items()):
        rows = shares[shares["loader"] == loader].sort_values("batch_size")
        axes.plot(
            rows["batch_size"], 100 * rows["load_share"], label=lang().word(words), **style.look(number + 3, number)
        )
    style.log(axes.xaxis)
    axes.set_ylim(0, 105)
    axes.set_xlabel(lang().say("batch size b (log scale)"))
    axes.set_ylabel(lang().say("% of training"))
    axes.set_title(lang().say("Share of loading in an epoch of training"))
    axes.legend(loc="upper left")
