"""Where workers help to load an epoch, and where they hurt."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured


def caption(measured: Measured) -> str:
    """Say what workers do to each table, and how much of an epoch loading is."""
    table = measured.pooled
    sentences = ["Seconds to load one epoch; medians, bars from quartile to quartile. Anew: started every epoch."]
    for (data, b), rows in table[table["workers"] > 0].groupby(["data", "batch_size"], sort=False):
        best = rows.sort_values("seconds").iloc[0]
        seconds, ratio = float(best["seconds"]), float(best["to_plain"])
        words = f"{formats.number(max(ratio, 1 / ratio), 2)} times {'faster' if ratio < 1 else 'slower'}"
        sentences.append(
            f"On {data} at b = {b}, the best number of workers ({best['workers']}) is {words} than none "
            f"({formats.seconds(seconds)} against {formats.seconds(seconds / ratio)})."
        )
    # What share of an epoch of training loading is, through a DataLoader and in slices.
    for loader, words in (("DataLoader", "a DataLoader without workers"), ("slices", "tensor slices")):
        rows = table[table["load_share"].notna() & (table["loader"] == loader)]
        shares = zip(rows["batch_size"], 100 * rows["load_share"], strict=True)
        parts = [f"{formats.number(share, 2)} % at b = {b}" for b, share in shares]
        if parts:
            sentences.append(f"Of an epoch of training, loading by {words} is {formats.listed(parts)}.")
    return " ".join(sentences)


@register(kind="measurement", title="Loading an epoch", caption=caption)
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
    style.add_legend(figure, keys)
    return figure


def _pairs(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Data and batch sizes, in the table's order."""
    return list(dict.fromkeys(zip(rows["data"], rows["batch_size"], strict=True)))


def _loader(row: "pd.Series[Any]") -> str:
    """What a loader is called."""
    if row["loader"] == "slices":
        return "tensor slices"
    if not row["workers"]:
        return "no workers"
    anew = "" if row["persistent"] else " anew"
    return f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}{anew}, prefetch {row['prefetch']}"


def _draw_loaders(axes: Axes, groups: list[pd.DataFrame], names: list[str]) -> list[Line2D]:
    keys = []
    for number, rows in enumerate(groups):
        look = {**style.look(number, number == 1), "linestyle": "none", "markersize": 6.5}
        plain = float(rows.loc[rows["row"] == "no workers", "seconds"].iloc[0])
        places = [names.index(name) + 0.18 * (number - (len(groups) - 1) / 2) for name in rows["row"]]
        low, middle, high = (rows[name] / plain for name in ("seconds_q25", "seconds", "seconds_q75"))
        axes.errorbar(middle, places, xerr=[middle - low, high - middle], elinewidth=1, **look)
        first = rows.iloc[0]
        label = f"{first['data']}, b = {first['batch_size']} (1 = {formats.seconds(plain)})"
        keys.append(style.key(label, **look))
    style.log(axes.xaxis)
    axes.axvline(1, color="black", linewidth=1)
    style.rows(axes, names)
    axes.set_xlabel("time of an epoch over that without workers (log scale)")
    axes.set_title("Loading an epoch")
    return keys


def _draw_shares(axes: Axes, table: pd.DataFrame) -> None:
    shares = table[table["load_share"].notna()]
    for number, (loader, words) in enumerate((("DataLoader", "DataLoader, no workers"), ("slices", "tensor slices"))):
        rows = shares[shares["loader"] == loader].sort_values("batch_size")
        axes.plot(rows["batch_size"], 100 * rows["load_share"], label=words, **style.look(number + 3, number))
    style.log(axes.xaxis)
    axes.set_ylim(0, 105)
    axes.set_xlabel("batch size b (log scale)")
    axes.set_ylabel("% of training")
    axes.set_title("Share of loading in an epoch of training")
    axes.legend(loc="upper left")
