"""The figures there are, each registered for a kind of study or as that of a measurement."""

import functools
import importlib
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
from pipeline.figures.words import lang, sentences
from pipeline.measure.table import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pipeline.analysis.study import AnalysedStudy

#: What figures can be drawn from: the kinds of study, and measurements.
KINDS = ("curves", "sweep", "exercise", "measurement")


@dataclass(frozen=True)
class FigureEntry:
    """A registered figure.

    Parameters
    ----------
    name : str
        The stem of its files; of a measurement's figure also the measurement's name.
    title : callable
        From a study or a measurement to what the figure finds: its heading, in the picture and in the report.
    kind : str
        One of :data:`KINDS`.
    draw : callable
        From a study or a measurement to the figure; pure.
    caption : callable
        From the same to plain text that says what to see, with numbers computed from the tables.
    place : int
        Its place among the figures of a study; those of the same place are ordered by name.
    fits : callable
        Whether a study of the kind has what the figure shows.
    """

    name: str
    title: Callable[[Any], str]
    kind: str
    draw: "Callable[[Any], Figure]"
    caption: Callable[[Any], str]
    place: int = 100
    fits: Callable[[Any], bool] = lambda _: True


_REGISTRY: dict[tuple[str, str], FigureEntry] = {}


def register(
    *,
    kind: str,
    title: str | Callable[[Any], str],
    caption: Callable[[Any], str],
    place: int = 100,
    fits: Callable[[Any], bool] = lambda _: True,
    name: str = "",
) -> "Callable[[Callable[[Any], Figure]], Callable[[Any], Figure]]":
    """Register the decorated function as a figure, drawn in the lab's style and marked wherever data are generated.

    Parameters
    ----------
    kind : str
        The kind of study that it is drawn for, one of :data:`KINDS`.
    title : str or callable
        Its heading, in the picture and in the report: what the figure finds, computed from the tables, or a text.
    caption : callable
        Writes its caption: how to read the figure, then the numbers.
    place : int
        Its place among the figures of a study.
    fits : callable
        Whether a study of the kind has what the figure shows; every one by default.
    name : str
        The function's name by default.

    Returns
    -------
    callable
        The decorator.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is not allowed: it must be one of {', '.join(KINDS)}")

    def decorate(draw: "Callable[[Any], Figure]") -> "Callable[[Any], Figure]":
        """Enter the figure."""
        head = title if callable(title) else lambda _: title

        def marked(source: Any) -> str:
            """The caption, which begins with what the data are where they are generated."""
            return sentences(
                lang().say("Offline twin: generated data.") if source.offline_twin else "", caption(source)
            )

        entry = FigureEntry(name or draw.__name__, head, kind, _styled(draw, head), marked, place, fits)
        _REGISTRY[kind, entry.name] = entry
        return entry.draw

    return decorate


def registered() -> list[FigureEntry]:
    """Every figure, the lab's and those in ``figure/`` of the user's folders, by place and name.

    Raises
    ------
    UserError
        If a file of the user's cannot be imported, or has no function of its name.
    """
    for folder in parts.own_folders("figure"):
        for path in sorted(folder.glob("[!_]*.py")):
            importlib.import_module(parts.module_name(path))
    for path in own_files():
        parts.load("figure", path.stem)
    return sorted(_REGISTRY.values(), key=lambda entry: (entry.place, entry.name))


def own_files() -> list[Path]:
    """The files of the user's figures."""
    found = [path for folder in parts.search_path() for path in sorted((folder / "figure").glob("*.py"))]
    return [path for path in found if not path.stem.startswith("_")]


def figures_of(source: "AnalysedStudy | Measured") -> list[FigureEntry]:
    """The figures that fit a study, or the one of a measurement."""
    if isinstance(source, Measured):
        return [entry for entry in registered() if (entry.kind, entry.name) == ("measurement", source.name)]
    return [entry for entry in registered() if entry.kind == source.kind and entry.fits(source)]


def _styled(draw: "Callable[[Any], Figure]", title: Callable[[Any], str]) -> "Callable[[Any], Figure]":
    """Draw in the lab's style, with the title and the notice "offline twin" wherever that was used: none forgets it."""

    @functools.wraps(draw)
    def drawn(source: Any) -> "Figure":
        """Draw in the lab's style."""
        from pipeline.figures import style

        with style.context():
            figure = draw(source)
            _head(figure, title(source), offline_twin=source.offline_twin)
        return figure

    return drawn


def _head(figure: "Figure", title: str, *, offline_twin: bool) -> None:
    """Head a figure with what it finds, and above that, where it is so, with the notice that its data are generated."""
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    from pipeline.figures import style

    place: Any = {"x": 0.01, "ha": "left", "va": "top"}
    top = 1 - 0.06 / figure.get_figheight()
    # A layout makes room above the panels where the place is not given.
    own = {"y": top} if isinstance(figure.get_layout_engine(), PlaceHolderLayoutEngine | None) else {}
    words = "\n".join([""] * offline_twin + textwrap.wrap(title, 52, break_on_hyphens=False))
    figure.suptitle(words, fontsize=10.5, fontweight="bold", parse_math=False, **place, **own)
    if offline_twin:
        notice = lang().say("offline twin: generated data, not the measured table")
        figure.text(s=notice, y=top, **place, fontsize=9, fontweight="bold", color=style.RED)
