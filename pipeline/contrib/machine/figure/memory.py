"""The memory hierarchy and the roofline it puts over the products."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

#: What the table has names for.
_NAMES = (
    *(mark("read"), mark("triad"), mark("memory")),
    *(mark("element"), mark("column"), mark("block 64"), mark("whole")),
)


def title(measured: Measured) -> str:
    """Say how much slower the memory is than the caches."""
    read = _bandwidth(measured.pooled, "read")
    return lang().say(
        "Reading {size} from memory is {times} times slower than reading from the fastest cache",
        size=formats.size(read.index[-1]),
        times=lang().number(float(read.max() / read.iloc[-1]), 2),
    )


def caption(measured: Measured) -> str:
    """Say what the caches buy, what the products reach, and redo the source's arithmetic."""
    table = measured.pooled
    read, products = _bandwidth(table, "read") / 1e9, _products(table)
    first, last = read.index[0], read.index[-1]
    rates, intensities = products["value"].astype(float) / 1e9, products["flops_per_byte"].astype(float)
    return sentences(
        lang().say(
            "One thread reads {best} GB/s at best and {last} GB/s from {large}; sets of {small} are held back by the "
            "start of each pass. Operations per byte rise from {few} (element) to {many} (whole), and the rate from "
            "{slow} to {quick} gigaflops; what is far below its roof is held back by Python and not by memory.",
            **{"best": lang().number(read.max()), "last": lang().number(read[last])},
            **{"large": formats.size(last), "small": formats.size(first)},
            **{"few": lang().number(intensities.min(), 2), "many": lang().number(intensities.max())},
            **{"slow": lang().number(rates.min()), "quick": lang().number(rates.max())},
        ),
        _arithmetic(table),
    )


def _arithmetic(table: pd.DataFrame) -> str:
    """The source's two numbers, and the same two here."""
    rate = table[table["kind"] == "arithmetic"].set_index("name")["value"].astype(float) / 1e9
    source, here = ((rate[f"compute, {which}"], rate[f"memory, {which}"]) for which in ("source", "measured"))
    counted = float(rate.get("compute, clock", float("nan")))
    clock = lang().say("({rate} by its clock, as the source counts)", rate=lang().number(counted))
    return lang().say(
        "The source sets {compute} GB/s that a processor can take in against {memory} GB/s of memory, {times} times as "
        "much. Here, with all threads: {own} GB/s by its measured peak{clock} against {least} GB/s, {ratio} times as "
        "much.",
        **{"compute": lang().number(source[0]), "memory": lang().number(source[1])},
        **{"times": lang().number(source[0] / source[1]), "ratio": lang().number(here[0] / here[1])},
        **{"own": lang().number(here[0]), "least": lang().number(here[1])},
        clock="" if np.isnan(counted) else f" {clock}",
    )


def _bandwidth(table: pd.DataFrame, kernel: str) -> "pd.Series[float]":
    rows = table[(table["kind"] == "bandwidth") & (table["name"] == kernel)]
    return pd.Series(rows["value"].to_numpy(dtype=float), index=rows["size_bytes"].astype(int)).sort_index()


def _products(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] == "product"]


def _caches(table: pd.DataFrame) -> dict[str, int]:
    rows = table[table["kind"] == "cache"]
    return dict(sorted(zip(rows["name"], rows["size_bytes"].astype(int), strict=True), key=lambda item: item[1]))


def roofs(table: pd.DataFrame) -> dict[str, float]:
    """Bandwidth of each level: the best reading whose working set the level holds and the one before does not.

    Parameters
    ----------
    table : DataFrame
        The measurement's.

    Returns
    -------
    dict
        Level to bytes per second; without known caches, the main memory alone.
    """
    read, found, held = _bandwidth(table, "read"), {}, 0
    for name, size in _caches(table).items():
        inside = read[(read.index > held) & (read.index <= size)]
        if len(inside):
            found[name] = float(inside.median())
        held = size
    beyond = read[read.index > held]
    found["memory"] = float((beyond if len(beyond) else read).iloc[-1])
    return found


@register(kind="measurement", title=title, caption=caption)
def memory(measured: Measured) -> Figure:
    """Draw the bandwidth against the working set, and the roofline with the four products.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    figure = style.new_figure(height=7.6)
    upper, lower = figure.subplots(2, 1, height_ratios=[1, 1.25])
    _draw_bandwidth(upper, measured.pooled)
    _draw_roofline(lower, measured.pooled)
    return figure


def _draw_bandwidth(axes: Axes, table: pd.DataFrame) -> None:
    style.log(axes.xaxis, formats.size)
    for number, kernel in enumerate(("read", "triad")):
        rate = _bandwidth(table, kernel)
        axes.plot(rate.index, rate / 1e9, label=lang().word(kernel), **style.look(number, number))
    style.ticks(axes.xaxis, list(_bandwidth(table, "read").index)[::2], formats.size)
    axes.tick_params(axis="x", labelrotation=30)
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    for name, size in _caches(table).items():
        axes.axvline(size, color=style.GREY, linewidth=1, linestyle=(0, (2, 2)))
        options: Any = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
        axes.annotate(f"{name}\n{formats.size(size)}", (size, 1.0), xytext=(3, -2), fontsize=8, **options)
    axes.set_xlabel(lang().say("working set (log scale)"))
    axes.set_ylabel(lang().say("GB/s, one thread"))
    axes.set_title(lang().say("Bandwidth"))
    axes.legend(loc="lower left")


def _draw_roofline(axes: Axes, table: pd.DataFrame) -> None:
    style.log(axes.xaxis)
    style.log(axes.yaxis)
    peaks = table[(table["kind"] == "peak") & (table["unit"] == "flop/s") & (table["threads"] == 1)]
    products = _products(table)
    top = float(max(peaks["value"].max(), products["value"].max())) / 1e9
    intensity = np.geomspace(0.05, 200, 200)
    keys = []
    for number, (name, rate) in enumerate(roofs(table).items()):
        line = {"color": "black", "linewidth": 1.2, "linestyle": style.DASHES[number % len(style.DASHES)]}
        axes.plot(intensity, np.minimum(top, rate / 1e9 * intensity), **line)
        keys.append(style.key(f"{lang().word(name)}, {rate / 1e9:.0f} GB/s", **line))
    axes.text(
        190,
        top * 1.25,
        lang().say("peak {rate} gigaflops", rate=lang().number(top)),
        ha="right",
        va="bottom",
        fontsize=8,
    )
    for number, (_, row) in enumerate(products.iterrows()):
        look = {**style.look(number), "linestyle": "none", "markersize": 8}
        axes.plot([row["flops_per_byte"]], [row["value"] / 1e9], **look)
        keys.append(style.key(f"{lang().word(row['name'])}, {lang().number(row['value'] / 1e9)}", **look))
    axes.set_ylim(bottom=float(products["value"].min()) / 1e9 / 3, top=top * 2.2)
    axes.set_xlim(0.05, 200)
    axes.set_xlabel(lang().say("operations per byte (log scale)"))
    axes.set_ylabel(lang().say("gigaflops, one thread (log scale)"))
    axes.set_title(lang().say("Roofline, with the four products and their gigaflops"))
    axes.legend(handles=keys, loc="lower right", ncols=1)
