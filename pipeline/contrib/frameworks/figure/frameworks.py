"""Four frameworks side by side: gigaflops of the matrix products, seconds per epoch of the runs."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.measure.table import Measured

#: From this load average on the machine has more to do than one measurement.
BUSY = 1.8

_NAMES = {"mxnet": "MXNet", "tensorflow": "TensorFlow", "pytorch": "PyTorch", "jax": "JAX"}


def title(measured: Measured) -> str:
    """Say which framework is quickest where each step is one example."""
    table = measured.table
    rows = table[(table["status"] == "ok") & (table["name"] == "sgd") & (table["mode"] == "eager")]
    if len(rows) < 2:
        return lang().say("The chapter's runs in other frameworks")
    ordered = rows.sort_values("seconds_per_epoch")
    quick, slow = ordered.iloc[0], ordered.iloc[-1]
    return lang().say(
        "Op by op, an epoch of SGD at b = 1 is quickest in {quick}; in {slow} it takes {times} times as long",
        quick=_named(quick["framework"]),
        slow=_named(slow["framework"]),
        times=lang().number(float(slow["seconds_per_epoch"] / quick["seconds_per_epoch"]), 2),
    )


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
    products = ok[(ok["kind"] == "product") & (ok["name"] == "element")]
    return sentences(
        lang().say(
            "The same products and runs in four frameworks, from the same weights and in the same order of examples, "
            "on one computing thread; medians, lines from quartile to quartile. Filled: op by op, as the chapter's "
            "code runs. Hollow: compiled (jax.jit, tf.function, hybridize)."
        ),
        _agreement(ok),
        _extremes(products, lang().say("Element by element, a product takes")),
        _extremes(ok[ok["name"] == "sgd"], lang().say("An epoch of SGD at b = 1 takes"), "seconds_per_epoch"),
        _load(ok),
        *(_failure(row) for _, row in _failures(table).iterrows()),
    )


def _agreement(ok: pd.DataFrame) -> str:
    trained = ok[ok["loss_difference"].notna()]
    if trained.empty:
        return ""
    worst = lang().number(float(trained["loss_difference"].max()), 2)
    return lang().say("At every reading every loss is within {worst} of float64 arithmetic in numpy.", worst=worst)


def _load(ok: pd.DataFrame) -> str:
    """Warn of a machine that did something else beside."""
    loads = ok["load"].dropna().astype(float)
    if loads.empty or loads.median() < BUSY:
        return ""
    low, high = (lang().number(value, 2) for value in (loads.min(), loads.max()))
    return lang().say(
        "The machine had other work beside (load average {low} to {high}): the seconds are too long, and only large "
        "ratios mean something.",
        low=low,
        high=high,
    )


def _extremes(rows: pd.DataFrame, what: str, column: str = "seconds") -> str:
    """Compare the fastest and the slowest in each mode."""
    found = []
    for mode, group in rows.groupby("mode", sort=True):
        ordered = group.sort_values(column)
        ends = [ordered.iloc[0], ordered.iloc[-1]] if len(ordered) > 1 else [ordered.iloc[0]]
        times = [f"{lang().seconds(float(row[column]))} ({_named(row['framework'])})" for row in ends]
        how = lang().say("op by op") if mode == "eager" else lang().say("compiled")
        found.append(f"{how} {lang().listed(times)}")
    return f"{what} {'; '.join(reversed(found))}." if found else ""


def _failures(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] != "ok"]


def _failure(row: Any) -> str:
    name = "" if row["kind"] in ("environment", "script") else f", {row['name']} ({row['mode']})"
    return f"{_named(row['framework'])}{name}: {row['message'] or row['status']}."


def _named(framework: str) -> str:
    return _NAMES.get(framework, framework)


@register(kind="measurement", title=title, caption=caption)
def frameworks(measured: Measured) -> Figure:
    """Draw gigaflops of the products above, seconds per epoch of the runs below.

    Parameters
    ----------
    measured : Measured
        The measurement.

    Returns
    -------
    Figure
    """
    table = measured.table
    figure = style.new_figure(height=6.6)
    above, below = figure.subplots(2, 1, height_ratios=[4, 5])
    products = table[table["kind"] == "product"]
    runs = table[table["kind"].isin(["scratch", "concise"])]
    _panel(above, products, "gigaflops", lang().say("Product of two 256 × 256 matrices"))
    above.set_xlabel(lang().say("gigaflops, 2n³/t (log scale; further right is faster)"))
    style.label_log(above.xaxis)
    _panel(below, runs, "seconds_per_epoch", lang().say("Training, seconds per epoch"))
    below.set_xlabel(lang().say("time per epoch (log scale; further left is faster)"))
    style.label_log(below.xaxis, formats.tick_seconds)
    _legend(figure, table)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, column: str, title: str) -> None:
    axes.set_title(title)
    drawn = rows[rows[column].notna() & (rows["status"] == "ok")]
    if drawn.empty:
        style.say(axes, lang().say("nothing was measured"))
        return
    axes.set_xscale("log")
    order = list(dict.fromkeys(rows["name"]))
    present = list(dict.fromkeys(rows["framework"]))
    power = -1 if column == "gigaflops" else 1
    for _, row in drawn.iterrows():
        look = _look(row["framework"], row["mode"] != "eager")
        # one line a framework within a row, so that equal times do not hide each other
        height = order.index(row["name"]) + 0.6 * ((present.index(row["framework"]) + 0.5) / len(present) - 0.5)
        # the rate's or the epoch's quartiles: seconds over the same constant
        low, high = (row[column] * (row[q] / row["seconds"]) ** power for q in ("seconds_q25", "seconds_q75"))
        style.span(axes, height, low, high, color=look["color"], linewidth=1.2)
        axes.plot([row[column]], [height], **look)
    batches = rows.drop_duplicates("name").set_index("name")["batch_size"]
    labels = [name if pd.isna(batches[name]) else f"{name.split()[0]}\nb = {batches[name]}" for name in order]
    style.rows(axes, labels)
    for edge in range(1, len(order)):
        axes.axhline(edge - 0.5, color="#bbbbbb", linewidth=0.6)


def _look(framework: str, compiled: bool) -> dict[str, Any]:
    number = [*_NAMES, framework].index(framework)
    return {**style.look(number, compiled), "linestyle": "none"}


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    present = list(dict.fromkeys(table["framework"]))
    failed = set(_failures(table)[_failures(table)["kind"].isin(["environment", "script"])]["framework"])
    versions = table.drop_duplicates("framework").set_index("framework")["version"]
    keys = []
    for name in present:
        label = f"{_named(name)} {versions[name].split('+')[0]}{': ' + lang().say('failed') if name in failed else ''}"
        keys.append(style.key(label, **_look(name, compiled=False)))
    for face, label in (("#555555", lang().say("op by op")), ("white", lang().say("compiled"))):
        keys.append(style.key(label, marker="o", color="#555555", markerfacecolor=face, markeredgewidth=1.3))
    style.add_legend(figure, keys, columns=3)
