"""One look for all figures: readable on a phone, in grey, and by colour-blind readers."""

import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from pipeline.figures.cells import CellSummary
from pipeline.lab.files import written_whole

#: Inches. Narrow, so that a phone shows the text at two thirds of its size and not at a third.
WIDTH = 6.0

#: Dots per inch of the PNG, and of what is a picture within the SVG: twice a screen's.
_DPI = 192

_INK, _FAINT = "#222222", "#d9d9d9"

_RC: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures are alike everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
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

# Okabe and Ito's colours, in an order whose neighbours differ in lightness; yellow is too faint for lines.
_COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#E69F00", "#000000", "#CC79A7")
_MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (7, 1.6, 1.2, 1.6)))


@dataclass(frozen=True)
class CellStyle:
    """How a cell is drawn: the colour and marker say the kind, the dashes and filling which of that kind."""

    colour: str
    marker: str
    dashes: Any
    filled: bool

    def line(self) -> dict[str, Any]:
        """Keywords for a line."""
        return {"color": self.colour, "linestyle": self.dashes, **self.dots()}

    def dots(self) -> dict[str, Any]:
        """Keywords for its markers."""
        face = self.colour if self.filled else "white"
        return {"marker": self.marker, "markerfacecolor": face, "markeredgecolor": self.colour, "markeredgewidth": 1.2}


def context() -> AbstractContextManager[None]:
    """The settings that figures are drawn and saved under."""
    return mpl.rc_context(_RC)


def cell_styles(cells: Sequence[CellSummary]) -> dict[str, CellStyle]:
    """Choose a style for each cell.

    Cells of one optimizer and batch size share colour and marker; so one can see what a batch size
    does, and lines that lie on each other are told apart by their dashes.

    Parameters
    ----------
    cells : sequence of CellSummary
        The study's cells.

    Returns
    -------
    dict
        Cell id to style.
    """
    kinds: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        kinds.setdefault((cell.optimizer, cell.batch_size), []).append(cell.cell_id)
    looks = zip(itertools.cycle(_COLOURS), itertools.cycle(_MARKERS))
    return {
        cell_id: CellStyle(colour, marker, _DASHES[i % len(_DASHES)], filled=i == 0)
        for (colour, marker), ids in zip(looks, kinds.values(), strict=False)
        for i, cell_id in enumerate(ids)
    }


def new_figure(height: float) -> Figure:
    """An empty figure of the common width that lays itself out, drawn by Agg and unknown to pyplot."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def add_legend(figure: Figure, handles: Sequence[Line2D], labels: Sequence[str], columns: int = 2) -> Legend:
    """Add a legend below the axes, with labels that are shown as they are.

    Parameters
    ----------
    figure : Figure
        Laid out by the constrained layout, which makes room.
    handles : sequence of Line2D
        What to explain.
    labels : sequence of str
        Plain text: dollar signs are no formulas, and an underscore at the front hides nothing.
    columns : int
        How many columns.

    Returns
    -------
    Legend
    """
    places = [str(i) for i in range(len(labels))]
    legend = figure.legend(handles, places, loc="outside lower left", ncols=columns, handlelength=3.2)
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return legend


def log_axis(axis: Axis, write: Callable[[float], str]) -> None:
    """Label the ticks of a logarithmic axis; an axis of less than two decades gets 2 and 5 between them too.

    Matplotlib's own labels are formulas, which cost a quarter of the time a figure takes.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        Of logarithmic scale.
    write : callable
        Writes one value.
    """

    def between(value: float, _: int | None) -> str:
        """Write 2 and 5 of each decade, where the axis is short enough to hold them."""
        low, high = axis.get_view_interval()
        leading = round(value / 10 ** math.floor(math.log10(value)), 6)
        return write(value) if high < 100 * low and leading in (2, 5) else ""

    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(FuncFormatter(between))


def say(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why it is empty, and take away the ticks, which would measure nothing."""
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(NullLocator())
        axis.set_minor_locator(NullLocator())
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontstyle="italic")


def add_twin_notice(figure: Figure) -> None:
    """Head a figure with the notice that its data are generated."""
    figure.suptitle(
        "offline twin: generated data, not the measured table",
        x=0.01,
        ha="left",
        fontsize=9,
        fontweight="bold",
        color="#a30000",
    )


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
