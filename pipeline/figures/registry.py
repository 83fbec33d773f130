"""What a figure of a study is drawn from, and which figures there are."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from pipeline.analysis.expected import Expected, expected_of_sweep
from pipeline.analysis.seconds import StepCosts
from pipeline.analysis.sweep import Sweep
from pipeline.figures.cells import CellSummary, cells_of
from pipeline.figures.entry import FigureEntry, honest, import_all, styled
from pipeline.lab.results import StudyResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pipeline.lab.theory import Problem


@dataclass(frozen=True, eq=False)
class Tables:
    """What a figure is drawn from.

    Parameters
    ----------
    runs, curves : DataFrame
        One study's tables; see :mod:`pipeline.lab.tables`.
    minimum : float, optional
        The least loss that the model can have on the data, where it is known.
    problem : Problem, optional
        The least squares problem behind it, for what theory says about it.
    costs : StepCosts
        What a step costs on this machine, as far as it was measured.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    minimum: float | None = None
    problem: "Problem | None" = None
    costs: StepCosts = field(default_factory=StepCosts)

    @functools.cached_property
    def cells(self) -> list[CellSummary]:
        """The cells, in the order in which they first occur."""
        return cells_of(self.runs)

    @functools.cached_property
    def sweep(self) -> Sweep:
        """The study read as a grid of optimizers, batch sizes and learning rates."""
        return Sweep(StudyResults(self.runs, self.curves), self.costs)

    @functools.cached_property
    def expected(self) -> Expected | None:
        """What theory expects of the sweep's plain SGD; None where it has nothing to say."""
        if self.problem is None:
            return None
        return expected_of_sweep(self.problem, self.sweep.grid, self.sweep.study, self.sweep.target.loss)

    @property
    def offline_twin(self) -> bool:
        """Whether any run was trained on the generated stand-in for the data."""
        return bool(self.runs["data"].str.endswith("_twin").any())


_REGISTRY: dict[str, FigureEntry[Tables]] = {}


def register(
    *, title: str, study: str, caption: Callable[[Tables], str], place: int = 100
) -> "Callable[[Callable[[Tables], Figure]], Callable[[Tables], Figure]]":
    """Register the decorated function as a figure, under the function's name, styled and honest about the twin.

    Parameters
    ----------
    title : str
        Its heading in the report.
    study : str
        The study whose tables it reads.
    caption : callable
        Writes its caption.
    place : int
        Its place among the study's figures.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(draw: "Callable[[Tables], Figure]") -> "Callable[[Tables], Figure]":
        """Enter the figure under its function's name."""
        name = draw.__name__
        _REGISTRY[name] = FigureEntry(name, title, styled(draw), honest(caption), study=study, place=place)
        return _REGISTRY[name].draw

    return decorate


def registered() -> list[FigureEntry[Tables]]:
    """Every figure in this folder, by place and name."""
    import_all("pipeline.figures")
    return sorted(_REGISTRY.values(), key=lambda entry: (entry.place, entry.name))
