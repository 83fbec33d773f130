"""One contest of a race: a measure over a field of cells, the bets on it, and how far it is decided."""

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
        What does not matter, as a share of the leader's value.
    """

    name: str
    margin: float


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
        Logarithm of the e-value that decides.

    Attributes
    ----------
    leader : int
        Position among ``cells``; -1 before the pilot.
    wins, losses : ndarray of int
        Of the leaders, against each cell.
    alive : ndarray of bool
        Neither set aside nor beaten yet.
    aside : ndarray of bool
        Set aside after the first seeds.
    near, far : ndarray of int, shape (cells, 2)
        Seeds within and beyond the margin above and below the leader's value, since it leads.
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
        self.alive, self.aside = np.ones(cells, dtype=bool), np.zeros(cells, dtype=bool)
        self.near, self.far = np.zeros((cells, 2)), np.zeros((cells, 2))

    def add(self, cells: Cells) -> None:
        """Let more cells take part from the next round on."""
        self.cells = np.concatenate([self.cells, cells])
        for name, value in (("wins", 0), ("losses", 0), ("alive", True), ("aside", False), ("near", 0), ("far", 0)):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.full((len(cells), *old.shape[1:]), value, dtype=old.dtype)]))

    def rest(self, *, claimed: bool) -> Cells:
        """Positions of the leader's rivals: those not beaten yet, or in a claim those that it calls equivalent."""
        rest = self.alive & (self.equivalent >= self.beaten) if claimed else self.alive.copy()
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
        each = np.where(self.alive, np.where(self.beaten > self.equivalent, self.beaten, self.equivalent), self.beaten)
        return float(each[others].min(initial=np.inf))

    @property
    def decided(self) -> bool:
        """Whether each rival is beaten, or within the margin."""
        return self.leader >= 0 and self.evidence >= self.needed

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
            self.alive &= ~self.aside
        return self.aside

    def bet(self, values: Array, spread: Array) -> None:
        """Hold each cell against the leader, by new seeds.

        Parameters
        ----------
        values : ndarray, shape (cells, seeds)
            NaN where a cell was not trained.
        spread : ndarray, shape (cells,)
            How far the logarithm of a cell's value over the leader's may be wrong for all seeds alike: the error of
            measured seconds.
        """
        first = values[self.leader]
        apart = distance(self.measure, values, first)
        rows = self.alive & ~np.isnan(apart).any(axis=1)
        rows[self.leader] = False
        sure = apart > spread[:, None]
        tie = (apart == 0) & (spread[:, None] == 0)
        self.wins += np.where(rows, sure.sum(axis=1), 0)
        self.losses += np.where(rows, (~sure & ~tie).sum(axis=1), 0)
        if self.leaders:
            for side, one in enumerate((apart, -apart)):
                within = (one + spread[:, None] <= self.measure.margin).sum(axis=1)
                self.near[:, side] += np.where(rows, within, 0)
                self.far[:, side] += np.where(rows, values.shape[1] - within, 0)
        self.alive &= ~((self.beaten >= self.needed) & rows)

    def seeds_left(self) -> float:
        """Further seeds until it is decided, if seeds go on as they have; infinite where that cannot be told."""
        threshold, share = self.needed + np.log(EQUALS), self.needed + self._share
        needed = 0.0
        for i in np.flatnonzero(self.alive):
            if i != self.leader:
                beaten = seeds_to_decide(self.wins[i], self.losses[i], threshold)
                sides = [seeds_to_decide(*both, share) for both in zip(self.near[i], self.far[i], strict=True)]
                needed = max(needed, min(beaten, max(sides)))
        return needed


def distance(measure: Measure, values: Array, leader: Array) -> Array:
    """How far values lie above the leader's, as a share of it.

    Logarithms of ratios for clocks, relative differences for a loss. Two runs that never arrive are equal.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = (values - leader) / np.abs(leader) if measure.name == "loss" else np.log(values / leader)
    apart = np.where(np.isinf(leader) & np.isfinite(values), -np.inf, apart)
    return np.where(values == leader, 0.0, np.where(np.isnan(values), np.nan, apart))


def together(log_evidence: Array, alpha: float) -> NDArray[np.bool_]:
    r"""Which claims stand: the largest k so that k of the n e-values are :math:`n / (\alpha k)` or more (e-BH).

    Parameters
    ----------
    log_evidence : ndarray
        Logarithms of e-values.
    alpha : float
        Share of the claims that may be expected to be wrong.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> together(np.log([50.0, 21.0, 3.0]), 0.05).tolist()
    [False, False, False]
    >>> together(np.log([50.0, 31.0, 3.0]), 0.05).tolist()
    [True, True, False]
    """
    n = len(log_evidence)
    descending = np.sort(log_evidence)[::-1]
    enough = np.flatnonzero(descending >= np.log(n / alpha / np.arange(1, n + 1)) - 1e-12)
    return np.asarray(log_evidence >= (descending[enough[-1]] if len(enough) else np.inf))
