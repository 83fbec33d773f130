"""The best cell of each optimizer, seed by seed, and whether the seeds are enough to rank them."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from pipeline.analysis.compare import Comparison
from pipeline.figures import style
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_SMALLEST = 1e-6
_DOT, _BAR = "#56B4E9", "#0072B2"


def caption(tables: Tables) -> str:
    """Say who leads, and who cannot be told from the leader."""
    sweep = tables.sweep
    best, seeds = sweep.best, len(sweep.grid.seeds)
    text = (
        f"The best cell of each optimizer: {formats.count(seeds, 'seed')} as dots, their median with its 95 % "
        f"bootstrap "
        "interval. P is the share of seeds in which the leader ends lower, with its exact 95 % interval; seeds are "
        "paired, "
        "because a seed gives all cells the same initial weights and example order. Where the interval holds ½, "
        "the seeds are too few to rank the two."
    )
    unranked = [
        str(name)
        for name, other in zip(best["optimizer"], sweep.against_leader, strict=True)
        if other is not None and not other.ranked
    ]
    if len(best) > 1 and math.isfinite(best["median"].iloc[0]):
        leader = str(best["optimizer"].iloc[0])
        text += (
            f" Not to be ranked against {leader}: {formats.listed(unranked)}."
            if unranked
            else f" {leader} is ahead of all others."
        )
    return text


def verdict(other: Comparison | None, missing: str = "") -> str:
    """What stands beside a row: the probability, or that the seeds are too few.

    Parameters
    ----------
    other : Comparison or None
        The leader against this one.
    missing : str
        What to say where there is none.
    """
    if other is None:
        return missing
    text = f"P = {other.probability:.2f} [{other.low:.2f}, {other.high:.2f}]"
    return text if other.ranked else f"{text}\ntoo few seeds to rank"


@register(title="The leading cells", study="sweep", caption=caption, place=2)
def sweep_leading_cells(tables: Tables) -> Figure:
    """Draw the final losses of each optimizer's best cell, the lowest median on top.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    sweep = tables.sweep
    best = sweep.best
    figure = style.new_figure(height=1.5 + 0.42 * len(best))
    axes = figure.subplots()
    axes.set_xscale("log")
    for row in range(len(best)):
        _draw_row(axes, row, tables)
    cells = [
        f"{o}\nb = {b}, lr {lr:.3g}" if np.isfinite(lr) else str(o)
        for o, b, lr in zip(best["optimizer"], best["batch_size"], best["lr"], strict=True)
    ]
    axes.set_yticks(range(len(best)), cells, fontsize=8.5)
    axes.set_ylim(len(best) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    words = "final loss" if tables.minimum is None else "final loss − minimum"
    axes.set_xlabel(f"{words} (log scale)")
    if np.isfinite(best["median"]).any():
        style.log_axis(axes.xaxis, lambda value: f"{value:g}")
    else:
        axes.xaxis.set_major_locator(NullLocator())
        axes.xaxis.set_minor_locator(NullLocator())
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=_DOT, markersize=4.5),
        Line2D([], [], color=_BAR, linewidth=4, alpha=0.45),
        Line2D([], [], linestyle="none", marker="|", color="black", markersize=12, markeredgewidth=2.5),
    ]
    style.add_legend(figure, handles, ["a seed", "95 % interval of the median", "median"], columns=3)
    return figure


def _draw_row(axes: Axes, row: int, tables: Tables) -> None:
    sweep, line = tables.sweep, tables.sweep.best.iloc[row]
    beside = axes.get_yaxis_transform()
    if line["row"] < 0:
        axes.text(0.5, row, "half of the runs or more diverged or failed", transform=beside, ha="center", va="center")
        return
    base = tables.minimum or 0.0
    losses = sweep.grid.losses[int(line["row"])]
    finite = losses[np.isfinite(losses)]
    low, middle, high = (max(float(line[name]) - base, _SMALLEST) for name in ("low", "median", "high"))
    end = high if math.isfinite(high) else max(float(finite.max()) - base, middle)
    axes.plot([low, end], [row, row], color=_BAR, linewidth=5, alpha=0.45, solid_capstyle="butt")
    axes.plot(np.maximum(finite - base, _SMALLEST), np.full(len(finite), row), "o", color=_DOT, markersize=4)
    axes.plot([middle], [row], "|", color="black", markersize=14, markeredgewidth=2.5)
    words = verdict(sweep.against_leader[row], "the leader" if row == 0 else "")
    if len(finite) < len(losses):
        words += f"\n{len(losses) - len(finite)} of {len(losses)} seeds infinite"
    axes.text(1.02, row, words, transform=beside, va="center", fontsize=8)
