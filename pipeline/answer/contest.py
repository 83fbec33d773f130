"""One contest of a race: a measure over a field of cells, the bets on it, and how far it is decided."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.answer.bets import log_wealth, seeds_to_decide

Array = NDArray[np.float64]
Cells = NDArray[np.intp]

#: How many times more wealth is needed because several cells may be equally good.
EQUALS = 2.0
#: Spreads behind the leader, on every first seed, from which on a cell is set aside.
FAR = 5.0
#: The metric that is better where it is higher; contests are about the share that is classified wrongly.
ACCURACY = "validation_accuracy"
#: Most cells of a contest that are held against the margin.
CONTENDERS = 16


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
    wins, losses : ndarray of int
        Of the leaders, against each cell.
    aside : ndarray of bool
        Set aside after the first seeds.
    near, far : ndarray of int, shape (cells, 2)
        Seeds within and beyond the margin above and below the leader's value, since it leads.
    nominal : ndarray of int, shape (cells, 2)
        Wins and losses if the measured time of a step were exact.
    rounds : list
        Seeds of each round, its leader, and how many leaders there were.
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
        self.wins, self.losses = np.zeros(cells), np.zeros(cells)
        self.aside = np.zeros(cells, dtype=bool)
        self.near, self.far, self.nominal = (np.zeros((cells, 2)) for _ in range(3))
        self.rounds: list[tuple[range, int, int]] = []

    def add(self, cells: Cells) -> None:
        """Let more cells take part from the next round on."""
        self.cells = np.concatenate([self.cells, cells])
        for name in ("wins", "losses", "aside", "near", "far", "nominal"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros((len(cells), *old.shape[1:]), dtype=old.dtype)]))

    @property
    def alive(self) -> NDArray[np.bool_]:
        """Which cells are neither set aside nor beaten yet."""
        alive = ~self.aside & (self.beaten < self.needed)
        alive[self.leader] = True
        return alive

    def rest(self, *, claimed: bool) -> Cells:
        """Positions of the leader's rivals: those not beaten yet, or in a claim those that it calls equivalent."""
        rest = self.alive & (self.equivalent >= self.beaten) if claimed else self.alive
        rest[self.leader] = False
        return self.cells[rest]

    @property
    def beaten(self) -> Array:
        """Logarithm of the wealth against each cell, over what one claim alone needs."""
        return log_wealth(self.wins, self.losses) - float(np.log(EQUALS))

    @property
    def equivalent(self) -> Array:
        """Logarithm of the wealth for each cell being within the margin of the leader, over its share."""
        both: Array = log_wealth(self.near, self.far).min(axis=1) - self._share
        return both

    @property
    def _share(self) -> float:
        """Logarithm of how many times the usual wealth an equivalence needs; infinite where none is looked for yet."""
        return float(np.log(max(self.rivals, 1) * self.leaders * (self.leaders + 1.0))) if self.leaders else np.inf

    @property
    def evidence(self) -> float:
        """The claim's e-value, as a logarithm: that of its weakest part."""
        others = ~self.aside & (np.arange(len(self.cells)) != self.leader)
        return float(np.maximum(self.beaten, self.equivalent)[others].min(initial=np.inf))

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
        few = self.alive.sum() <= CONTENDERS
        if few and (leader != self.leader or not self.leaders):
            self.leaders += 1
            self.rivals = int(self.alive.sum()) - 1
            self.near[:], self.far[:] = 0, 0
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

        Where measured seconds are known better than in the round before, all rounds are counted again, each with its
        leader: the error of a step's time has nothing to do with what the seeds say.

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
        errors = [spread(self.measure.name, int(self.cells[leader]), self.cells) for _, leader, _ in self.rounds]
        again = bool(errors[-1].any())
        for counts in (self.wins, self.losses, self.near, self.far, self.nominal) if again else ():
            counts[:] = 0
        for (seeds, leader, leaders), error in list(zip(self.rounds, errors, strict=True))[0 if again else -1 :]:
            self._count(values[:, seeds.start : seeds.stop], leader, error, leaders == self.leaders > 0)

    def _count(self, values: Array, leader: int, spread: Array, leads: bool) -> None:
        """Add the seeds of one round to the counts."""
        apart = distance(self.measure, values, values[leader])
        rows = (~self.aside & ~np.isnan(apart).any(axis=1))[:, None]
        rows[leader] = False
        sure = apart > spread[:, None]
        tie = (apart == 0) & (spread[:, None] == 0)
        self.wins += (sure & rows).sum(axis=1)
        self.losses += (~sure & ~tie & rows).sum(axis=1)
        self.nominal[:, 0] += ((apart > 0) & rows).sum(axis=1)
        self.nominal[:, 1] += ((apart < 0) & rows).sum(axis=1)
        if leads:
            for side, one in enumerate((apart, -apart)):
                within = one + spread[:, None] <= self.measure.margin + 1e-12  # a difference of two shares is rounded
                self.near[:, side] += (within & rows).sum(axis=1)
                self.far[:, side] += (~within & rows).sum(axis=1)

    @property
    def needy(self) -> Cells:
        """Positions of the cells that more seeds can decide about, with the leader; empty where none can.

        A rival that would be beaten if the time of a step were known exactly waits for that.
        """
        needy: NDArray[np.bool_] = self.alive & (log_wealth(*self.nominal.T) < self.needed + np.log(EQUALS))
        needy[self.leader] = False
        if self.decided or not needy.any():
            return self.cells[:0]
        needy[self.leader] = True
        return self.cells[needy]

    def seeds_left(self) -> float:
        """Further seeds until it is decided, if seeds go on as they have.

        Infinite where that cannot be told, and NaN where seeds alone cannot decide.
        """
        if not len(self.needy):
            return float("nan")
        beaten = seeds_to_decide(self.wins, self.losses, self.needed + float(np.log(EQUALS)))
        within = seeds_to_decide(self.near, self.far, self.needed + self._share).max(axis=1)
        return float(np.minimum(beaten, within)[np.isin(self.cells, self.rest(claimed=False))].max(initial=0.0))


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
