"""Where workers help to load an epoch, and where they hurt."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.measured import axes as shared
from pipeline.figures.measured.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured


def caption(measured: Measured) -> str:
    """Say what workers do to each table, and how much of an epoch loading is."""
    table = measured.table
    sentences = ["Seconds to load one epoch; medians, bars from quartile to quartile. Anew: started every epoch."]
    for data, b in _groups(table):
        rows = _worked(table)[(_worked(table)["data"] == data) & (_worked(table)["batch_size"] == b)]
        best = rows.sort_values("seconds").iloc[0]
        seconds, ratio = float(best["seconds"]), float(best["to_plain"])
        words = f"{formats.number(max(ratio, 1 / ratio), 2)} times {'faster' if ratio < 1 else 'slower'}"
        sentences.append(
            f"On {data} at b = {b}, the best number of workers ({best['workers']}) is {words} than none "
            f"({formats.seconds(seconds)} against {formats.seconds(seconds / ratio)})."
        )
    return " ".join([*sentences, *_shares(table)])


def _shares(table: pd.DataFrame) -> list[str]:
    """What share of an epoch of training loading is, through a DataLoader and in slices."""
    sentences = []
    for loader, words in (("DataLoader", "a DataLoader without workers"), ("slices", "tensor slices")):
        rows = table[table["load_share"].notna() & (table["loader"] == loader)]
        shares = zip(rows["batch_size"], 100 * rows["load_share"], strict=True)
        parts = [f"{formats.number(share, 2)} % at b = {b}" for b, share in shares]
        if parts:
            sentences.append(f"Of an epoch of training, loading by {words} is {formats.listed(parts)}.")
    return sentences


def _groups(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Data and batch size of what workers load, in the table's order."""
    rows = _worked(table)
    return list(dict.fromkeys(zip(rows["data"].astype(str), rows["batch_size"].astype(int), strict=True)))


def _worked(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["workers"] > 0]


@register(title="Loading an epoch", caption=caption)
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
    table = measured.table
    groups = _groups(table)
    loaders = _loaders(table)
    figure = style.new_figure(height=4.2 + 0.3 * len(loaders))
    upper, lower = figure.subplots(2, 1, height_ratios=[0.3 * len(loaders) + 0.8, 2.4])
    handles, labels = _draw_loaders(upper, table, groups, loaders)
    _draw_shares(lower, table)
    style.add_legend(figure, handles, labels, columns=2)
    return figure


def _loader(row: pd.Series) -> str:
    """What a loader is called."""
    if row["loader"] == "slices":
        return "tensor slices"
    if not row["workers"]:
        return "no workers"
    anew = "" if row["persistent"] else " anew"
    return f"{row['workers']} worker{'s' if row['workers'] > 1 else ''}{anew}, prefetch {row['prefetch']}"


def _loaders(table: pd.DataFrame) -> list[str]:
    ordered = table.sort_values(["loader", "workers", "persistent", "prefetch"], ascending=[False, True, False, True])
    return list(dict.fromkeys(_loader(row) for _, row in ordered.iterrows()))


def _draw_loaders(
    axes: Axes, table: pd.DataFrame, groups: list[tuple[str, int]], loaders: list[str]
) -> tuple[list[Line2D], list[str]]:
    handles, labels = [], []
    for number, (data, b) in enumerate(groups):
        rows = table[(table["data"] == data) & (table["batch_size"] == b)]
        kind = {**shared.look(number, filled=number != 1), "linestyle": "none", "markersize": 6.5}
        plain = rows.loc[(rows["loader"] == "DataLoader") & (rows["workers"] == 0), "seconds"].iloc[0]
        places = [loaders.index(_loader(row)) + 0.18 * (number - (len(groups) - 1) / 2) for _, row in rows.iterrows()]
        middle = rows["seconds"] / plain
        error = [middle - rows["seconds_q25"] / plain, rows["seconds_q75"] / plain - middle]
        axes.errorbar(middle, places, xerr=error, elinewidth=1, **kind)
        handles.append(Line2D([], [], **kind))
        labels.append(f"{data}, b = {b} (1 = {formats.seconds(float(plain))})")
    shared.log_axes(axes, x=shared.plain)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(loaders)), loaders)
    axes.set_ylim(len(loaders) - 0.5, -0.5)
    axes.set_xlabel("time of an epoch over that without workers (log scale)")
    axes.set_title("Loading an epoch")
    return handles, labels


def _draw_shares(axes: Axes, table: pd.DataFrame) -> None:
    shares = table[table["load_share"].notna()]
    for number, (loader, words) in enumerate((("DataLoader", "DataLoader, no workers"), ("slices", "tensor slices"))):
        rows = shares[shares["loader"] == loader].sort_values("batch_size")
        kind = shared.look(number + 3, filled=number == 0)
        axes.plot(rows["batch_size"], 100 * rows["load_share"], label=words, **kind)
    shared.log_axes(axes, x=shared.plain)
    axes.set_ylim(0, 105)
    axes.set_xlabel("batch size b (log scale)")
    axes.set_ylabel("% of training")
    axes.set_title("Share of loading in an epoch of training")
    axes.legend(loc="upper left")
