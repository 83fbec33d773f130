"""What a step costs on this machine, measured alone and more than once."""

from collections.abc import Sequence

import numpy as np

from pipeline.answer.bets import Array
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.placement import backend
from pipeline.train.solo import SoloRun, warm_up

#: Seconds of one sample of a step's cost, about, and the most steps in it.
SAMPLE, MOST_STEPS = 0.003, 512
#: Share of the ratios of two steps' times that may ever lie beyond what :meth:`StepTimes.spread` allows, and about a
#: twelfth of the number of samples at which that is as narrow as can be.
BETA, EARLY = 0.01, 5.0


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
                    steps = int(np.clip(np.nan_to_num(1.5 * SAMPLE / self.seconds(cell)), 4, MOST_STEPS))
                    self.samples.setdefault(self.kind(cell), []).append(_step(cell, dataset, steps))

    def count(self, cell: Cell) -> int:
        """How many samples there are of a cell's kind."""
        return len(self.samples.get(self.kind(cell), ()))

    def seconds(self, cell: Cell) -> float:
        """The median over samples, in seconds; NaN where none was measured."""
        return float(np.median(self.samples.get(self.kind(cell), [np.nan])))

    def spread(self, leader: Cell, cells: Sequence[Cell]) -> Array:
        r"""How far the logarithm of the ratio of two steps' seconds may be wrong, however often one measures and looks.

        .. math:: s \sqrt{(1 + \rho / n) \log((1 + n / \rho) / \beta^2)}

        with the standard error s of the difference of two medians, the samples n of the step that has fewer,
        :math:`\rho` = :data:`EARLY` and :math:`\beta` = :data:`BETA`: a confidence sequence, which contains the truth
        for all n at once with a probability of :math:`1 - \beta`, as n grows (Robbins, 1970; Waudby-Smith, Arbour,
        Sinha, Kennedy, Ramdas, 2024, Time-uniform central limit theory and asymptotic confidence sequences). Samples
        are taken to be independent.

        Parameters
        ----------
        leader : Cell
            One of the two.
        cells : sequence of Cell
            The others.

        Returns
        -------
        ndarray
            Zero for a cell of the leader's kind, and infinite where fewer than three samples are known.
        """
        kind, kinds = self.kind(leader), [self.kind(cell) for cell in cells]
        errors = {one: self._error(one) for one in {kind, *kinds}}
        few = np.array([max(1, min(self.count(leader), self.count(cell))) for cell in cells]) / EARLY
        return np.where(
            np.array(kinds) == kind,
            0.0,
            np.hypot(errors[kind], [errors[one] for one in kinds])
            * np.sqrt((1 + 1 / few) * np.log((1 + few) / BETA**2)),
        )

    def _error(self, kind: str) -> float:
        """Standard error of a median of logarithms, by the median absolute deviation."""
        logs = np.log(self.samples.get(kind, [np.nan]))
        if len(logs) < 3:
            return float("inf")
        return float(1.2533 * 1.4826 * np.median(np.abs(logs - np.median(logs))) / np.sqrt(len(logs)))


def _step(cell: Cell, dataset: Dataset, steps: int) -> float:
    """Seconds of one step, the mean over a few."""
    run = SoloRun(cell, 0, dataset).to(backend(cell.config.trainer))
    run.configure_optimizers()
    run.on_fit_start()
    run.training_step(2, 0)
    while True:
        before = run.clock.seconds
        run.training_step(steps, 0)
        spent = run.clock.seconds - before
        if spent >= SAMPLE or steps >= MOST_STEPS:
            return spent / steps
        steps *= 2
