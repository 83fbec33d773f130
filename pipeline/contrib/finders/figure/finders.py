"""Finders side by side: what is lost against the best, in loss and in seconds, and what finding it cost."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.measure.table import Measured

#: Shares of the loss: below the first nothing matters, above the last it makes no difference how much.
LEAST, MOST = 0.001, 100.0
#: Times as many seconds as the best takes.
SLOWEST = 1000.0
#: Within this share of the best loss on every problem: close.
CLOSE = 0.05
#: The row of the measured best.
BEST = "every cell, twenty seeds"


def caption(measured: Measured) -> str:
    """Say what to see, with numbers from the table.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    str
        Plain text.
    """
    table = measured.table
    ok = table[table["status"] == "ok"]
    versions = ok.drop_duplicates("library").set_index("library")["version"]
    known = lang().listed([f"{library} {number}".strip() for library, number in versions.items()])
    failed = table[(table["status"] != "ok") | (table["failed"] > 0)]
    return sentences(
        lang().say(
            "How far the setting that each method finds is from the best of all cells, by seeds that had no part in "
            "finding either: medians over 20 repetitions with 95 % intervals. Left: excess of the final loss, as a "
            "share of the best one; at the left edge no more than 0.1 %, at the right edge diverged, or nothing was "
            "found. Middle: times the seconds to the target (95 % of what the best cell takes away) of the fastest "
            "cell; at the right edge it is never reached. Right: seconds that finding takes; at the left edge nothing "
            "is trained."
        ),
        f"{known[:1].upper()}{known[1:]}.",
        *(_failure(row) for _, row in failed.drop_duplicates(["method", "message"]).iterrows()),
    )


def _failure(row: "pd.Series[str]") -> str:
    if row["status"] != "ok":
        return f"{row['method']} ({row['problem']}): {row['message']}."
    return lang().say(
        "{method} found nothing in {failed} of {repetitions} repetitions on {problem}.",
        **{name: str(row[name]) for name in ("method", "failed", "repetitions", "problem")},
    )


def title(measured: Measured) -> str:
    """How many ways come close to the best."""
    others = measured.table[measured.table["method"] != BEST]
    worst = others.assign(regret=others["regret_loss"].fillna(np.inf)).groupby("method", sort=False)["regret"].max()
    return lang().say(
        "{close} of {methods} ways to choose a setting come within {share} % of the best loss on every one of "
        "{problems} problems",
        close=int((worst <= CLOSE).sum()),
        methods=len(worst),
        share=f"{100 * CLOSE:g}",
        problems=int(measured.table["problem"].nunique()),
    )


@register(kind="measurement", title=title, caption=caption)
def finders(measured: Measured) -> Figure:
    """Draw regret in loss, regret in seconds and cost, a row a method, a marker a problem.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table[measured.table["method"] != BEST]
    names = list(dict.fromkeys(table["method"]))
    figure = style.new_figure(height=1.9 + 0.34 * max(len(names), 3))
    panels = figure.subplots(1, 3, sharey=True, width_ratios=[4, 3, 3])
    _panel(panels[0], table, names, "regret_loss", (LEAST, MOST), 0.0)
    _panel(panels[1], table, names, "regret_seconds", (1.0, SLOWEST), 1.0)
    _panel(panels[2], table, names, "cost_seconds", (0.01, 1000.0), 0.0)
    style.rows(panels[0], names, fontsize=8)
    panels[0].set_xlabel(_folded(lang().say("final loss above the best one")), fontsize=8.5)
    panels[1].set_xlabel(_folded(lang().say("seconds to target over the fastest")), fontsize=8.5)
    panels[2].set_xlabel(_folded(lang().say("seconds that finding takes")), fontsize=8.5)
    ends = (
        ((LEAST, 0.01, 0.1, 1, 10, MOST), ("≤.1%", "1%", "10%", "100%", "1000%", "∞")),
        ((1, 10, 100, SLOWEST), ("1", "10", "100", lang().say("never"))),
        ((0.01, 1, 100), ("0", "1 s", "100 s")),
    )
    for axes, (ticks, labels) in zip(panels, ends, strict=True):
        written = dict(zip(ticks, labels, strict=True))
        style.ticks(axes.xaxis, ticks, written.__getitem__)
        axes.tick_params(axis="x", labelsize=7.5)
        for edge in range(1, len(names)):
            axes.axhline(edge - 0.5, color="#dddddd", linewidth=0.5)
    keys = [style.key(problem, **_look(table, problem)) for problem in dict.fromkeys(table["problem"])]
    style.add_legend(figure, keys, columns=3)
    return figure


def _folded(words: str) -> str:
    return "\n".join(textwrap.wrap(words, 18))


def _look(table: pd.DataFrame, problem: str) -> dict[str, Any]:
    """The data choose colour and marker, the model whether it is filled."""
    data, _, model = problem.partition(" ")
    every = list(dict.fromkeys(name.partition(" ")[0] for name in table["problem"]))
    return {**style.look(every.index(data), model != "linear"), "linestyle": "none", "markersize": 4.5}


def _panel(
    axes: Axes, table: pd.DataFrame, names: list[str], column: str, limits: tuple[float, float], shift: float
) -> None:
    """A row a method; what is beyond the limits lies on them."""
    axes.set_xscale("log")
    low, high = limits
    axes.set_xlim(low * 0.75, high * 1.35)
    problems = list(dict.fromkeys(table["problem"]))
    for _, row in table.iterrows():
        if pd.isna(row[column]):
            continue
        height = names.index(row["method"]) + 0.75 * ((problems.index(row["problem"]) + 0.5) / len(problems) - 0.5)
        middle, left, right = np.clip([row[column + end] + shift for end in ("", "_low", "_high")], low, high)
        look = _look(table, row["problem"])
        style.span(axes, height, left, right, color=look["color"], linewidth=1.0)
        axes.plot([middle], [height], clip_on=False, **look)
    for name in names:
        own = table[table["method"] == name]
        if own[column].isna().all():
            style.beside(axes, names.index(name), lang().say("failed"), x=0.5, ha="center", fontstyle="italic")
