"""A figure with all that is known of it, whatever it is drawn from."""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HasOrigin(Protocol):
    """Tables that know whether they come from the generated stand-in for the data."""

    @property
    def offline_twin(self) -> bool:
        """Whether they do."""


Source = TypeVar("Source", bound=HasOrigin)


@dataclass(frozen=True)
class FigureEntry(Generic[Source]):
    """A registered figure.

    Parameters
    ----------
    name : str
        The stem of its files.
    title : str
        Its heading in the report.
    draw : callable
        From the tables to the figure; pure.
    caption : callable
        From the tables to plain text that says what to see, with numbers computed from the tables.
    study, measurement : str
        The study or the measurement whose tables it reads; the other one is empty.
    place : int
        Its place among the study's figures; those of the same place are ordered by name.
    """

    name: str
    title: str
    draw: "Callable[[Source], Figure]"
    caption: Callable[[Source], str]
    study: str = ""
    measurement: str = ""
    place: int = 100


def styled(draw: "Callable[[Source], Figure]") -> "Callable[[Source], Figure]":
    """Draw with the project's style, and with the notice "offline twin" wherever that was used.

    No figure can forget either.
    """

    @functools.wraps(draw)
    def drawn(source: Source) -> "Figure":
        """Draw in the lab's style."""
        from pipeline.figures import style

        with style.context():
            figure = draw(source)
            if source.offline_twin:
                style.add_twin_notice(figure)
        return figure

    return drawn


def honest(caption: Callable[[Source], str]) -> Callable[[Source], str]:
    """Begin the caption with "Offline twin" wherever that was used."""

    @functools.wraps(caption)
    def written(source: Source) -> str:
        """The caption, which begins with what the data are where they are generated."""
        return ("Offline twin: generated data. " if source.offline_twin else "") + caption(source)

    return written


def import_all(package: str) -> None:
    """Import every module of a package, so that what registers itself is registered."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package}.{module.name}")
