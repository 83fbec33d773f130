"""One look for all figures: readable on a phone, in grey, and by colour-blind readers."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.analysis.cells import trouble
from pipeline.figures.words import lang
from pipeline.lab import formats
from pipeline.lab.files import written_whole
from pipeline.lab.results import CellResults

#: Inches. As narrow as a phone, which shows the text at its size.
WIDTH = 5.2

#: Dots per inch of the PNG, and of what is a picture within the SVG: twice a screen's.
_DPI = 192

INK, GREY, RED = "#222222", "#777777", "#a30000"

_RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are alike everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # The same tables give the same bytes.
    "svg.hashsalt": "minibatch-lab",
    "svg.fonttype": "path",
}

#: Okabe and Ito's colours, in an order whose neighbours differ in lightness; yellow is too faint for lines.
COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#E69F00", "#000000", "#CC79A7")
#: Keeps what is written over lines readable.
HALO: Any = {"path_effects": [withStroke(linewidth=2.5, foreground="white")]}
_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">", "*")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (7, 1.6, 1.2, 1.6)))


def context() -> AbstractContextManager[None]:
    """The settings that figures are drawn and saved under."""
    return mpl.rc_context(_RC)


def look(number: int, variant: int = 0) -> dict[str, Any]:
    """Keywords of the line and markers of a series.

    Parameters
    ----------
    number : int
        Which series: colour and marker.
    variant : int
        Which of several that belong together: dashes; all but the first have hollow markers.

    Returns
    -------
    dict
    """
    colour = COLOURS[number % len(COLOURS)]
    return {
        "color": colour,
        "marker": _MARKERS[number % len(_MARKERS)],
        "markerfacecolor": "white" if variant else colour,
        "markeredgecolor": colour,
        "markeredgewidth": 1.2,
        "linestyle": DASHES[variant % len(DASHES)],
    }


def name_looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A look for each optimizer, in the study's order, so that it is the same in all figures."""
    return {name: {**look(i, i // len(COLOURS)), "markersize": 5, "linewidth": 1.6} for i, name in enumerate(names)}


def cell_looks(cells: Sequence[CellResults]) -> dict[str, dict[str, Any]]:
    """Choose a look for each cell.

    Cells of one optimizer and batch size share colour and marker; so one can see what a batch size
    does, and lines that lie on each other are told apart by their dashes.

    Returns a cell's id to keywords for a line.
    """
    kinds: dict[tuple[str, int], itertools.count[int]] = {}
    looks = {}
    for cell in cells:
        kind = cell.optimizer, cell.batch_size
        variant = next(kinds.setdefault(kind, itertools.count()))
        looks[cell.id] = look(list(kinds).index(kind), variant)
    return looks


def shortened(name: str, longest: int = 36) -> str:
    """Cut a name that would push everything else out of a figure."""
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def note(cell: CellResults, longest: int = 36) -> str:
    """A cell's name, and how many runs did not end well: ``sgd``, ``sgd (3 of 20 diverged)``."""
    return (
        f"{shortened(cell.name, longest)} ({trouble(cell, lang())})" if trouble(cell) else shortened(cell.name, longest)
    )


def new_figure(height: float) -> Figure:
    """An empty figure of the common width that lays itself out, drawn by Agg and unknown to pyplot."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(
    names: Sequence[str], x_label: str, y_label: str, *, height: float = 1.3, legend_lines: int = 1, share: str = "xy"
) -> tuple[Figure, list[Axes]]:
    """Lay out small multiples, two in a row.

    Placed by hand: to find the places of ten panels out would take longer than to draw them.

    Parameters
    ----------
    names : sequence of str
        Panel titles.
    x_label, y_label : str
        What the axes of all panels say, once.
    height : float
        Of a panel, in inches.
    legend_lines : int
        Room for a legend below, in lines.
    share : str
        Which axes the panels share: ``xy``, ``y`` or none; the others have ticks in each panel.

    Returns
    -------
    figure : Figure
    axes : list of Axes
        In the order of the names.
    """
    left, right, top, bottom = 0.74, 0.12, 0.84, 0.65 + 0.21 * legend_lines
    gap_across, gap_down = 0.28 if "y" in share else 0.55, 0.34 if "x" in share else 0.54
    rows = math.ceil(len(names) / 2)
    total = top + rows * height + (rows - 1) * gap_down + bottom
    figure = new_figure(total)
    figure.set_layout_engine("none")
    across = (WIDTH - left - right - gap_across) / 2
    found: list[Axes] = []
    for i, name in enumerate(names):
        row, column = divmod(i, 2)
        base = total - top - (row + 1) * height - row * gap_down
        place = ((left + column * (across + gap_across)) / WIDTH, base / total, across / WIDTH, height / total)
        shared: dict[str, Any] = {f"share{axis}": found[0] for axis in share if found}
        axes = figure.add_axes(place, **shared)
        axes.set_title(name, fontsize=9, pad=3, parse_math=False)
        axes.tick_params(labelsize=8, labelleft="y" not in share or not column)
        axes.tick_params(labelbottom="x" not in share or i + 2 >= len(names))
        found.append(axes)
    middle = (left + WIDTH - right) / 2 / WIDTH
    figure.text(middle, (bottom - 0.4) / total, x_label, ha="center", va="center")
    figure.text(0.02, (bottom + total - top) / 2 / total, y_label, ha="left", va="center", rotation=90)
    return figure, found


def key(label: str, **look: Any) -> Line2D:
    """An entry of a legend: a line where its width is given, else a marker alone."""
    return Line2D([], [], label=label, **look if "linewidth" in look else {**look, "linestyle": "none"})


def add_legend(figure: Figure, keys: Sequence[Line2D | Patch], columns: int = 2) -> Legend:
    """Add a legend below the axes, with labels that are shown as they are.

    Parameters
    ----------
    figure : Figure
        Laid out by the constrained layout, which makes room, or by :func:`panels`, which left some.
    keys : sequence of Line2D or Patch
        What to explain. Their labels are plain text: no dollar sign begins a formula, no underscore hides one.
    columns : int
        How many at most.

    Returns
    -------
    Legend
    """
    options: dict[str, Any] = {"loc": "outside lower left", "handlelength": 3.2}
    labels = [str(one.get_label()) for one in keys]
    if isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine | None):
        options = {"loc": "lower left", "bbox_to_anchor": (0.0, 0.0), "fontsize": 8.5, "handlelength": 2.2}
        options |= {"columnspacing": 1.4, "borderaxespad": 0.3}
    else:  # there is room below for as many rows as the words need
        widths = {
            n: sum(max(map(len, part), default=0) + 7 for part in np.array_split(labels, n))
            for n in range(2, columns + 1)
        }
        columns = max((n for n, width in widths.items() if width <= 64 and n <= len(keys)), default=1)
    legend = figure.legend(keys, [str(i) for i in range(len(keys))], ncols=columns, **options)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return legend


def log(axis: Axis, write: Callable[[float], str] = formats.tick) -> None:
    """Make an axis logarithmic, and label its ticks."""
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    label_log(axis, write)


def label_log(axis: Axis, write: Callable[[float], str] = formats.tick) -> None:
    """Label the ticks of a logarithmic axis; an axis of less than two decades gets 2 and 5 between them too.

    Matplotlib's own labels are formulas, which cost a quarter of the time a figure takes.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        Of logarithmic scale.
    write : callable
        Writes one value.
    """
    local = lang().local

    def between(value: float, _: int | None) -> str:
        """Write 2 and 5 of each decade, where the axis is short enough to hold them."""
        low, high = axis.get_view_interval()
        leading = round(value / 10 ** math.floor(math.log10(value)), 6)
        return local(write(value)) if high < 100 * low and leading in (2, 5) else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: local(write(value))))
    axis.set_minor_formatter(FuncFormatter(between))


def ticks(axis: Axis, values: Sequence[float] | None = None, write: Callable[[float], str] = formats.tick) -> None:
    """Ticks at these values (at the axis' own major ones by default) and nowhere else."""
    if values is not None:
        axis.set_major_locator(FixedLocator(list(values)))
    axis.set_minor_locator(NullLocator())
    local = lang().local
    axis.set_major_formatter(FuncFormatter(lambda value, _: local(write(value))))


def top_axis(axes: Axes, factor: float, label: str) -> None:
    """Put a second scale along the top of a logarithmic panel: the lower one times a factor."""

    def scaled(power: int) -> Any:
        return lambda x: np.asarray(x) * factor**power

    top = axes.secondary_xaxis("top", functions=(scaled(1), scaled(-1)))
    top.set_xlabel(label)
    label_log(top.xaxis)


def rows(axes: Axes, labels: Sequence[str], fontsize: float = 9) -> None:
    """Name the rows of a panel, the first on top, with labels that are shown as they are."""
    axes.set_yticks(range(len(labels)), labels, fontsize=fontsize)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)  # a dollar sign in a label is no formula
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def beside(axes: Axes, row: float, words: str, x: float = 1.02, **options: Any) -> None:
    """Write beside a row; ``x`` counts in widths of the panel."""
    options = {"va": "center", "fontsize": 8, **options}
    axes.text(x, row, words, transform=axes.get_yaxis_transform(), **options)


def span(axes: Axes, row: float, low: float, high: float, **options: Any) -> None:
    """Draw an interval as a bar in a row."""
    axes.plot([low, high], [row, row], **{"solid_capstyle": "butt", **options})


def say(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why it is empty, and take away the ticks, which would measure nothing."""
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(NullLocator())
        axis.set_minor_locator(NullLocator())
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontstyle="italic")


def save(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write a figure as ``STEM.svg`` and, with twice the pixels, ``STEM.png``, whole.

    Parameters
    ----------
    figure : Figure
        What to write.
    stem : Path
        The path without a suffix.

    Returns
    -------
    svg, png : Path
        The files. The same figure gives the same bytes.

    Raises
    ------
    UserError
        If they cannot be written.
    """
    svg, png = stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")
    with context():
        # The canvases themselves: savefig draws everything once more beforehand, for the layout alone.
        if not isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine | None):
            figure.draw_without_rendering()  # one pass of the layout is not enough to settle it
        figure.dpi = _DPI
        with written_whole(svg) as temporary:
            FigureCanvasSVG(figure).print_svg(temporary, metadata={"Date": None})
        figure.set_layout_engine("none")  # the layout stands; working it out again takes half the time
        figure.dpi = _DPI  # an SVG leaves it at 72
        with written_whole(png) as temporary:
            FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return svg, png
