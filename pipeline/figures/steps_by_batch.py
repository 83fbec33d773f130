"""Steps to the target against the batch size: how far doubling the batch halves the steps."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.analysis.agreement import APPROXIMATION, LIMIT
from pipeline.analysis.expected import OPTIMIZER, Expected
from pipeline.analysis.sweep_agreement import steps_held
from pipeline.figures.cost_to_target import target_briefly
from pipeline.figures.panels import legend_below, optimizer_panels
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

_INK, _THEORY = "#0072B2", "#000000"
_DOTTED: Any = (0, (1, 1.2))
#: Perfect scaling still holds where the examples are at most this factor above the fewest.
_PERFECT = 1.5


def perfect_to(own: pd.DataFrame) -> float:
    """The largest batch size up to which no more than 1.5 times the fewest examples are needed; NaN if none."""
    arrived = own[np.isfinite(own["examples"])]
    if arrived.empty:
        return math.nan
    good = own["examples"] <= _PERFECT * arrived["examples"].min()
    return float(own.loc[good, "batch_size"].max())


def caption(tables: Tables) -> str:
    """Say how far perfect scaling goes, and who misses where."""
    table = tables.sweep.scaling
    text = (
        f"{target_briefly(tables)} Median steps over seeds, each batch size at the learning rate that gets there "
        "first; bars are 95 % intervals (order statistics). On the dashed line doubling the batch halves the steps, "
        "so the examples stay the same."
    )
    text += _theory_words(tables)
    reach: dict[int, list[str]] = {}
    for name, own in table.groupby("optimizer", sort=False):
        if not math.isnan(limit := perfect_to(own)):
            reach.setdefault(int(limit), []).append(str(name))
    if reach:
        ends = [f"b = {b} ({formats.listed(reach[b])})" for b in sorted(reach)]
        text += f" At most {_PERFECT:g} times the fewest examples are needed up to {'; '.join(ends)}."
    missed = int(np.isinf(table["steps"]).sum())
    if missed:
        text += (
            f" In {missed} of {len(table)} combinations half of the seeds or more miss the target: every run has the "
            "same number of epochs, and so large batches have few steps. Comparing batch sizes at fixed epochs shows "
            "the perfect-scaling regime and its end, not what large batches could do with more epochs."
        )
    return text


def _theory_words(tables: Tables) -> str:
    """How the measured steps of plain SGD compare with the expected ones."""
    expected, table = tables.expected, tables.sweep.scaling
    if expected is None:
        return ""
    measured = table[table["optimizer"] == OPTIMIZER].set_index("batch_size")["steps"].astype(float)
    text = (
        " On sgd's panel the dotted line is theory's: the steps at which the expected loss is at the target, at the "
        "best constant rate, for minibatches drawn anew at each step and as many epochs as it takes."
    )
    ratios = [
        f"{formats.number(float(measured[b]) / steps, 2)} at b = {b}"
        for b, steps in zip(expected.batch_sizes, expected.steps, strict=True)
        if np.isfinite(measured[b]) and np.isfinite(steps)
    ]
    if ratios:
        text += (
            f" Measured over expected: {formats.listed(ratios)}. Below 1 is no contradiction: a run is at the target "
            "when its own loss first dips there, sooner than the mean of all runs, and a permutation is less noisy."
        )
    return text + _agreement_words(tables, expected)


def _agreement_words(tables: Tables, expected: Expected) -> str:
    """The same steps of the mean loss, like against like, in standard errors, and whether that passes."""
    assert tables.problem is not None
    sweep = tables.sweep
    held = steps_held(tables.problem, sweep.grid, sweep.study, expected, sweep.target.loss)
    if not held:
        return ""
    found = [
        f"{formats.number(one.measured)} where {formats.number(one.expected)} are expected at b = {one.batch_size} "
        f"(z = {one.z:.1f})"
        for one in held
    ]
    return (
        f" Like against like, at the grid's rate nearest to theory's and one permutation an epoch, the mean loss "
        f"takes so many steps: {formats.listed(found)}; z is the deviation in standard errors (the rule: "
        f"|z| below {LIMIT:g}, after {100 * APPROXIMATION:g} % of the excess, by which theory may be off there): "
        f"{'pass' if all(one.agrees for one in held) else 'FAIL'}."
    )


@register(title="Steps to the target by batch size", study="sweep", caption=caption, place=5)
def sweep_steps_by_batch(tables: Tables) -> Figure:
    """Draw steps to the target against the batch size on log2 axes, a panel for each optimizer.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    grid, table = tables.sweep.grid, tables.sweep.scaling
    figure, panels = optimizer_panels(
        grid.optimizers, "batch size (log scale)", "steps to the target (log scale)", height=1.3, legend_lines=2
    )
    finite = table["steps"][np.isfinite(table["steps"])]
    bottom, top = (float(finite.min()) / 2, float(finite.max()) * 4) if len(finite) else (1.0, 1024.0)
    for name, axes in zip(grid.optimizers, panels, strict=True):
        _draw_panel(axes, table[table["optimizer"] == name].sort_values("batch_size"), top)
        if name == OPTIMIZER and tables.expected is not None:
            sizes, steps = tables.expected.batch_sizes, tables.expected.steps
            axes.plot(sizes, steps, color=_THEORY, linestyle=_DOTTED, linewidth=2.2, zorder=4)
    axes = panels[0]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_ylim(bottom, top)
    axes.set_xlim(min(grid.batch_sizes) / 1.4, max(grid.batch_sizes) * 1.4)
    axes.xaxis.set_major_locator(FixedLocator(grid.batch_sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(FixedLocator([4.0**i for i in range(12)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    handles = [
        Line2D([], [], color=_INK, marker="o", markersize=4.5),
        Line2D([], [], color="#555555", linestyle=(0, (4, 2)), linewidth=1.2),
        Line2D([], [], color="#a30000", marker="^", linestyle="none", markersize=6),
    ]
    labels = ["median", "perfect scaling", "missed by half of the seeds or more"]
    if tables.expected is not None:
        handles.append(Line2D([], [], color=_THEORY, linestyle=_DOTTED, linewidth=2.2))
        labels.append("theory (sgd)")
    legend_below(figure, handles, labels, columns=2)
    return figure


def _draw_panel(axes: Axes, own: pd.DataFrame, top: float) -> None:
    sizes, steps = own["batch_size"].to_numpy(dtype=float), own["steps"].to_numpy(dtype=float)
    here = np.isfinite(steps)
    if here.any():
        first = int(np.flatnonzero(here)[0])
        axes.plot(sizes, steps[first] * sizes[first] / sizes, color="#555555", linestyle=(0, (4, 2)), linewidth=1.2)
    low, high = (own[f"steps_{name}"].to_numpy(dtype=float)[here] for name in ("low", "high"))
    axes.vlines(sizes[here], low, np.minimum(high, 10 * top), color=_INK, alpha=0.4, linewidth=4)
    axes.plot(sizes[here], steps[here], "o-", color=_INK, markersize=4.5, linewidth=1.4)
    if not here.all():
        axes.plot(sizes[~here], [top] * int(np.count_nonzero(~here)), "^", color="#a30000", markersize=6, clip_on=False)
