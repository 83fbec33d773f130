"""Which figures of measurements there are."""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.measure.table import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Measured], "Figure"]
Caption = Callable[[Measured], str]


@dataclass(frozen=True)
class MeasuredFigure:
    """A registered figure of a measurement.

    Parameters
    ----------
    name : str
        The stem of its files.
    title : str
        Its heading in the report.
    measurement : str
        The measurement whose table it reads.
    draw : callable
        From the table to the figure; pure.
    caption : callable
        From the table to plain text that says what to see, with numbers computed from it.
    """

    name: str
    title: str
    measurement: str
    draw: Draw
    caption: Caption


_REGISTRY: dict[str, MeasuredFigure] = {}


def register(*, title: str, caption: Caption) -> Callable[[Draw], Draw]:
    """Register the decorated function as the figure of the measurement that has its name.

    It is called with the project's style set, and what it returns carries the notice "offline twin"
    wherever that was used.

    Parameters
    ----------
    title : str
        Its heading in the report.
    caption : callable
        Writes its caption.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(draw: Draw) -> Draw:
        @functools.wraps(draw)
        def styled(measured: Measured) -> "Figure":
            from pipeline.figures import style

            with style.context():
                figure = draw(measured)
                if measured.offline_twin:
                    style.add_twin_notice(figure)
            return figure

        @functools.wraps(caption)
        def honest(measured: Measured) -> str:
            return ("Offline twin: generated data. " if measured.offline_twin else "") + caption(measured)

        name = draw.__name__
        _REGISTRY[name] = MeasuredFigure(f"measure_{name}", title, name, styled, honest)
        return styled

    return decorate


def registered() -> list[MeasuredFigure]:
    """Every figure in this folder, in the order of the measurements."""
    from pipeline.measure import MEASUREMENTS

    package = importlib.import_module("pipeline.figures.measured")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"pipeline.figures.measured.{module.name}")
    order = list(MEASUREMENTS) + sorted(set(_REGISTRY) - set(MEASUREMENTS))  # last what is opt-in
    return [_REGISTRY[name] for name in order if name in _REGISTRY]
