"""Final loss over batch size and learning rate, a panel for each optimizer, every status marked."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from pipeline.analysis.agreement import LIMIT
from pipeline.analysis.best import best_row
from pipeline.analysis.expected import OPTIMIZER, Expected
from pipeline.analysis.grid import Array
from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.sweep_agreement import best_rates, diverged_below_limit
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, passed, sentences
from pipeline.lab.language import mark

#: Lightness rises steadily, for grey prints and for colour-blind readers.
_COLOURS = "cividis"
_NO_MEDIAN = "#f0f0f0"
_SMALLEST = 1e-5
_RED = "#d00000"
_LIMIT: Any = {"color": _RED, "linewidth": 1.6}
_FULL_BATCH: Any = _LIMIT | {"linestyle": (0, (2.5, 1.5))}
_DOTTED: Any = (0, (1, 1))
_RING: Any = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": "#000000"}
_EDGE: Any = {"markerfacecolor": "none", "markeredgecolor": _RED, "markersize": 10, "markeredgewidth": 2}
_MARKS: dict[str, dict[str, Any]] = {
    mark("half or more diverged"): {"marker": "x", "color": "#000000", "markersize": 5, "markeredgewidth": 1.3},
    mark("some diverged"): {"marker": "+", "color": "#000000", "markersize": 6, "markeredgewidth": 1.3},
    mark("error in some run"): {"marker": "D", "color": "#000000", "markerfacecolor": "#ffffff", "markersize": 4.5},
    mark("best lr of the batch size"): _RING | {"markersize": 8.5, "markeredgewidth": 1.6},
    mark("best lr, lowest of its range"): _EDGE | {"marker": "<"},
    mark("best lr, highest of its range"): _EDGE | {"marker": ">"},
}


def title(study: AnalysedStudy) -> str:
    """Name the best cell, and say how many runs diverged."""
    first, status = study.sweep.best.iloc[0], study.runs["status"]
    if not np.isfinite(first["median"]):
        return lang().say("No cell has a finite median final loss")
    return lang().say(
        "Lowest loss: {optimizer} at b = {b}, lr {lr}; {bad} of {total} runs diverged",
        **_named(first),
        **{"bad": int((status == "diverged").sum()), "total": len(status)},
    )


def _named(first: "pd.Series[Any]") -> dict[str, str]:
    return {"optimizer": str(first["optimizer"]), "b": str(first["batch_size"]), "lr": lang().rate(float(first["lr"]))}


def caption(study: AnalysedStudy) -> str:
    """Say what the marks are, where the best cell is, how many runs diverged, and what lies on a border."""
    sweep, status = study.sweep, study.runs["status"]
    first = sweep.best.iloc[0]
    loss = lang().loss(float(first["median"]))
    return sentences(
        lang().count(
            len(sweep.grid.seeds),
            "Final loss of {n} seed, darker is better.",
            "Median final loss over {n} seeds, darker is better.",
        ),
        lang().say("The lowest, {loss}, is {optimizer} at b = {b}, lr {lr}.", loss=loss, **_named(first))
        if np.isfinite(first["median"])
        else "",
        lang().say(
            "Of {total} runs, {diverged} diverged and {failed} failed.",
            total=len(status),
            diverged=int((status == "diverged").sum()),
            failed=int((status == "error").sum()),
        ),
        _theory_words(study, study.expected) if study.expected is not None else "",
        lang().count(
            len(sweep.edges),
            "{n} best learning rate lies on the border of a range: see the list below.",
            "{n} best learning rates lie on the border of a range: see the list below.",
        )
        if len(sweep.edges)
        else lang().say("No best learning rate lies on the border of its range."),
    )


def _theory_words(study: AnalysedStudy, expected: Expected) -> str:
    """Explain the lines of theory on sgd's panel, and hold the measured rates and divergences against them."""
    assert study.problem is not None
    grid, best = study.sweep.grid, study.sweep.best_by_batch_size
    rates = best[best["optimizer"] == OPTIMIZER].set_index("batch_size")["lr"]
    ratios = [
        lang().say("{times} times it at b = {b}", times=lang().number(float(rates[b]) / lr, 2), b=str(b))
        for b, lr in zip(expected.batch_sizes, expected.best_lr, strict=True)
        if np.isfinite(rates[b])
    ]
    held, (wrong, cells) = best_rates(grid, expected), diverged_below_limit(grid, expected)
    return sentences(
        lang().say(
            "On sgd's panel the dashed line is the limit of full-batch gradient descent, 2/λ_max = {limit}, and the "
            "solid one the limit in mean square at each batch size: exact for minibatches drawn anew at each step, and "
            "seen only in runs that are long enough. The dotted line is the rate that theory expects to be best after "
            "as many steps; the best measured one is {ratios}.",
            limit=lang().local(f"{study.problem.max_stable_lr_full_batch:.3f}"),
            ratios=lang().listed(ratios) or lang().say("not known, because all diverged"),
        ),
        lang().say(
            "The rate of the grid that is nearest to theory's has the lowest loss measured at {same} of {total} batch "
            "sizes; its mean loss is off by at most {z} standard errors (seeds paired; the rule: below {limit}): "
            "{verdict}.",
            same=sum(one.measured == one.expected for one in held),
            total=len(held),
            z=lang().number(max(abs(one.z) for one in held), 2),
            limit=f"{LIMIT:g}",
            verdict=passed(all(one.agrees for one in held)),
        )
        if held
        else "",
        lang().say(
            "Cells left of the solid line that have a run that diverged: {wrong} of {cells} (the rule: none): "
            "{verdict}.",
            wrong=wrong,
            cells=cells,
            verdict=passed(not wrong),
        ),
    )


@register(kind="sweep", title=title, caption=caption, place=1)
def heatmap(study: AnalysedStudy) -> Figure:
    """Draw a heatmap for each optimizer, its own learning rates across and the batch sizes up.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.

    Returns
    -------
    Figure
    """
    grid, expected = study.sweep.grid, study.expected
    labels = lang().say("learning rate (log scale)"), lang().say("batch size")
    figure, panels = style.panels(grid.optimizers, *labels, height=1.15, legend_lines=5, share="y")
    excess = study.excess(grid.medians, _SMALLEST)
    norm = _norm(excess, study)
    used = set()
    for name, axes in zip(grid.optimizers, panels, strict=True):
        used |= _draw_panel(axes, name, study, excess, norm)
        if name == OPTIMIZER and expected is not None:
            _draw_theory(axes, study, expected)
    sizes = grid.batch_sizes
    panels[0].set_yticks(range(len(sizes)), [f"{b}" for b in sizes])
    panels[0].set_ylim(-0.5, len(sizes) - 0.5)
    _add_colour_bar(figure, norm, study)
    keys = [style.key(lang().word(name), **look) for name, look in _MARKS.items() if name in used]
    if expected is not None:
        keys += [
            style.key(lang().say("sgd is stable in mean square left of this"), **_LIMIT),
            style.key(lang().say("full-batch limit 2/λ_max (sgd)"), **_FULL_BATCH),
            style.key(lang().say("best lr by theory (sgd)"), color="#000000", linewidth=3.2, linestyle=_DOTTED),
        ]
        keys[-1].set_gapcolor("#ffffff")
    style.add_legend(figure, keys)
    return figure


def _norm(excess: Array, study: AnalysedStudy) -> LogNorm:
    """From the best excess to the initial one: what is worse than untrained is as bad as can be."""
    finite = excess[np.isfinite(excess)]
    low = float(finite.min()) if finite.size else _SMALLEST
    high = study.initial_loss - (study.minimum or 0.0)
    return LogNorm(low, max(high, 1.01 * low) if np.isfinite(high) else 10 * low)


def _draw_panel(axes: Axes, name: str, study: AnalysedStudy, excess: Array, norm: LogNorm) -> set[str]:
    grid = study.sweep.grid
    sizes, rows = grid.batch_sizes, grid.rows(name)
    cells = grid.cells.iloc[rows]
    lrs = np.unique(cells["lr"].to_numpy(dtype=float))
    x = np.searchsorted(lrs, cells["lr"].to_numpy(dtype=float))
    y = np.searchsorted(sizes, cells["batch_size"].to_numpy())
    borders = _borders(lrs)
    axes.set_xscale("log")
    axes.grid(visible=False)
    # What diverged has its own colour, and what was not tried has none.
    diverged = np.isinf(excess[rows])
    losses = np.minimum(excess[rows], norm.vmax or 1.0)
    layers: tuple[tuple[Any, Any, dict[str, Any]], ...] = (
        (~diverged, losses, {"norm": norm, "cmap": _COLOURS}),
        (diverged, 0.0 * y, {"cmap": ListedColormap([_NO_MEDIAN]), "vmin": 0, "vmax": 1}),
    )
    for chosen, values, colours in layers:
        image = np.full((len(sizes), len(lrs)), np.nan)
        image[y[chosen], x[chosen]] = values[chosen]
        edges = np.arange(len(sizes) + 1) - 0.5
        axes.pcolormesh(borders, edges, np.ma.masked_invalid(image), rasterized=True, **colours)
    used = _mark_statuses(axes, cells, y) | _mark_best(axes, name, study)
    axes.set_xlim(*map(float, borders[[0, -1]]))
    style.ticks(axes.xaxis, None, lambda value: f"{value:g}")
    return used


def _borders(lrs: Array) -> Array:
    """Where cells meet, half way between rates on the log scale."""
    if len(lrs) == 1:
        return np.array([lrs[0] / 1.5, lrs[0] * 1.5])
    logs = np.log(lrs)
    middle = (logs[1:] + logs[:-1]) / 2
    return np.asarray(np.exp(np.r_[2 * logs[0] - middle[0], middle, 2 * logs[-1] - middle[-1]]))


def _mark_statuses(axes: Axes, cells: pd.DataFrame, y: Any) -> set[str]:
    """Mark every cell whose runs did not all end well."""
    diverged, failed = cells["diverged"].to_numpy(), cells["error"].to_numpy()
    total = diverged + failed + cells["ok"].to_numpy()
    used = set()
    for name, chosen in (
        ("half or more diverged", 2 * diverged >= total),
        ("some diverged", (diverged > 0) & (2 * diverged < total)),
        ("error in some run", failed > 0),
    ):
        if chosen.any():
            axes.plot(cells["lr"].to_numpy()[chosen], y[chosen], linestyle="none", zorder=3, **_MARKS[name])
            used.add(name)
    return used


def _mark_best(axes: Axes, name: str, study: AnalysedStudy) -> set[str]:
    """Mark the best learning rate of every batch size, and on which border it lies."""
    grid, edges = study.sweep.grid, study.sweep.edges
    sides = edges[edges["optimizer"] == name].set_index("batch_size")["side"]
    used = set()
    for i, b in enumerate(grid.batch_sizes):
        own = grid.rows(name, b)
        best = best_row(grid.medians, own) if own.size else None
        if best is None and b not in sides:
            continue
        ends = {"low": "best lr, lowest of its range", "high": "best lr, highest of its range"}
        kind = ends[sides[b]] if b in sides else "best lr of the batch size"
        lr = grid.cells["lr"].iloc[own].min() if best is None else grid.cells["lr"].iloc[best]
        # Hollow, so that a status shows through; with a white rim, so that it stands out on dark cells.
        for rim in ({"markeredgecolor": "#ffffff", "markeredgewidth": 4}, {}):
            axes.plot([lr], [i], linestyle="none", zorder=4, clip_on=False, **_MARKS[kind] | rim)
        used.add(kind)
    return used


def _draw_theory(axes: Axes, study: AnalysedStudy, expected: Expected) -> None:
    """Draw what theory says of plain SGD: its limits of stability, and the best rate at each batch size."""
    assert study.problem is not None
    # Batch sizes beyond the data, where theory is silent, are the uppermost rows.
    rows = np.repeat(np.arange(len(expected.batch_sizes) + 1) - 0.5, 2)[1:-1]
    for rim in ({"color": "#ffffff", "linewidth": 3.2}, {}):
        axes.plot(np.repeat(expected.stable_lr, 2), rows, **_LIMIT | rim, zorder=3.5)
        axes.axvline(study.problem.max_stable_lr_full_batch, **_FULL_BATCH | rim, zorder=3.4)
    for colour, width, dash in (("#000000", 3.2, "-"), ("#ffffff", 1.8, _DOTTED)):
        axes.plot(np.repeat(expected.best_lr, 2), rows, color=colour, linewidth=width, linestyle=dash, zorder=3.6)


def _add_colour_bar(figure: Figure, norm: LogNorm, study: AnalysedStudy) -> None:
    height = figure.get_figheight()
    place = figure.add_axes((0.5, 1.05 / height, 0.46, 0.1 / height))
    bar = figure.colorbar(ScalarMappable(norm, _COLOURS), cax=place, orientation="horizontal", extend="max")
    bar.ax.tick_params(labelsize=8)
    style.ticks(bar.ax.xaxis, None, lambda value: f"{value:g}")
    words = lang().say("colour: {loss}, median", loss=lang().word(study.final_loss_name))
    figure.text(0.02, 1.07 / height, words, va="center", fontsize=9)
