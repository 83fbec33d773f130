"""Final loss against the learning rate: how much a wrong guess costs."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from pipeline.analysis.grid import Array
from pipeline.figures.panels import legend_below, optimizer_panels
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")
_SMALLEST = 1e-5
#: Within this factor of the least excess a learning rate counts as good.
_GOOD = 2.0


def caption(tables: Tables) -> str:
    """Say which optimizers forgive a wrong rate."""
    widths = {name: width for name in tables.sweep.grid.optimizers if np.isfinite(width := good_width(tables, name))}
    text = (
        "Median final loss over seeds, a line for each batch size; a cross at the upper edge is a rate at which "
        "half of "
        "the runs or more diverged or failed. The lower and flatter a line, the less a wrong rate costs."
    )
    if len(widths) > 1:
        widest, narrowest = max(widths, key=lambda n: widths[n]), min(widths, key=lambda n: widths[n])
        text += (
            f" The rates whose {_excess_word(tables)} is within twice the best one's span, in the median over batch "
            f"sizes, "
            f"a factor of {formats.number(widths[widest], 2)} for {widest} and of "
            f"{formats.number(widths[narrowest], 2)} for {narrowest} (on this grid)."
        )
    return text


def _excess_word(tables: Tables) -> str:
    return "loss" if tables.minimum is None else "loss above the minimum"


def good_width(tables: Tables, optimizer: str) -> float:
    """Ratio of the highest to the lowest rate within twice the least excess, the median over batch sizes.

    Rates are counted from the best one outwards, as far as they are good without a gap.
    """
    grid, widths = tables.sweep.grid, []
    for b in grid.batch_sizes:
        rows = grid.rows(optimizer, b)
        rows = rows[np.argsort(grid.cells["lr"].to_numpy()[rows])]
        excess = grid.medians[rows] - (tables.minimum or 0.0)
        if not rows.size or not np.isfinite(excess).any():
            continue
        best = low = high = int(np.argmin(excess))
        limit = _GOOD * max(excess[best], _SMALLEST)
        while low > 0 and excess[low - 1] <= limit:
            low -= 1
        while high < len(rows) - 1 and excess[high + 1] <= limit:
            high += 1
        lrs = grid.cells["lr"].to_numpy(dtype=float)[rows]
        widths.append(lrs[high] / lrs[low])
    return float(np.median(widths)) if widths else float("nan")


@register(title="Learning-rate sensitivity", study="sweep", caption=caption, place=3)
def sweep_lr_sensitivity(tables: Tables) -> Figure:
    """Draw the final loss against the learning rate, a panel for each optimizer, a line for each batch size.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    grid = tables.sweep.grid
    label = "final loss − minimum" if tables.minimum is not None else "final loss"
    figure, panels = optimizer_panels(
        grid.optimizers, "learning rate (log scale)", f"{label} (log scale)", height=1.3, legend_lines=2, wide=True
    )
    excess = np.maximum(grid.medians - (tables.minimum or 0.0), _SMALLEST)
    bottom, top = _limits(excess, tables)
    looks = _looks(grid.batch_sizes)
    for name, axes in zip(grid.optimizers, panels, strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        for b, look in looks.items():
            rows = grid.rows(name, b)
            rows = rows[np.argsort(grid.cells["lr"].to_numpy()[rows])]
            _draw_line(axes, grid.cells["lr"].to_numpy(dtype=float)[rows], excess[rows], top, look)
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(numticks=6))
            axis.set_major_formatter(plain)
            axis.set_minor_locator(NullLocator())
    panels[0].set_ylim(bottom, top)
    handles = [Line2D([], [], **look) for look in looks.values()]
    labels = [f"b = {b}" for b in looks]
    handles.append(Line2D([], [], linestyle="none", marker="x", color="#222222", markersize=5))
    legend_below(figure, handles, [*labels, "half or more diverged or failed"], columns=4)
    return figure


def _looks(sizes: list[int]) -> dict[int, dict[str, Any]]:
    """A scale from dark to light, and a marker each, so that grey prints tell them apart."""
    colours = mpl.colormaps["cividis"](np.linspace(0.0, 0.88, max(len(sizes), 2)))
    return {
        b: {"color": tuple(colour), "marker": _MARKERS[i % len(_MARKERS)], "markersize": 3.6, "linewidth": 1.3}
        for i, (b, colour) in enumerate(zip(sizes, colours, strict=False))
    }


def _limits(excess: Array, tables: Tables) -> tuple[float, float]:
    """From below the best excess to above the initial one: worse than untrained is only bad."""
    finite = excess[np.isfinite(excess)]
    bottom = float(finite.min()) / 1.6 if finite.size else _SMALLEST
    initial = float(tables.runs["initial_loss"].astype(float).median()) - (tables.minimum or 0.0)
    return bottom, max(4 * initial if np.isfinite(initial) else 1.0, 10 * bottom)


def _draw_line(axes: Axes, lrs: Array, excess: Array, top: float, look: dict[str, Any]) -> None:
    """Draw what is finite; lines leave the panel upwards, and what diverged stands on its edge."""
    finite = np.isfinite(excess)
    axes.plot(lrs[finite], np.minimum(excess[finite], 100 * top), **look)
    if not finite.all():
        n = int(np.count_nonzero(~finite))
        axes.plot(lrs[~finite], [top] * n, "x", color=look["color"], markersize=5, clip_on=False, zorder=4)
