"""The figures there are, each registered for a kind of study or as that of a measurement."""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
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
    title : str
        Its heading in the report.
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
    title: str
    kind: str
    draw: "Callable[[Any], Figure]"
    caption: Callable[[Any], str]
    place: int = 100
    fits: Callable[[Any], bool] = lambda _: True


_REGISTRY: dict[tuple[str, str], FigureEntry] = {}


def register(
    *,
    kind: str,
    title: str,
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
    title : str
        Its heading in the report.
    caption : callable
        Writes its caption.
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
        entry = FigureEntry(name or draw.__name__, title, kind, _styled(draw), _marked(caption), place, fits)
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


def _styled(draw: "Callable[[Any], Figure]") -> "Callable[[Any], Figure]":
    """Draw in the lab's style, with the notice "offline twin" wherever that was used: no figure can forget either."""

    @functools.wraps(draw)
    def drawn(source: Any) -> "Figure":
        """Draw in the lab's style."""
        from pipeline.figures import style

        with style.context():
            figure = draw(source)
            if source.offline_twin:
                style.add_twin_notice(figure)
        return figure

    return drawn


def _marked(caption: Callable[[Any], str]) -> Callable[[Any], str]:
    """Begin the caption with "Offline twin" wherever that was used."""

    @functools.wraps(caption)
    def written(source: Any) -> str:
        """The caption, which begins with what the data are where they are generated."""
        return ("Offline twin: generated data. " if source.offline_twin else "") + caption(source)

    return written
