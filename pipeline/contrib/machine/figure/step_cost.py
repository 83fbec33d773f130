"""What a training step is spent on."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

_STEP = {"data": mark("data"), "forward_backward": mark("forward and backward"), "update": mark("update")}
_PARTS = ("data", "forward_backward", "update", "reading", "lightning", "setup")
#: A fit in three: what it consists of, and the parts that this is.
_FIT = {
    mark("the steps"): ["data", "forward_backward", "update"],
    mark("reading the loss"): ["reading"],
    mark("Lightning, start and end"): ["lightning", "setup"],
}
#: Fillings of the bars, from dark to light, so that neighbours differ in grey.
_FILLS, _REST = ("#08519c", "#6baed6", "#fdd0a2"), ("#404040", "#969696", "#e3e3e3")


def title(measured: Measured) -> str:
    """Say how little a step grows with the batch."""
    wide = _wide(measured.pooled)
    steps = wide["step"].groupby(["implementation", "batch_size"]).median().xs(_first(wide), level="implementation")
    large, small = steps.index.max(), steps.index.min()
    return lang().say(
        "A step on {large} examples takes {times} times as long as one on {small}",
        **{"large": str(large), "small": str(small)},
        times=lang().number(float(steps[large] / steps[small]), 2),
    )


def _first(wide: pd.DataFrame) -> str:
    return str(wide.index.get_level_values("implementation")[0])


def caption(measured: Measured) -> str:
    """Say what a step costs, what the update is of it, and how well the parts add up."""
    table = measured.pooled
    wide = _wide(table)
    sums = 100 * wide[list(_PARTS)].sum(axis=1) / wide["whole"]
    share = (100 * wide["update"] / wide["step"]).groupby("implementation").median()
    steps = wide["step"].xs("scratch", level="implementation").groupby("batch_size").median()
    costs = [lang().say("{cost} µs at b = {b}", cost=lang().number(value), b=str(b)) for b, value in steps.items()]
    updates = [f"{lang().number(value, 2)} % ({kind})" for kind, value in share.items()]
    each = {part: float(rows["microseconds"].median()) / 1e6 for part, rows in table.groupby("part")}
    return lang().say(
        "Medians; what each part takes stands in the bars. From scratch, a step of the median optimizer takes "
        "{costs}. Of a step, the update is {updates}. Beside the steps, Lightning takes {interval} an evaluation "
        "interval and {setup} to start and end a fit, which weighs more in the short fits measured here than in "
        "others; writing the tables takes {logging} a run. The parts add up to {sum} % of the whole in the median "
        "({low} to {high} %).",
        costs=lang().listed(costs),
        updates=lang().listed(updates),
        interval=lang().seconds(each["lightning"]),
        setup=lang().seconds(each["setup"]),
        logging=lang().seconds(each["logging"]),
        sum=lang().number(sums.median()),
        low=lang().number(sums.min()),
        high=lang().number(sums.max()),
    )


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """One column per part, one row per cell; of several models, data or samplings the first one."""
    kind = ["model", "data", "sampling"]
    table = table[(table[kind] == table[kind].iloc[0]).all(axis=1)]
    return table.pivot_table(
        index=["implementation", "optimizer", "batch_size"], columns="part", values="us_per_step", sort=False
    )


@register(kind="measurement", title=title, caption=caption)
def step_cost(measured: Measured) -> Figure:
    """Draw the parts of a step for every optimizer, and of a whole fit at every batch size.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    wide = _wide(measured.pooled)
    sizes = list(dict.fromkeys(wide.index.get_level_values("batch_size")))
    middle = sizes[min(1, len(sizes) - 1)]
    rows = pd.DataFrame(wide.xs(middle, level="batch_size"))
    rows = rows.assign(kind=rows.index.get_level_values(0)).sort_values(["kind", "step"])
    groups = wide.groupby(level=["batch_size", "implementation"], sort=False).median()
    fits = groups.reindex([(b, kind) for b in sizes for kind in ("scratch", "torch") if (b, kind) in groups.index])
    figure = style.new_figure(height=3.9 + 0.21 * (len(rows) + len(fits)))
    upper, lower = figure.subplots(2, 1, height_ratios=[0.21 * len(rows) + 0.6, 0.21 * len(fits) + 0.6])
    _draw_bars(upper, rows[list(_STEP)].to_numpy(), _FILLS)
    style.rows(upper, [f"{name}, {kind}" for kind, name in rows.index])
    upper.set(title=lang().say("A step at b = {b}, by optimizer", b=str(middle)), xlabel=lang().say("µs per step"))
    parts = np.column_stack([fits[parts].sum(axis=1) for parts in _FIT.values()])
    _draw_bars(lower, 100 * parts / parts.sum(axis=1, keepdims=True), _REST)
    for place, whole in enumerate(fits["whole"]):
        lower.text(101, place, f"{lang().number(whole)} µs", va="center", fontsize=8)
    style.rows(lower, [f"b = {b}, {kind}" for b, kind in fits.index])
    label = lang().say("% of a short fit; at the right, µs of it per step")
    lower.set(title=lang().say("A whole fit, median optimizer"), xlabel=label, xlim=(0, 100))
    words = [*zip(_STEP.values(), _FILLS, strict=True), *zip(_FIT, _REST, strict=True)]
    keys = [Patch(edgecolor="white", label=lang().word(name), facecolor=colour) for name, colour in words]
    style.add_legend(figure, keys)
    return figure


def _draw_bars(axes: Axes, parts: Any, colours: tuple[str, ...]) -> None:
    """Rows of parts one after the other; within a part that is wide enough stands how much it is."""
    left, widest = np.zeros(len(parts)), parts.sum(axis=1).max()
    for width, colour in zip(parts.T, colours, strict=True):
        axes.barh(range(len(parts)), width, left=left, height=0.74, edgecolor="white", linewidth=0.8, color=colour)
        for row, (start, value) in enumerate(zip(left, width, strict=True)):
            if value > 0.09 * widest:
                ink = "white" if colour in (_FILLS[0], _REST[0]) else style.INK
                options: Any = {"ha": "center", "va": "center", "fontsize": 8, "color": ink}
                axes.text(start + value / 2, row, f"{value:.0f}", **options)
        left = left + width
