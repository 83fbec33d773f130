"""Which figures of measurements there are."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.figures.entry import FigureEntry, honest, import_all, styled
from pipeline.measure.table import Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Measured], "Figure"]

_REGISTRY: dict[str, FigureEntry[Measured]] = {}


def register(*, title: str, caption: Callable[[Measured], str]) -> Callable[[Draw], Draw]:
    """Register the decorated function as the figure of the measurement that has its name.

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
        """Enter the figure under its function's name."""
        name = draw.__name__
        _REGISTRY[name] = FigureEntry(f"measure_{name}", title, styled(draw), honest(caption), measurement=name)
        return _REGISTRY[name].draw

    return decorate


def registered() -> list[FigureEntry[Measured]]:
    """Every figure in this folder, in the order of the measurements."""
    from pipeline.measure import MEASUREMENTS

    import_all("pipeline.figures.measured")
    order = list(MEASUREMENTS) + sorted(set(_REGISTRY) - set(MEASUREMENTS))  # last what is opt-in
    return [_REGISTRY[name] for name in order if name in _REGISTRY]
