"""What a step costs on this machine, measured alone and more than once."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.answer.bets import Array
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.placement import backend
from pipeline.train.solo import SoloRun, warm_up

#: Seconds of one sample of a step's cost, about, and the most steps in it.
SAMPLE, MOST_STEPS = 0.003, 512
#: Share of the ratios of two steps' times that may ever lie beyond what :meth:`StepTimes.spread` allows, and about a
#: twelfth of the number of sweeps at which that is as narrow as can be.
BETA, EARLY = 0.01, 5.0
#: Rounds of the median polish; the levels of steps have settled after two or three.
POLISHES = 5


#: What :meth:`StepTimes.kind` has found, by the id of a cell.
_kinds: dict[str, str] = {}


class StepTimes:
    """Measured seconds of a step, for each kind of cell; more samples are added as a race goes on.

    Samples come in sweeps: one of each kind, one after the other, within a fraction of a second. A machine that others
    use too is slower for seconds at a time, by a factor of two and more; that is the same for a whole sweep, and two
    kinds are compared within sweeps.

    Parameters
    ----------
    samples : mapping, optional
        Kind to seconds, measured before; see :meth:`add`.

    Attributes
    ----------
    samples : DataFrame
        Seconds, a line for each sweep and a column for each kind; NaN where it had no part.
    """

    def __init__(self, samples: Mapping[str, Sequence[float]] | None = None) -> None:
        self.samples = pd.DataFrame()
        self.add(samples or {})

    @staticmethod
    def kind(cell: Cell) -> str:
        """What the cost of a step depends on: all of a cell but its learning rate, its seeds and how long it trains."""
        if cell.id not in _kinds:
            _kinds[cell.id] = canonical_json({**cell.identity, "lr": None, "epochs": None})
        return _kinds[cell.id]

    def add(self, samples: Mapping[str, Sequence[float]]) -> None:
        """Add sweeps: kind to seconds, as many of each; those at the same place belong together."""
        self.samples = pd.concat([self.samples, pd.DataFrame(dict(samples))], ignore_index=True)
        self._logs = self.samples.apply(np.log)
        self._levels = median_polish(self._logs)
        self._errors: dict[tuple[str, str], float] = {}

    def measure(self, cells: Sequence[Cell], dataset: Dataset, rounds: int = 5) -> None:
        """Add sweeps of short solo runs, on one thread; nothing else should be running.

        Parameters
        ----------
        cells : sequence of Cell
            One of each kind.
        dataset : Dataset
            Their data.
        rounds : int
            Sweeps.
        """
        fresh: dict[str, list[float]] = {self.kind(cell): [] for cell in cells}
        with torch_threads(), no_garbage_collection():
            for cell in cells:
                warm_up(cell, dataset)
            for number in range(rounds):
                for cell in cells[:: -1 if number % 2 else 1]:  # what comes before a run does not favour it
                    own = fresh[self.kind(cell)]
                    steps = int(np.clip(np.nan_to_num(1.5 * SAMPLE / np.median(own or [np.nan])), 4, MOST_STEPS))
                    own.append(_step(cell, dataset, steps))
        self.add(fresh)

    def count(self, cell: Cell) -> int:
        """How many samples there are of a cell's kind."""
        return int(self.samples.get(self.kind(cell), pd.Series(dtype=float)).count())

    def seconds(self, cell: Cell) -> float:
        """Seconds of a step in a median sweep; NaN where none was measured."""
        return float(np.exp(self._levels.get(self.kind(cell), np.nan)))

    def spread(self, leader: Cell, cells: Sequence[Cell]) -> Array:
        r"""How far the logarithm of the ratio of two steps' seconds may be wrong, however often one measures and looks.

        .. math:: |m - \hat m| + s \sqrt{(1 + \rho / n) \log((1 + n / \rho) / \beta^2)}

        with the n sweeps that both had part in, the median m of the logarithms of their ratios there and its standard
        error s, what :meth:`seconds` says instead of it, :math:`\hat m`, and :math:`\rho` = :data:`EARLY` and
        :math:`\beta` = :data:`BETA`: a confidence sequence, which contains the truth for all n at once with a
        probability of :math:`1 - \beta`, as n grows (Robbins, 1970; Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, 2024,
        Time-uniform central limit theory and asymptotic confidence sequences). Sweeps are taken to be independent.

        Parameters
        ----------
        leader : Cell
            One of the two.
        cells : sequence of Cell
            The others.

        Returns
        -------
        ndarray
            Zero for a cell of the leader's kind, and infinite where fewer than three sweeps had both.
        """
        pairs = [(self.kind(leader), self.kind(cell)) for cell in cells]
        for one, other in set(pairs) - self._errors.keys():
            self._errors[one, other] = 0.0 if one == other else self._error(one, other)
        return np.array([self._errors[pair] for pair in pairs])

    def _error(self, one: str, other: str) -> float:
        """How far the logarithm of the ratio of two kinds' seconds may be wrong."""
        logs = self._logs.reindex(columns=[one, other]).dropna()
        if (sweeps := len(logs)) < 3:
            return float("inf")
        ratios = (logs[other] - logs[one]).to_numpy()
        # The standard error of a median of normal values, by the median absolute deviation.
        error = 1.2533 * 1.4826 * np.median(np.abs(ratios - np.median(ratios))) / np.sqrt(sweeps)
        width = error * np.sqrt((1 + EARLY / sweeps) * np.log((1 + sweeps / EARLY) / BETA**2))
        return float(width + abs(np.median(ratios) - (self._levels[other] - self._levels[one])))


def median_polish(logs: pd.DataFrame) -> "pd.Series[float]":
    """What each kind takes in a median sweep (Tukey, 1977, Exploratory data analysis).

    Parameters
    ----------
    logs : DataFrame
        Logarithms of seconds, a line for each sweep and a column for each kind; NaN where a kind had no part.

    Returns
    -------
    Series
        For each kind, the logarithm of its seconds in a sweep that is neither faster nor slower than the median one.
    """
    levels = logs.median()
    for _ in range(POLISHES):
        phases = (logs - levels).median(axis=1)
        levels = logs.sub(phases - phases.median(), axis=0).median()
    return levels


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
