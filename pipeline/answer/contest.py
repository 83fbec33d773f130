"""One contest of a race: a measure over a field of cells, the bets on it, and how far it is decided."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.answer.bets import Array, log_wealth, seeds_to_decide

Cells = NDArray[np.intp]

#: How many times more wealth is needed because several cells may be equally good.
EQUALS = 2.0
#: Spreads behind the leader, on every first seed, from which on a cell is set aside.
FAR = 5.0
#: The metric that is better where it is higher; contests are about the share that is classified wrongly.
ACCURACY = "validation_accuracy"
#: Most cells of a contest that are held against the margin.
CONTENDERS = 16
#: Times the seeds so far that are added where the time of a step is what is missing, but as many would do, too.
PATIENCE = 2.0


@dataclass(frozen=True)
class Measure:
    """What cells are compared by: less is better.

    Parameters
    ----------
    name : str
        ``loss``, or a clock.
    margin : float
        What does not matter, as a share of the leader's value, or in its unit.
    absolute : bool
        Whether the margin is in the values' unit: they are shares of examples.
    """

    name: str
    margin: float
    absolute: bool = False


@dataclass(eq=False)
class Contest:
    """One measure over one field, and how far it is decided.

    Parameters
    ----------
    measure : Measure
        What is compared.
    field : str
        Name of an optimizer's series; empty for all cells.
    cells : ndarray
        Positions of the field's cells.
    needed : float
        Logarithm of the e-value that decides; it falls as other contests are decided.

    Attributes
    ----------
    leader : int
        Position among ``cells``; -1 before the pilot.
    aside : ndarray of bool
        Set aside after the first seeds.
    sure : ndarray, shape (cells, 6)
        Seeds that each leader won and lost against a cell, and of the present one those within and beyond the margin
        above it, and within and beyond the margin below it; each as unfavourable as the error of a step's time allows.
    exact : ndarray, shape (cells, 6)
        The same if the measured time of a step were exact: what is missing here is missing in seeds.
    rounds : list
        Seeds of each round, its leader, and how many leaders there were.
    errors : list of ndarray
        Of each round, how far the logarithm of each cell's ratio to its leader may be wrong for all seeds alike.
    patience : float
        How many times the seeds so far are rather added than the time of a step is measured again.
    """

    measure: Measure
    field: str
    cells: Cells
    needed: float
    leader: int = -1
    leaders: int = 0
    rivals: int = 0

    def __post_init__(self) -> None:
        cells = len(self.cells)
        self.aside = np.zeros(cells, dtype=bool)
        self.sure, self.exact = np.zeros((cells, 6)), np.zeros((cells, 6))
        self.patience = PATIENCE
        self.rounds: list[tuple[range, int, int]] = []
        self.errors: list[Array] = []

    def add(self, cells: Cells) -> None:
        """Let more cells take part from the next round on."""
        self.cells = np.concatenate([self.cells, cells])
        for name in ("aside", "sure", "exact"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((len(cells), *old.shape[1:]), dtype=old.dtype)]))

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which cells are neither set aside nor beaten yet."""
        alive = ~self.aside & (_beaten(self.sure) < self.needed)
        alive[self.leader] = True
        return alive

    def rest(self, *, claimed: bool) -> Cells:
        """Positions of the leader's rivals: those not beaten yet, or in a claim those that it calls equivalent."""
        rest = self.alive & (self._equivalent(self.sure) >= _beaten(self.sure)) if claimed else self.alive
        rest[self.leader] = False
        return self.cells[rest]

    def _equivalent(self, counts: Array) -> Array:
        """Logarithm of the wealth for each cell being within the margin of the leader, over its share."""
        both: Array = log_wealth(counts[:, 2::2], counts[:, 3::2]).min(axis=1) - self._share
        return both

    def _each(self, counts: Array) -> Array:
        """Logarithm of the evidence about each cell that has to be there for a claim; infinite for the others."""
        return np.where(
            self.aside | (np.arange(len(self.cells)) == self.leader),
            np.inf,
            np.maximum(_beaten(counts), self._equivalent(counts)),
        )

    @property
    def _share(self) -> float:
        """Logarithm of how many times the usual wealth an equivalence needs; infinite where none is looked for yet."""
        return float(np.log(max(self.rivals, 1) * self.leaders * (self.leaders + 1.0))) if self.leaders else np.inf

    @property
    def evidence(self) -> float:
        """The claim's e-value, as a logarithm: that of its weakest part."""
        return float(self._each(self.sure).min())

    @property
    def decided(self) -> bool:
        """Whether each rival is beaten, or within the margin."""
        return self.leader >= 0 and self.evidence >= self.needed - 1e-12

    def lead(self, values: Array) -> None:
        """Choose the leader, the lowest median of those that are not beaten; values have a row for each cell."""
        known = self.alive & ~np.isnan(values).all(axis=1)
        medians = np.full(len(values), np.nan)
        medians[known] = np.nanmedian(values[known], axis=1)
        best = np.flatnonzero(medians == np.nanmin(medians))
        arrived = np.isfinite(values[best]).sum(axis=1)
        leader = self.leader if self.leader in best else int(best[np.argmax(arrived)])  # equal medians depose nobody
        few = (self.alive & (_beaten(self.exact) < self.needed)).sum() <= CONTENDERS
        if few and (leader != self.leader or not self.leaders):
            self.leaders += 1
            self.rivals = int(self.alive.sum()) - 1
            self.sure[:, 2:], self.exact[:, 2:] = 0, 0
        self.leader = leader

    def set_aside(self, values: Array, hopeless: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Set aside what lies far behind the leader on every first seed.

        Parameters
        ----------
        values : ndarray, shape (cells, seeds)
            Of the first seeds.
        hopeless : ndarray of bool, shape (cells,)
            Whether a cell that never arrives is far behind: by its final loss.

        Returns
        -------
        ndarray of bool
            What is set aside.
        """
        apart = distance(self.measure, values, values[self.leader])
        known = np.where(np.isfinite(apart), apart, np.nan)
        best = np.argsort(np.median(apart, axis=1), kind="stable")[: max(4, len(self.cells) // 4)]
        ranges = np.ptp(known[best], axis=1)
        if np.isfinite(ranges).any() and (spread := np.nanmedian(ranges)) > 0:
            far = np.where(np.isposinf(apart), hopeless[:, None], apart > FAR * spread)
            self.aside = np.asarray(far.all(axis=1))
            self.aside[best] = False
        return self.aside

    def bet(self, values: Array, new: range, spread: Callable[[str, int, Cells], Array]) -> None:
        """Hold each cell against the leader, by new seeds.

        All rounds are counted again, each with its leader, because measured seconds may be known better than in the
        round before: the error of a step's time has nothing to do with what the seeds say.

        Parameters
        ----------
        values : ndarray, shape (cells, seeds)
            All so far; NaN where a cell was not trained.
        new : range
            The seeds of this round.
        spread : callable
            As of :class:`pipeline.answer.race.Race`.
        """
        self.rounds.append((new, self.leader, self.leaders))
        self.errors = [spread(self.measure.name, int(self.cells[leader]), self.cells) for _, leader, _ in self.rounds]
        self.sure, self.exact = self._counted(values, 1.0), self._counted(values, 0.0)

    def _counted(self, values: Array, scale: float) -> Array:
        """Count the seeds of all rounds, with the errors of a step's time times a scale; as :attr:`sure`."""
        total = np.zeros((len(self.cells), 6))
        for (seeds, leader, leaders), errors in zip(self.rounds, self.errors, strict=True):
            here = values[:, seeds.start : seeds.stop]
            rows = ~self.aside & ~np.isnan(here + here[leader]).any(axis=1)
            rows[leader] = False
            apart, error = distance(self.measure, here[rows], here[leader]), scale * errors[rows, None]
            won, tie = apart > error, (apart == 0) & (error == 0)
            # A difference of two shares is rounded.
            above, below = (one + error <= self.measure.margin + 1e-12 for one in (apart, -apart))
            found = np.array([won, ~won & ~tie, above, ~above, below, ~below]).sum(axis=2).T
            total[rows] += found * [1, 1, *[leaders == self.leaders > 0] * 4]
        return total

    @property
    def needy(self) -> Cells:
        """Positions of the cells that more seeds can decide about, with the leader; empty where none can.

        A rival that would be decided about if the time of a step were known exactly waits for that, unless a few seeds
        more will do. One that is within the margin goes on beside the others: it may turn out to be behind, or lead.
        """
        missing, waits = self._each(self.sure) < self.needed, self._waits()
        return self._with_leader((missing & ~waits).any() & ~waits & self.alive)

    @property
    def waiting(self) -> Cells:
        """Positions of the cells that wait for the time of a step, with the leader: seeds cannot tell, or not soon."""
        return self._with_leader(self._waits())

    def _waits(self) -> NDArray[np.bool_]:
        waits: NDArray[np.bool_] = (self._each(self.sure) < self.needed) & (self._each(self.exact) >= self.needed)
        waits[waits] = self._left(waits) > self.patience * sum(len(seeds) for seeds, *_ in self.rounds)
        return waits

    def _with_leader(self, some: NDArray[np.bool_]) -> Cells:
        some[self.leader] = some.any()
        return self.cells[np.flatnonzero(some & (not self.decided))]

    def seeds_left(self) -> float:
        """Further seeds until it is decided, if seeds go on as they have.

        Infinite where that cannot be told, and NaN where seeds alone cannot decide.
        """
        if not len(self.needy):
            return float("nan")
        return float(self._left(np.isin(self.cells, self.rest(claimed=False))).max(initial=0.0))

    def _left(self, some: NDArray[np.bool_]) -> Array:
        """Further seeds until each of some cells is decided about."""
        sure = self.sure[some]
        beaten = seeds_to_decide(sure[:, 0], sure[:, 1], self.needed + float(np.log(EQUALS)))
        within = seeds_to_decide(sure[:, 2::2], sure[:, 3::2], self.needed + self._share).max(axis=1)
        return np.asarray(np.minimum(beaten, within))


def _beaten(counts: Array) -> Array:
    """Logarithm of the wealth against each cell, over what one claim alone needs."""
    return log_wealth(counts[:, 0], counts[:, 1]) - float(np.log(EQUALS))


def distance(measure: Measure, values: Array, leader: Array) -> Array:
    """How far values lie above the leader's, as a share of it.

    Logarithms of ratios for clocks, relative differences for a loss, differences for what is absolute. Two runs that
    never arrive are equal.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (values - leader) / np.abs(leader) if measure.name == "loss" else np.log(values / leader)
        apart = values - leader if measure.absolute else apart
    apart = np.where(np.isinf(leader) & np.isfinite(values), -np.inf, apart)
    return np.where(values == leader, 0.0, np.where(np.isnan(values), np.nan, apart))


def needed_among(log_evidence: Array, alpha: float) -> Array:
    r"""Logarithm of the e-value that each claim needs to stand, given the others as they are.

    Claims stand together that have k of the n e-values and :math:`n / (\alpha k)` or more each, for the largest such k:
    the e-BH procedure.

    Parameters
    ----------
    log_evidence : ndarray, shape (n,)
        Logarithms of e-values.
    alpha : float
        Share of the claims that may be expected to be wrong.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> np.exp(needed_among(np.log([50.0, 21.0, 3.0]), 0.05)).round().tolist()
    [60.0, 30.0, 20.0]
    """
    counts = np.arange(1, len(log_evidence) + 1)
    thresholds = np.log(len(counts) / alpha / counts)
    enough = log_evidence[:, None] >= thresholds - 1e-12
    feasible = enough.sum(axis=0) - enough >= counts - 1  # of the others
    return np.asarray(np.where(feasible, thresholds, np.inf).min(axis=1))
