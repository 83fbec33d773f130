"""What a step costs on this machine, measured alone and more than once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.placement import backend
from pipeline.train.solo import SoloRun, warm_up

Array = NDArray[np.float64]

#: Seconds of one sample of a step's cost, about.
SAMPLE = 0.003
#: Standard errors of a measured step that a comparison in seconds must withstand.
ERRORS = 3.0


#: What :meth:`StepTimes.kind` has found, by the id of a cell.
_kinds: dict[str, str] = {}


class StepTimes:
    """Measured seconds of a step, for each kind of cell; more samples are added as a race goes on.

    Parameters
    ----------
    samples : dict, optional
        Kind to seconds, measured before.
    """

    def __init__(self, samples: dict[str, list[float]] | None = None) -> None:
        self.samples = samples or {}

    @staticmethod
    def kind(cell: Cell) -> str:
        """What the cost of a step depends on: all of a cell but its learning rate, its seeds and how long it trains."""
        if cell.id not in _kinds:
            _kinds[cell.id] = canonical_json({**cell.identity, "lr": None, "epochs": None})
        return _kinds[cell.id]

    def measure(self, cells: Sequence[Cell], dataset: Dataset, rounds: int = 5) -> None:
        """Add samples: short solo runs, in turn, on one thread; nothing else should be running.

        Parameters
        ----------
        cells : sequence of Cell
            One of each kind.
        dataset : Dataset
            Their data.
        rounds : int
            Samples of each.
        """
        with torch_threads(), no_garbage_collection():
            for cell in cells:
                warm_up(cell, dataset)
            for number in range(rounds):
                for cell in cells[:: -1 if number % 2 else 1]:  # what comes before a run does not favour it
                    self.samples.setdefault(self.kind(cell), []).append(_step(cell, dataset))

    def seconds(self, cell: Cell) -> float:
        """The median over samples, in seconds; NaN where none was measured."""
        return float(np.median(self.samples.get(self.kind(cell), [np.nan])))

    def spread(self, leader: Cell, cells: Sequence[Cell]) -> Array:
        """How far the logarithms of the ratios of two steps' seconds may be wrong: :data:`ERRORS` standard errors."""
        kind = self.kind(leader)
        errors = {one: self._error(one) for one in {kind, *map(self.kind, cells)}}
        return np.array(
            [0.0 if (one := self.kind(c)) == kind else ERRORS * np.hypot(errors[kind], errors[one]) for c in cells]
        )

    def _error(self, kind: str) -> float:
        """Standard error of a median of logarithms, by the median absolute deviation."""
        logs = np.log(self.samples.get(kind, [np.nan]))
        if len(logs) < 3:
            return float("inf")
        return float(1.2533 * 1.4826 * np.median(np.abs(logs - np.median(logs))) / np.sqrt(len(logs)))


def _step(cell: Cell, dataset: Dataset) -> float:
    """Seconds of one step, the mean over a few."""
    run = SoloRun(cell, 0, dataset).to(backend(cell.config.trainer))
    run.configure_optimizers()
    run.on_fit_start()
    run.training_step(2, 0)
    steps = 4
    while True:
        before = run.clock.seconds
        run.training_step(steps, 0)
        spent = run.clock.seconds - before
        if spent >= SAMPLE or steps >= 512:
            return spent / steps
        steps *= 2
