"""The minibatch gradient's spread against the batch size, and the two laws for it."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.measured import axes as shared
from pipeline.figures.measured.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

_LAWS: tuple[tuple[str, Any, str], ...] = (
    ("independent", "solid", "σ₁/√b"),
    ("finite", (0, (4, 1.6)), "σ₁/√b · √((n−b)/(n−1))"),
)
_PLACES = {"start": "at the start", "minimum": "at the minimum"}


def caption(measured: Measured) -> str:
    """Say how well each law holds, and what the correction does at the full batch."""
    table = measured.table
    error = (table["ratio"] - 1).abs().groupby(table["sampling"]).max()
    independent, finite = (formats.number(100 * float(error[f"with{out}_replacement"]), 2) for out in ("", "out"))
    own = table[(table["sampling"] == "without_replacement") & (table["at"] == "start")]
    promised = own.set_index("batch_size")["ratio_to_independent"].astype(float)
    full = int(promised.index.max())
    half = int(promised.index[promised.index >= full / 2].min())
    return (
        f"Standard deviation of the minibatch gradient, √E|g − G|². With independent draws it is within "
        f"{independent} % of σ₁/√b at every b. Without replacement, as epochs are drawn, it is within {finite} % of "
        f"σ₁/√b · √((n−b)/(n−1)): at b = {half} only {formats.number(100 * promised[half], 2)} % of what 1/√b "
        f"promises, and at the full batch, b = {full}, {formats.number(promised[full], 2)} of it, which is rounding. "
        f"The bend below the straight line is no error of the measurement."
    )


@register(title="Gradient noise", caption=caption)
def gradient_noise(measured: Measured) -> Figure:
    """Draw measured standard deviations and both laws, and the measured over the law that should hold.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table
    figure = style.new_figure(height=7.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.6, 1])
    shared.log_axes(upper, x=shared.plain, y=shared.plain)
    handles, labels = [], []
    for number, (sampling, words) in enumerate(
        (("with_replacement", "with replacement"), ("without_replacement", "without replacement"))
    ):
        for place in _PLACES:
            rows = table[(table["sampling"] == sampling) & (table["at"] == place)]
            kind = {**shared.look(2 * number + (place == "minimum"), filled=number == 1), "linestyle": "none"}
            _draw(upper, lower, rows, kind)
            handles.append(Line2D([], [], **kind))
            labels.append(f"{words}, {_PLACES[place]}")
    for law, dashes, words in _LAWS:
        for place in _PLACES:
            rows = table[(table["sampling"] == "without_replacement") & (table["at"] == place)]
            rows = rows[rows[law] > 0]
            upper.plot(rows["batch_size"], rows[law], color="black", linewidth=1.1, linestyle=dashes, zorder=1)
        handles.append(Line2D([], [], color="black", linewidth=1.1, linestyle=dashes))
        labels.append(words)
    smallest = table.loc[table["finite"] > 0, "finite"].min()
    upper.set_ylim(bottom=float(smallest) / 2)
    upper.set_ylabel("standard deviation (log scale)")
    upper.set_title("Spread of the minibatch gradient")
    lower.axhline(1, color="black", linewidth=1)
    lower.set_ylabel("measured / law")
    lower.set_xlabel("batch size b (log scale)")
    lower.set_title("Measured over the law of its sampling, with 95 % intervals")
    style.add_legend(figure, handles, labels, columns=2)
    return figure


def _draw(upper: Axes, lower: Axes, rows: pd.DataFrame, kind: dict[str, Any]) -> None:
    shown = rows[rows["ratio"].notna()]
    upper.plot(shown["batch_size"], shown["measured"], **{**kind, "markersize": 5})
    lower.errorbar(
        shown["batch_size"],
        shown["ratio"],
        yerr=[shown["ratio"] - shown["low"], shown["high"] - shown["ratio"]],
        **{**kind, "markersize": 4, "linewidth": 1},
    )
