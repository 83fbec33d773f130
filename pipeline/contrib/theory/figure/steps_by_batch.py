"""Steps to the target against the batch size: how far doubling the batch halves the steps."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.agreement import APPROXIMATION, LIMIT
from pipeline.analysis.expected import OPTIMIZER, Expected
from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.sweep_agreement import steps_held
from pipeline.figures import style
from pipeline.figures.cost_to_target import target_words
from pipeline.figures.loss_by_clock import BETWEEN
from pipeline.figures.registry import register
from pipeline.figures.words import lang, passed, sentences
from pipeline.lab.grouping import grouped

_INK = "#0072B2"
_THEORY: Any = {"color": "#000000", "linestyle": (0, (1, 1.2)), "linewidth": 2.2}
_PERFECT_LINE: Any = {"color": "#555555", "linestyle": (0, (4, 2)), "linewidth": 1.2}
#: Perfect scaling still holds where the examples are at most this factor above the fewest.
_PERFECT = 1.5


def perfect_to(own: pd.DataFrame) -> float:
    """The largest batch size up to which no more than 1.5 times the fewest examples are needed; NaN if none."""
    arrived = own[np.isfinite(own["examples"])]
    if arrived.empty:
        return math.nan
    good = own["examples"] <= _PERFECT * arrived["examples"].min()
    return float(own.loc[good, "batch_size"].max())


def _reach(study: AnalysedStudy) -> dict[int, list[str]]:
    """Up to which batch size scaling is perfect, ascending, and for which optimizers."""
    reach = [(perfect_to(own), str(name)) for name, own in study.sweep.scaling.groupby("optimizer", sort=False)]
    return dict(sorted(grouped((int(limit), name) for limit, name in reach if not math.isnan(limit)).items()))


def title(study: AnalysedStudy) -> str:
    """Say up to which batch size twice the batch takes about half the steps."""
    reach = _reach(study)
    if not reach:
        return lang().say("No optimizer reaches the target")
    (first, some), *_, (last, others) = [*reach.items()] * 2
    return (
        lang().say(
            "Twice the batch, about half the steps: up to b = {first} for {some}, up to b = {last} for {others}",
            **{"first": str(first), "some": _some(some), "last": str(last), "others": _some(others)},
        )
        if first != last
        else lang().say("Twice the batch, about half the steps: up to b = {b}, and not beyond", b=str(last))
        if last < study.sweep.grid.batch_sizes[-1]
        else lang().say("Twice the batch, about half the steps, at every batch size up to b = {b}", b=str(last))
    )


def _some(names: list[str]) -> str:
    return lang().listed(names) if len(names) < 3 else lang().say("{n} optimizers", n=len(names))


def caption(study: AnalysedStudy) -> str:
    """Say how far perfect scaling goes, and who misses where."""
    table, missed = study.sweep.scaling, int(np.isinf(study.sweep.scaling["steps"]).sum())
    ends = [f"b = {b} ({lang().listed(names)})" for b, names in _reach(study).items()]
    return sentences(
        target_words(study),
        lang().say(
            "Median steps over seeds, each batch size at the learning rate that gets there first; bars are 95 % "
            "intervals (order statistics). On the dashed line doubling the batch halves the steps, so the examples "
            "stay the same."
        ),
        lang().word(BETWEEN),
        _theory_words(study, study.expected) if study.expected is not None else "",
        lang().say(
            "At most {times} times the fewest examples are needed up to {ends}.",
            times=lang().local(f"{_PERFECT:g}"),
            ends="; ".join(ends),
        )
        if ends
        else "",
        lang().say(
            "In {missed} of {total} combinations half of the seeds or more miss the target.",
            missed=missed,
            total=len(table),
        )
        if missed
        else "",
        lang().say(
            "Every run has the same number of epochs, and so large batches have few steps. Comparing batch sizes at "
            "fixed epochs shows the perfect-scaling regime and its end, not what large batches could do with more "
            "epochs."
        )
        if missed and len(set(study.runs["epochs"])) == 1
        else "",
    )


def _theory_words(study: AnalysedStudy, expected: Expected) -> str:
    """How the measured steps of plain SGD compare with the expected ones."""
    table = study.sweep.scaling
    measured = table[table["optimizer"] == OPTIMIZER].set_index("batch_size")["steps"].astype(float)
    ratios = [
        lang().say("{ratio} at b = {b}", ratio=lang().number(float(measured[b]) / steps, 2), b=str(b))
        for b, steps in zip(expected.batch_sizes, expected.steps, strict=True)
        if np.isfinite(measured[b]) and np.isfinite(steps)
    ]
    # The same steps of the mean loss, like against like, in standard errors.
    sweep = study.sweep
    assert study.problem is not None
    held = steps_held(study.problem, sweep.grid, study, expected, sweep.target.loss)
    found = [
        lang().say(
            "{measured} where {expected} are expected at b = {b} (z = {z})",
            measured=lang().number(one.measured),
            expected=lang().number(one.expected),
            **{"b": str(one.batch_size), "z": lang().local(f"{one.z:.1f}")},
        )
        for one in held
    ]
    return sentences(
        lang().say(
            "On sgd's panel the dotted line is theory's: the steps at which the expected loss is at the target, at the "
            "best constant rate, for minibatches drawn anew at each step and as many epochs as it takes."
        ),
        lang().say(
            "Measured over expected: {ratios}. Below 1 is no contradiction: a run is at the target when its own loss "
            "first dips there, sooner than the mean of all runs, and a permutation is less noisy.",
            ratios=lang().listed(ratios),
        )
        if ratios
        else "",
        lang().say(
            "Like against like, at the grid's rate nearest to theory's and one permutation an epoch, the mean loss "
            "takes so many steps: {found}; z is the deviation in standard errors (the rule: |z| below {limit}, after "
            "{share} % of the excess, by which theory may be off there): {verdict}.",
            found=lang().listed(found),
            limit=f"{LIMIT:g}",
            share=lang().local(f"{100 * APPROXIMATION:g}"),
            verdict=passed(all(one.agrees for one in held)),
        )
        if held
        else "",
    )


@register(
    kind="sweep",
    title=title,
    caption=caption,
    place=5,
    fits=lambda study: len(study.sweep.grid.batch_sizes) > 1,
)
def steps_by_batch(study: AnalysedStudy) -> Figure:
    """Draw steps to the target against the batch size on log2 axes, a panel for each optimizer.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    grid, table, expected = study.sweep.grid, study.sweep.scaling, study.expected
    labels = lang().say("batch size (log scale)"), lang().say("steps to the target (log scale)")
    figure, panels = style.panels(grid.optimizers, *labels, legend_lines=2)
    finite = table["steps"][np.isfinite(table["steps"])]
    bottom, top = (float(finite.min()) / 2, float(finite.max()) * 4) if len(finite) else (1.0, 1024.0)
    for name, axes in zip(grid.optimizers, panels, strict=True):
        _draw_panel(axes, table[table["optimizer"] == name].sort_values("batch_size"), top)
        if name == OPTIMIZER and expected is not None:
            axes.plot(expected.batch_sizes, expected.steps, **_THEORY, zorder=4)
    axes = panels[0]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set(xlim=(min(grid.batch_sizes) / 1.4, max(grid.batch_sizes) * 1.4), ylim=(bottom, top))
    style.ticks(axes.xaxis, grid.batch_sizes, lambda value: f"{value:g}")
    style.ticks(axes.yaxis, [4.0**i for i in range(12)], lambda value: f"{value:,.0f}")
    keys = [
        style.key(lang().say("median"), color=_INK, marker="o", markersize=4.5, linewidth=1.8),
        style.key(lang().say("perfect scaling"), **_PERFECT_LINE),
        style.key(lang().say("missed by half of the seeds or more"), color=style.RED, marker="^", markersize=6),
    ]
    if expected is not None:
        keys.append(style.key(lang().say("theory (sgd)"), **_THEORY))
    style.add_legend(figure, keys)
    return figure


def _draw_panel(axes: Axes, own: pd.DataFrame, top: float) -> None:
    sizes, steps, low, high = (
        own[name].to_numpy(dtype=float) for name in ("batch_size", "steps", "steps_low", "steps_high")
    )
    here = np.isfinite(steps)
    if here.any():
        first = int(np.flatnonzero(here)[0])
        axes.plot(sizes, steps[first] * sizes[first] / sizes, **_PERFECT_LINE)
    axes.vlines(sizes[here], low[here], np.minimum(high[here], 10 * top), color=_INK, alpha=0.4, linewidth=4)
    axes.plot(sizes[here], steps[here], "o-", color=_INK, markersize=4.5, linewidth=1.4)
    if not here.all():
        places = [top] * int(np.count_nonzero(~here))
        axes.plot(sizes[~here], places, "^", color=style.RED, markersize=6, clip_on=False)
