"""How much of the machine each way to multiply two matrices reaches."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.grid import Array
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.measure.table import Measured


def title(measured: Measured) -> str:
    """Say how far apart the whole product and the one element by element are."""
    rate = _methods(measured.pooled, threads=1)["gigaflops"]
    return lang().say(
        "Whole, the product is {times} times as fast as element by element",
        times=lang().number(float(rate["whole"] / rate["element"]), 2),
    )


def caption(measured: Measured) -> str:
    """Say how far apart the ways are, what blocks reach, and by how much the source's formula is off."""
    table = measured.pooled
    one = _methods(table, threads=1)
    n, rate = int(one["n"].iloc[0]), one["gigaflops"]
    cold = table[table["part"] == "cold"].set_index("method")["seconds"]
    times = [f"{method_name(name)} {lang().seconds(seconds)}" for name, seconds in cold.items()]
    wrong = int((~table["equal"]).sum())
    return sentences(
        lang().say(
            "True gigaflops, 2n³/t, of the product of two {n} × {n} float32 matrices; warm medians, bars from "
            "quartile to quartile. On one thread: element by element {element}, column by column {column}, whole "
            "{whole}. Blocks of {columns} columns and more reach {share} % of the whole or more. The source prints "
            "2/t, which is {factor} times too high, and since 2022 0.03/t.",
            **{"n": str(n), "columns": n // 4, "factor": lang().number(2 / (2 * n**3 / 1e9))},
            **{name: lang().number(rate[name]) for name in ("element", "column", "whole")},
            share=lang().number(100 * one[one["columns"] >= n // 4]["gigaflops"].min() / rate["whole"], 2),
        ),
        lang().say("One cold call of each, as the source measures: {times}.", times=lang().listed(times))
        if times
        else "",
        lang().say("{n} results are NOT equal.", n=wrong) if wrong else lang().say("All results are equal."),
    )


def method_name(method: object) -> str:
    """What a way to multiply is called: ``element``, ``block of 64 columns``."""
    kind, _, columns = str(method).partition(" ")
    return lang().say("block, {columns} columns", columns=columns) if columns else lang().word(kind)


def _methods(table: pd.DataFrame, threads: int) -> pd.DataFrame:
    return table[(table["part"] == "methods") & (table["threads"] == threads)].set_index("method")


@register(kind="measurement", title=title, caption=caption)
def vectorisation(measured: Measured) -> Figure:
    """Draw the gigaflops of every way, and of the whole product at every size.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.pooled
    counts = sorted(table.loc[table["part"] == "methods", "threads"].unique())
    figure = style.new_figure(height=7.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[1.5, 1])
    keys = []
    for number, threads in enumerate(counts):
        look = style.look(number, number)
        _draw_methods(upper, _methods(table, threads), look, offset=0.16 * (number - (len(counts) - 1) / 2))
        sizes = table[(table["part"] == "sizes") & (table["threads"] == threads)]
        lower.plot(sizes["n"], sizes["gigaflops"], **look)
        label = lang().count(int(threads), "{n} thread, warm median", "{n} threads, warm median")
        keys.append(style.key(label, **look, linewidth=1.8))
    _draw_cold(upper, table)
    threads = int(table.loc[table["part"] == "cold", "threads"].max())
    keys.append(
        style.key(
            lang().count(threads, "one cold call, {n} thread", "one cold call, {n} threads"), marker="x", color="black"
        )
    )
    _name(upper, lower, table)
    style.add_legend(figure, keys)
    return figure


def rates_of(rows: pd.DataFrame) -> tuple[Array, Array, Array]:
    """Gigaflops of the median repeat, and of the slower and the quicker quartile.

    The quartiles are the median's rate, scaled by the times. Computed anew as 2n³/t they would differ from it by a
    rounding where a single repeat is all three, and an error bar of -1e-17 is refused.
    """
    rate, seconds = (rows[name].to_numpy(dtype=float) for name in ("gigaflops", "seconds"))
    low, high = (rate * (seconds / rows[name].to_numpy(dtype=float)) for name in ("seconds_q75", "seconds_q25"))
    return rate, low, high


def _draw_methods(axes: Axes, rows: pd.DataFrame, look: dict[str, Any], offset: float) -> None:
    rate, low, high = rates_of(rows)
    y = [place + offset for place in range(len(rows))]
    axes.errorbar(rate, y, xerr=[rate - low, high - rate], **{**look, "linestyle": "none"})
    for value, top, place in zip(rate, high, y, strict=True):
        if offset <= 0:
            options: Any = {"textcoords": "offset points", "fontsize": 8, "va": "bottom"}
            axes.annotate(lang().number(value), (top, place), xytext=(7, 1), **options)


def _draw_cold(axes: Axes, table: pd.DataFrame) -> None:
    order = list(_methods(table, threads=1).index)
    for _, row in table[table["part"] == "cold"].iterrows():
        if row["method"] in order:
            axes.plot([row["gigaflops"]], [order.index(row["method"])], "x", color="black")


def _name(upper: Axes, lower: Axes, table: pd.DataFrame) -> None:
    order = list(_methods(table, threads=1).index)
    n = int(table.loc[table["part"] == "methods", "n"].iloc[0])
    style.log(upper.xaxis)
    style.rows(upper, [method_name(name) for name in order])
    upper.margins(x=0.12)
    upper.set_xlabel(lang().say("gigaflops (log scale)"))
    upper.set_title(lang().say("The {n} × {n} product, piece by piece", n=str(n)))
    lower.set_xscale("log")
    style.ticks(lower.xaxis, sorted(table.loc[table["part"] == "sizes", "n"].unique()), lambda n: f"{n:g}")
    lower.set_ylim(bottom=0)
    lower.set_xlabel(lang().say("rows and columns n (log scale)"))
    lower.set_ylabel(lang().say("gigaflops"))
    lower.set_title(lang().say("The whole product, by size"))
