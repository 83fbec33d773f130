"""The minibatch gradient's spread against the batch size, and the two laws for it."""

from typing import Any

from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

_LAWS: tuple[tuple[str, Any, str], ...] = (
    ("independent", "solid", "σ₁/√b"),
    ("finite", (0, (4, 1.6)), "σ₁/√b · √((n−b)/(n−1))"),
)
_SAMPLINGS = ("with_replacement", "without_replacement")
_PLACES = ("start", "minimum")


def caption(measured: Measured) -> str:
    """Say how well each law holds, and what the correction does at the full batch."""
    table = measured.table
    error = (table["ratio"] - 1).abs().groupby(table["sampling"]).max()
    independent, finite = (formats.number(100 * float(error[sampling]), 2) for sampling in _SAMPLINGS)
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


@register(kind="measurement", title="Gradient noise", caption=caption)
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
    style.log(upper.xaxis)
    style.log(upper.yaxis)
    keys = []
    for number, (sampling, place) in enumerate((sampling, place) for sampling in _SAMPLINGS for place in _PLACES):
        rows = table[(table["sampling"] == sampling) & (table["at"] == place) & table["ratio"].notna()]
        look = {**style.look(number, sampling == "with_replacement"), "linestyle": "none"}
        upper.plot(rows["batch_size"], rows["measured"], **{**look, "markersize": 5})
        error = [rows["ratio"] - rows["low"], rows["high"] - rows["ratio"]]
        lower.errorbar(rows["batch_size"], rows["ratio"], yerr=error, **{**look, "markersize": 4, "linewidth": 1})
        keys.append(style.key(f"{sampling.replace('_', ' ')}, at the {place}", **look))
    for law, dashes, words in _LAWS:
        line: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": dashes}
        for place in _PLACES:
            rows = table[(table["sampling"] == "without_replacement") & (table["at"] == place) & (table[law] > 0)]
            upper.plot(rows["batch_size"], rows[law], **line, zorder=1)
        keys.append(style.key(words, **line))
    upper.set_ylim(bottom=float(table.loc[table["finite"] > 0, "finite"].min()) / 2)
    upper.set(ylabel="standard deviation (log scale)", title="Spread of the minibatch gradient")
    lower.axhline(1, color="black", linewidth=1)
    lower.set(
        xlabel="batch size b (log scale)",
        ylabel="measured / law",
        title="Measured over the law of its sampling, with 95 % intervals",
    )
    style.add_legend(figure, keys)
    return figure
