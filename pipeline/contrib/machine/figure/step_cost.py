"""What a training step is spent on."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

_STEP = {"data": "data", "forward_backward": "forward and backward", "update": "update"}
_REST = {"reading": "reading the loss", "lightning": "Lightning", "setup": "starting the fit"}
_WHOLE = {**_STEP, **_REST}
#: Fillings of the bars, from dark to light and with hatches, so that neighbours differ in grey.
_FILLS: tuple[dict[str, Any], ...] = (
    {"facecolor": "#0072B2"},
    {"facecolor": "#56B4E9", "hatch": "///"},
    {"facecolor": "#D55E00"},
    {"facecolor": "#E69F00", "hatch": "..."},
    {"facecolor": "#bbbbbb"},
    {"facecolor": "#ffffff", "hatch": "xxx"},
)


def caption(measured: Measured) -> str:
    """Say what a step costs, what the update is of it, and how well the parts add up."""
    table = measured.pooled
    wide = _wide(table)
    sums = 100 * wide[list(_WHOLE)].sum(axis=1) / wide["whole"]
    share = (100 * wide["update"] / wide["step"]).groupby("implementation").median()
    steps = wide["step"].xs("scratch", level="implementation").groupby("batch_size").median()
    costs = [f"{formats.number(value)} µs at b = {b}" for b, value in steps.items()]
    updates = [f"{formats.number(value, 2)} % ({kind})" for kind, value in share.items()]
    each = {part: float(rows["microseconds"].median()) / 1e6 for part, rows in table.groupby("part")}
    return (
        f"Medians. From scratch, a step of the median optimizer takes {formats.listed(costs)}. Of a step, the "
        f"update is {formats.listed(updates)}. Beside the steps, Lightning takes {formats.seconds(each['lightning'])} "
        f"an evaluation interval and {formats.seconds(each['setup'])} to start and end a fit, which weighs more in the "
        f"short fits measured here than in others; writing the tables takes {formats.seconds(each['logging'])} a run. "
        f"The parts add up to {formats.number(sums.median())} % of the whole in the median "
        f"({formats.number(sums.min())} to {formats.number(sums.max())} %)."
    )


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """One column per part, one row per cell; of several models, data or samplings the first one."""
    kind = ["model", "data", "sampling"]
    table = table[(table[kind] == table[kind].iloc[0]).all(axis=1)]
    return table.pivot_table(
        index=["implementation", "optimizer", "batch_size"], columns="part", values="us_per_step", sort=False
    )


@register(kind="measurement", title="Cost of a step", caption=caption)
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
    figure = style.new_figure(height=3.6 + 0.25 * len(rows) + 0.3 * len(sizes))
    upper, lower = figure.subplots(2, 1, height_ratios=[0.25 * len(rows) + 0.6, 0.3 * 2 * len(sizes) + 0.6])
    _draw_bars(upper, rows, _STEP)
    style.rows(upper, [f"{name}, {kind}" for kind, name in rows.index], fontsize=10)
    upper.set(title=f"A step at b = {middle}, by optimizer", xlabel="µs per step")
    _draw_whole(lower, wide, sizes)
    words = zip(_WHOLE.values(), _FILLS, strict=True)
    keys = [Patch(edgecolor="black", linewidth=0.6, label=label, **fill) for label, fill in words]
    style.add_legend(figure, keys, columns=3)
    return figure


def _draw_bars(axes: Axes, rows: pd.DataFrame, parts: dict[str, str], share: bool = False) -> None:
    left = np.zeros(len(rows))
    divisor = rows[list(parts)].sum(axis=1).to_numpy() / 100 if share else np.ones(len(rows))
    for part, fill in zip(parts, _FILLS, strict=False):
        width = rows[part].to_numpy() / divisor
        axes.barh(range(len(rows)), width, left=left, height=0.72, edgecolor="black", linewidth=0.6, **fill)
        left += width


def _draw_whole(axes: Axes, wide: pd.DataFrame, sizes: list[int]) -> None:
    """Shares of a whole fit, the median optimizer of each implementation and batch size."""
    groups = wide.groupby(level=["batch_size", "implementation"], sort=False).median()
    rows = groups.reindex([(b, kind) for b in sizes for kind in ("scratch", "torch") if (b, kind) in groups.index])
    _draw_bars(axes, rows, _WHOLE, share=True)
    for place, (_, row) in enumerate(rows.iterrows()):
        axes.text(101, place, f"{formats.number(row['whole'])} µs", va="center", fontsize=8)
    style.rows(axes, [f"b = {b}, {kind}" for b, kind in rows.index], fontsize=10)
    label = "% of a short fit; at the right, µs of it per step"
    axes.set(title="A whole fit, median optimizer", xlabel=label, xlim=(0, 100))
