"""Final loss over batch size and learning rate, a panel for each optimizer, every status marked."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from pipeline.analysis.agreement import LIMIT
from pipeline.analysis.best import best_row
from pipeline.analysis.expected import OPTIMIZER, Expected
from pipeline.analysis.grid import Array, Grid
from pipeline.analysis.sweep_agreement import best_rates, diverged_below_limit
from pipeline.figures.panels import legend_below, optimizer_panels
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats

#: Lightness rises steadily, for grey prints and for colour-blind readers.
_COLOURS = "cividis"
_NO_MEDIAN = "#f0f0f0"
_SMALLEST = 1e-5
_DASHED: Any = (0, (2.5, 1.5))
_DOTTED: Any = (0, (1, 1))
_MARKS: dict[str, dict[str, Any]] = {
    "half or more diverged": {"marker": "x", "color": "#000000", "markersize": 5, "markeredgewidth": 1.3},
    "some diverged": {"marker": "+", "color": "#000000", "markersize": 6, "markeredgewidth": 1.3},
    "error in some run": {
        "marker": "D",
        "markerfacecolor": "#ffffff",
        "markeredgecolor": "#000000",
        "markersize": 4.5,
    },
    "best lr of the batch size": {
        "marker": "o",
        "markerfacecolor": "none",
        "markeredgecolor": "#000000",
        "markersize": 8.5,
        "markeredgewidth": 1.6,
    },
    "best lr, lowest of its range": {
        "marker": "<",
        "markerfacecolor": "none",
        "markeredgecolor": "#d00000",
        "markersize": 10,
        "markeredgewidth": 2,
    },
    "best lr, highest of its range": {
        "marker": ">",
        "markerfacecolor": "none",
        "markeredgecolor": "#d00000",
        "markersize": 10,
        "markeredgewidth": 2,
    },
}


def caption(tables: Tables) -> str:
    """Say what the marks are, where the best cell is, how many runs diverged, and what lies on a border."""
    sweep = tables.sweep
    first = sweep.best.iloc[0]
    text = f"Median final loss over {formats.count(len(sweep.grid.seeds), 'seed')}, darker is better."
    if np.isfinite(first["median"]):
        text += (
            f" The lowest, {formats.loss(float(first['median']))}, is {first['optimizer']} at "
            f"b = {first['batch_size']}, lr {first['lr']:g}."
        )
    status = tables.runs["status"]
    bad = [f"{(status == name).sum():,} {words}" for name, words in (("diverged", "diverged"), ("error", "failed"))]
    text += f" Of {len(status):,} runs, {formats.listed(bad)}."
    text += _theory_words(tables)
    flagged = len(sweep.edges)
    if flagged:
        return text + f" {formats.count(flagged, 'best learning rate')} on the border of a range: see the list below."
    return text + " No best learning rate lies on the border of its range."


def _theory_words(tables: Tables) -> str:
    """Explain the lines of theory on sgd's panel, and compare the best measured rates with the best expected ones."""
    expected, sweep = tables.expected, tables.sweep
    if expected is None or tables.problem is None:
        return ""
    text = (
        " On sgd's panel the dashed line is the limit of full-batch gradient descent, 2/λ_max = "
        f"{tables.problem.max_stable_lr_full_batch:.3f}, and the solid one the limit in mean square at each batch "
        "size: exact for minibatches drawn anew at each step, and seen only in runs that are long enough. The dotted "
        "line is the rate that theory expects to be best after as many steps; the best measured one is "
    )
    best = sweep.best_by_batch_size
    rates = best[best["optimizer"] == OPTIMIZER].set_index("batch_size")["lr"]
    ratios = [
        f"{formats.number(float(rates[b]) / lr, 2)} times it at b = {b}"
        for b, lr in zip(expected.batch_sizes, expected.best_lr, strict=True)
        if np.isfinite(rates[b])
    ]
    text += f"{formats.listed(ratios)}." if ratios else "not known, because all diverged."
    return text + _agreement_words(tables, expected)


def _agreement_words(tables: Tables, expected: Expected) -> str:
    """Whether the best rate and the limit are where theory has them, in standard errors, and whether that passes."""
    grid = tables.sweep.grid
    text = ""
    if held := best_rates(grid, expected):
        worst = max(held, key=lambda one: abs(one.z))
        same = sum(one.measured == one.expected for one in held)
        text += (
            f" The rate of the grid that is nearest to theory's has the lowest loss measured at {same} of "
            f"{formats.count(len(held), 'batch size')}; its mean loss is off by at most "
            f"{formats.number(abs(worst.z), 2)} standard errors (seeds paired; the rule: below {LIMIT:g}): "
            f"{'pass' if all(one.agrees for one in held) else 'FAIL'}."
        )
    wrong, cells = diverged_below_limit(grid, expected)
    return text + (
        f" Of {formats.count(cells, 'cell')} left of the solid line, {wrong or 'none'} "
        f"{'have' if wrong > 1 else 'has'} a run that diverged (the rule: none): {'FAIL' if wrong else 'pass'}."
    )


@register(title="Final loss over batch size and learning rate", study="sweep", caption=caption, place=1)
def sweep_heatmap(tables: Tables) -> Figure:
    """Draw a heatmap for each optimizer, its own learning rates across and the batch sizes up.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    Figure
    """
    grid = tables.sweep.grid
    figure, panels = optimizer_panels(
        grid.optimizers, "learning rate (log scale)", "batch size", height=1.15, legend_lines=5, wide=True
    )
    norm = _norm(grid, tables)
    used = set()
    for name, axes in zip(grid.optimizers, panels, strict=True):
        used |= _draw_panel(axes, name, tables, norm)
        if name == OPTIMIZER and tables.expected is not None:
            _draw_theory(axes, tables, tables.expected)
    sizes = grid.batch_sizes
    panels[0].set_yticks(range(len(sizes)), [f"{b}" for b in sizes])
    panels[0].set_ylim(-0.5, len(sizes) - 0.5)
    _explain(figure, norm, used, tables)
    return figure


def _norm(grid: Grid, tables: Tables) -> LogNorm:
    """From the best excess to the initial one: what is worse than untrained is as bad as can be."""
    excess = _excess(grid, tables)
    finite = excess[np.isfinite(excess)]
    low = float(finite.min()) if finite.size else _SMALLEST
    high = float(tables.runs["initial_loss"].astype(float).median()) - (tables.minimum or 0.0)
    return LogNorm(low, max(high, 1.01 * low) if np.isfinite(high) else 10 * low)


def _excess(grid: Grid, tables: Tables) -> Array:
    return np.asarray(np.maximum(grid.medians - (tables.minimum or 0.0), _SMALLEST))


def _draw_panel(axes: Axes, name: str, tables: Tables, norm: LogNorm) -> set[str]:
    grid, edges = tables.sweep.grid, tables.sweep.edges
    sizes, rows = grid.batch_sizes, grid.rows(name)
    cells = grid.cells.iloc[rows]
    lrs = np.unique(cells["lr"].to_numpy(dtype=float))
    x = np.searchsorted(lrs, cells["lr"].to_numpy(dtype=float))
    y = np.searchsorted(sizes, cells["batch_size"].to_numpy())
    values = np.full((len(sizes), len(lrs)), np.nan)
    excess = _excess(grid, tables)[rows]
    values[y, x] = np.minimum(excess, norm.vmax or 1.0)
    borders = np.arange(len(sizes) + 1) - 0.5
    axes.set_xscale("log")
    axes.grid(visible=False)
    # What diverged has its own colour, and what was not tried has none.
    diverged = np.isinf(excess)
    values[y[diverged], x[diverged]] = np.nan
    axes.pcolormesh(_borders(lrs), borders, np.ma.masked_invalid(values), norm=norm, cmap=_COLOURS, rasterized=True)
    grey = np.full(values.shape, np.nan)
    grey[y[diverged], x[diverged]] = 0.0
    axes.pcolormesh(
        _borders(lrs), borders, np.ma.masked_invalid(grey), cmap=_plain_map(), vmin=0, vmax=1, rasterized=True
    )
    used = _mark_statuses(axes, cells, y)
    for i, b in enumerate(sizes):
        own = grid.rows(name, b)
        best = best_row(grid.medians, own) if own.size else None
        flagged = edges[(edges["optimizer"] == name) & (edges["batch_size"] == b)]
        mark = "best lr of the batch size"
        if len(flagged):
            mark = f"best lr, {'lowest' if flagged['side'].iloc[0] == 'low' else 'highest'} of its range"
        if best is not None or len(flagged):
            lr = grid.cells["lr"].iloc[own].min() if best is None else grid.cells["lr"].iloc[best]
            # Hollow, so that a status shows through; with a white rim, so that it stands out on dark cells.
            rim = {"markeredgecolor": "#ffffff", "markeredgewidth": 4}
            for look in (_MARKS[mark] | rim, _MARKS[mark]):
                axes.plot([lr], [i], linestyle="none", zorder=4, clip_on=False, **look)
            used.add(mark)
    axes.set_xlim(*map(float, _borders(lrs)[[0, -1]]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    return used


def _plain_map() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([_NO_MEDIAN])


def _borders(lrs: Array) -> Array:
    """Where cells meet, half way between rates on the log scale."""
    if len(lrs) == 1:
        return np.array([lrs[0] / 1.5, lrs[0] * 1.5])
    logs = np.log(lrs)
    middle = (logs[1:] + logs[:-1]) / 2
    return np.asarray(np.exp(np.r_[2 * logs[0] - middle[0], middle, 2 * logs[-1] - middle[-1]]))


def _mark_statuses(axes: Axes, cells: Any, y: Any) -> set[str]:
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


def _draw_theory(axes: Axes, tables: Tables, expected: Expected) -> None:
    """Draw what theory says of plain SGD: its limits of stability, and the best rate at each batch size."""
    assert tables.problem is not None
    # Batch sizes beyond the data, where theory is silent, are the uppermost rows.
    rows = np.repeat(np.arange(len(expected.batch_sizes) + 1) - 0.5, 2)[1:-1]
    for colour, width in (("#ffffff", 3.2), ("#d00000", 1.6)):
        axes.plot(np.repeat(expected.stable_lr, 2), rows, color=colour, linewidth=width, zorder=3.5)
        limit = tables.problem.max_stable_lr_full_batch
        axes.axvline(limit, color=colour, linewidth=width, linestyle=_DASHED, zorder=3.4)
    for colour, width, dash in (("#000000", 3.2, "-"), ("#ffffff", 1.8, _DOTTED)):
        axes.plot(np.repeat(expected.best_lr, 2), rows, color=colour, linewidth=width, linestyle=dash, zorder=3.6)


def _explain(figure: Figure, norm: LogNorm, used: set[str], tables: Tables) -> None:
    height = figure.get_figheight()
    place = figure.add_axes((0.5, 1.05 / height, 0.46, 0.1 / height))
    bar = figure.colorbar(ScalarMappable(norm, _COLOURS), cax=place, orientation="horizontal", extend="max")
    bar.ax.tick_params(labelsize=8)
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    words = "final loss" if tables.minimum is None else "final loss − minimum"
    figure.text(0.02, 1.07 / height, f"colour: {words}, median", va="center", fontsize=9)
    handles = [Line2D([], [], linestyle="none", **look) for name, look in _MARKS.items() if name in used]
    labels = [name for name in _MARKS if name in used]
    if tables.expected is not None:
        handles += [Line2D([], [], color="#d00000", linewidth=1.6, linestyle=dash) for dash in ("-", _DASHED)]
        handles.append(Line2D([], [], color="#000000", linewidth=3.2, gapcolor="#ffffff", linestyle=_DOTTED))
        labels += [
            "sgd is stable in mean square left of this",
            "full-batch limit 2/λ_max (sgd)",
            "best lr expected by theory (sgd)",
        ]
    legend_below(figure, handles, labels, columns=2)
