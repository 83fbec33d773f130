"""Four frameworks side by side: gigaflops of the matrix products, seconds per epoch of the runs."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.figures import style
from pipeline.figures.measured.registry import register
from pipeline.lab import formats
from pipeline.measure.table import Measured

#: From this load average on the machine has more to do than one measurement.
BUSY = 1.8

#: Colour and marker say the framework; both differ in grey too.
_LOOKS: dict[str, dict[str, Any]] = {
    "mxnet": {"color": "#0072B2", "marker": "o"},
    "tensorflow": {"color": "#D55E00", "marker": "^"},
    "pytorch": {"color": "#000000", "marker": "s"},
    "jax": {"color": "#009E73", "marker": "D"},
}
_NAMES = {"mxnet": "MXNet", "tensorflow": "TensorFlow", "pytorch": "PyTorch", "jax": "JAX"}
_OTHER = {"color": "#555555", "marker": "X"}


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
    text = (
        "The same products and runs in four frameworks, from the same weights and in the same order of examples, on "
        "one computing thread; medians, lines from quartile to quartile. Filled: op by op, as the chapter's code runs. "
        "Hollow: compiled (jax.jit, tf.function, hybridize)."
    )
    ok = table[table["status"] == "ok"]
    parts = [text, _agreement(ok), _products(ok), _runs(ok), _load(ok)]
    return " ".join([part for part in parts if part] + [_failure(row) for _, row in _failures(table).iterrows()])


def _agreement(ok: pd.DataFrame) -> str:
    trained = ok[ok["loss_difference"].notna()]
    if trained.empty:
        return ""
    worst = formats.number(float(trained["loss_difference"].max()), 2)
    return f"At every reading every loss is within {worst} of float64 arithmetic in numpy."


def _products(ok: pd.DataFrame) -> str:
    return _extremes(ok[(ok["kind"] == "product") & (ok["name"] == "element")], "element by element, a product takes")


def _runs(ok: pd.DataFrame) -> str:
    return _extremes(ok[ok["name"] == "sgd"], "an epoch of SGD at b = 1 takes", "seconds_per_epoch")


def _load(ok: pd.DataFrame) -> str:
    """Warn of a machine that did something else beside."""
    loads = ok["load"].dropna().astype(float)
    if loads.empty or loads.median() < BUSY:
        return ""
    low, high = (formats.number(value, 2) for value in (loads.min(), loads.max()))
    return (
        f"The machine had other work beside (load average {low} to {high}): the seconds are too long, and only large "
        "ratios mean something."
    )


def _extremes(rows: pd.DataFrame, what: str, column: str = "seconds") -> str:
    """Compare the fastest and the slowest in each mode."""
    told = []
    for mode, group in rows.groupby("mode", sort=True):
        ordered = group.sort_values(column)
        ends = [ordered.iloc[0], ordered.iloc[-1]] if len(ordered) > 1 else [ordered.iloc[0]]
        told.append(
            ("op by op " if mode == "eager" else "compiled ")
            + formats.listed([f"{formats.seconds(float(row[column]))} ({_named(row['framework'])})" for row in ends])
        )
    return f"{what[0].upper()}{what[1:]} {'; '.join(reversed(told))}." if told else ""


def _failures(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] != "ok"]


def _failure(row: Any) -> str:
    name = "" if row["kind"] in ("environment", "script") else f", {row['name']} ({row['mode']})"
    return f"{_named(row['framework'])}{name}: {row['message'] or row['status']}."


def _named(framework: str) -> str:
    return _NAMES.get(framework, framework)


@register(title="Frameworks", caption=caption)
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
    _panel(above, products, "gigaflops", "Product of two 256 × 256 matrices")
    above.set_xlabel("gigaflops, 2n³/t (log scale; further right is faster)")
    style.log_axis(above.xaxis, lambda value: f"{value:g}")
    _panel(below, runs, "seconds_per_epoch", "Training, seconds per epoch")
    below.set_xlabel("training time per epoch (log scale; further left is faster)")
    style.log_axis(below.xaxis, formats.tick_seconds)
    _legend(figure, table)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, column: str, title: str) -> None:
    axes.set_title(title)
    drawn = rows[rows[column].notna() & (rows["status"] == "ok")]
    if drawn.empty:
        style.say(axes, "nothing was measured")
        return
    axes.set_xscale("log")
    order = list(dict.fromkeys(rows["name"]))
    present = list(dict.fromkeys(rows["framework"]))
    power = -1 if column == "gigaflops" else 1
    for _, row in drawn.iterrows():
        look = _LOOKS.get(row["framework"], _OTHER)
        face = look["color"] if row["mode"] == "eager" else "white"
        # one line a framework within a row, so that equal times do not hide each other
        height = order.index(row["name"]) + 0.6 * ((present.index(row["framework"]) + 0.5) / len(present) - 0.5)
        # the rate's or the epoch's quartiles: seconds over the same constant
        low, high = (row[column] * (row[q] / row["seconds"]) ** power for q in ("seconds_q25", "seconds_q75"))
        axes.plot([low, high], [height, height], color=look["color"], linewidth=1.2)
        axes.plot([row[column]], [height], linestyle="none", markerfacecolor=face, markeredgewidth=1.3, **look)
    _name_rows(axes, order, rows)


def _name_rows(axes: Axes, order: Sequence[str], rows: pd.DataFrame) -> None:
    batches = rows.drop_duplicates("name").set_index("name")["batch_size"]
    labels = [name if pd.isna(batches[name]) else f"{_run_name(name)}\nb = {batches[name]}" for name in order]
    axes.set_yticks(range(len(order)), labels)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    for row in range(1, len(order)):
        axes.axhline(row - 0.5, color="#bbbbbb", linewidth=0.6)


def _run_name(name: str) -> str:
    return name.split()[0]


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    present = list(dict.fromkeys(table["framework"]))
    handles = [Line2D([], [], linestyle="none", **_LOOKS.get(name, _OTHER)) for name in present]
    failed = set(_failures(table)[_failures(table)["kind"].isin(["environment", "script"])]["framework"])
    versions = table.drop_duplicates("framework").set_index("framework")["version"]
    labels = [
        f"{_named(name)} {versions[name].split('+')[0]}" + (": failed" if name in failed else "") for name in present
    ]
    for face, label in (("#555555", "op by op"), ("white", "compiled")):
        handles.append(
            Line2D([], [], linestyle="none", marker="o", color="#555555", markerfacecolor=face, markeredgewidth=1.3)
        )
        labels.append(label)
    style.add_legend(figure, handles, labels, columns=3)
