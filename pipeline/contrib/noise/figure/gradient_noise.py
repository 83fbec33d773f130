"""The minibatch gradient's spread against the batch size, and the two laws for it."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang
from pipeline.lab.language import mark
from pipeline.measure.table import Measured

_LAWS: tuple[tuple[str, Any, str], ...] = (
    ("independent", "solid", "σ₁/√b"),
    ("finite", (0, (4, 1.6)), "σ₁/√b · √((n−b)/(n−1))"),
)
_SAMPLINGS = ("with_replacement", "without_replacement")
_PLACES = ("start", "minimum")
_SERIES = (
    *(mark("with replacement, at the start"), mark("with replacement, at the minimum")),
    *(mark("without replacement, at the start"), mark("without replacement, at the minimum")),
)


def _promised(measured: Measured) -> "tuple[int, int, pd.Series[float]]":
    """Half of the full batch, the full batch, and what of the noise by 1/√b there is, by batch size."""
    table = measured.table
    own = table[(table["sampling"] == "without_replacement") & (table["at"] == "start")]
    promised = own.set_index("batch_size")["ratio_to_independent"].astype(float)
    full = int(promised.index.max())
    return int(promised.index[promised.index >= full / 2].min()), full, promised


def title(measured: Measured) -> str:
    """Say how far below 1/√b the noise of an epoch's minibatches is."""
    half, _, promised = _promised(measured)
    return lang().say(
        "Without replacement the gradient's noise falls faster than 1/√b: to {share} % of that at b = {b}",
        share=lang().number(100 * promised[half], 2),
        b=str(half),
    )


def caption(measured: Measured) -> str:
    """Say how well each law holds, and what the correction does at the full batch."""
    table = measured.table
    error = (table["ratio"] - 1).abs().groupby(table["sampling"]).max()
    independent, finite = (lang().number(100 * float(error[sampling]), 2) for sampling in _SAMPLINGS)
    half, full, promised = _promised(measured)
    return lang().say(
        "Standard deviation of the minibatch gradient, √E|g − G|². With independent draws it is within {independent} % "
        "of σ₁/√b at every b. Without replacement, as epochs are drawn, it is within {finite} % of "
        "σ₁/√b · √((n−b)/(n−1)): at b = {half} only {share} % of what 1/√b promises, and at the full batch, b = "
        "{full}, {rest} of it, which is rounding. The bend below the straight line is no error of the measurement.",
        **{"independent": independent, "finite": finite, "half": str(half), "full": str(full)},
        share=lang().number(100 * promised[half], 2),
        rest=lang().number(promised[full], 2),
    )


@register(kind="measurement", title=title, caption=caption)
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
    figure = style.new_figure(height=7.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.6, 1])
    style.log(upper.xaxis)
    style.log(upper.yaxis)
    keys = []
    for number, (sampling, place) in enumerate((sampling, place) for sampling in _SAMPLINGS for place in _PLACES):
        rows = table[(table["sampling"] == sampling) & (table["at"] == place) & table["ratio"].notna()]
        look = {**style.look(number, sampling == "with_replacement"), "linestyle": "none"}
        upper.plot(rows["batch_size"], rows["measured"], **{**look, "markersize": 5})
        error = [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
        lower.errorbar(rows["batch_size"], rows["ratio"], yerr=error, **{**look, "markersize": 4, "linewidth": 1})
        keys.append(style.key(lang().word(_SERIES[number]), **look))
    for law, dashes, words in _LAWS:
        line: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": dashes}
        for place in _PLACES:
            rows = table[(table["sampling"] == "without_replacement") & (table["at"] == place) & (table[law] > 0)]
            upper.plot(rows["batch_size"], rows[law], **line, zorder=1)
        keys.append(style.key(words, **line))
    upper.set_ylim(bottom=float(table.loc[table["finite"] > 0, "finite"].min()) / 2)
    upper.set(ylabel=lang().say("standard deviation (log scale)"), title=lang().say("Spread of the minibatch gradient"))
    lower.axhline(1, color="black", linewidth=1)
    lower.set(
        xlabel=lang().say("batch size b (log scale)"),
        ylabel=lang().say("measured ÷ law"),
        title=lang().say("Measured ÷ law of its sampling, 95 % intervals"),
    )
    style.add_legend(figure, keys, columns=1)
    return figure
