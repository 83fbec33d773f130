r"""A race between cells: seeds go to those that can still be the best, until the answer is certain.

**Contests.** One for each measure (the final loss, and each clock's cost of reaching the target) and each field: all
cells, or those of one optimizer. The best cell of a field is the one that beats every other on more seeds than it loses
on; seeds are paired, so that seed k gives all cells the same initial weights and the same order of examples.

**Rounds.** The first seeds choose a leader for each contest, the cell with the lowest median, and set aside what is
hopeless: cells that lie behind the leader on each of these seeds, by more than ``FAR`` times the range of such
distances in the best quarter of the field, which stays. That is an assumption and no test: that the seeds of good cells
spread alike. In every later round the other rivals are held against the leader of the round before
(:mod:`pipeline.answer.bets`). A rival is beaten, and costs no more seeds, when the wealth against it is what the level
asks for. A leader whose rivals are all beaten is *separated* from them.

**Equivalent.** Once at most ``CONTENDERS`` cells of a contest are left, each is also tested for being within the margin
of the leader, by median, from above and from below. This wealth starts anew with each new leader; the j-th leader needs
:math:`j(j+1)` times as much for each of its rivals, so that the chances of error add up to ``alpha``.

**Level.** A claim is wrong if the best cell, or one of several equally good ones, was beaten, or if a rival that is
called equivalent lies beyond the margin. For each contest this has a probability of at most ``alpha``, whenever the
race is stopped. Over the contests the e-values are thresholded together (e-BH: Wang, Ramdas, 2022, False discovery rate
control with e-values): at most a share ``alpha`` of the claims made is expected to be wrong, however they depend on
each other.

**Seconds** are steps times the measured time of a step, and its error is the same for all seeds: no number of seeds
averages it out. It enters as a nuisance parameter with a confidence set (Berger, Boos, 1994, P values maximized over a
confidence set for the nuisance parameter): each seed counts as the least favourable ratio of the two steps says. While
the true ratio is in the set, the wealth is at most that of a bettor who knows it, and the level holds; that it ever is
not adds :data:`pipeline.answer.costs.BETA` for each pair of steps that a claim rests on. The set is a confidence
sequence (:meth:`pipeline.answer.costs.StepTimes.spread`), so that steps may be measured again until they decide. Rivals
that would be decided about with exact times get no seeds: their steps are measured again, in turn, alone on the
machine, twice as often each time, and where that does not end it the claim says how well they are known. Two steps are
compared within a turn, because a machine that others use is slow in phases.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.answer.bets import Array, log_wealth
from pipeline.answer.contest import EQUALS, Cells, Contest, Measure, needed_among

#: Seeds that choose the first leaders. The second round has as many as can beat a rival; then seeds grow by a factor.
PILOT = 3
GROWTH = 2.0


class Field(Protocol):
    """What is raced: it gives each cell's values for some seeds."""

    def __call__(self, cells: Cells, seeds: range, whole: NDArray[np.bool_]) -> dict[str, Array]:
        """Train cells with seeds: measure to values, shape (cells, seeds), infinite where a run never arrives.

        Cells that are not in ``whole`` may stop at the target: nobody asks for their final loss.
        """


Outcome = Literal["separated", "equivalent", "undecided"]


@dataclass(frozen=True)
class Claim:
    """The answer to one contest.

    Parameters
    ----------
    measure, field : str
        The contest.
    outcome : str
        ``separated``, ``equivalent`` or ``undecided``.
    leader : int
        Position of the cell.
    rivals : tuple of int
        Those that it is equivalent to, or that are not decided.
    evidence : float
        The e-value: a wrong claim reaches x with probability 1/x at most.
    seeds : int
        That the leader was trained with.
    seeds_left : float
        Further seeds that would decide, if they go on as they have; NaN where only the time of a step is missing.
    aside : int
        Cells that were set aside after the first seeds.
    step_error : float
        How far the ratio of two steps may be wrong, as a share, where that is what is missing.
    """

    measure: str
    field: str
    outcome: Outcome
    leader: int
    rivals: tuple[int, ...]
    evidence: float
    seeds: int
    seeds_left: float = 0.0
    aside: int = 0
    step_error: float = 0.0


@dataclass(eq=False)
class Race:
    """The rounds of a race; iterate over :meth:`rounds`, and stop whenever you like.

    Parameters
    ----------
    train : Field
        What trains the cells.
    fields : sequence of str
        Each cell's optimizer.
    measures : sequence of Measure
        What is asked.
    alpha : float
        Chance of a wrong claim.
    weigh : callable, optional
        From a measure's name and positions of cells to what their values are multiplied by: seconds of a step.
    widen : callable, optional
        From a leader's position to how many cells like it join at the end of the list, because it lies on the border
        of what is raced.
    spread : callable, optional
        From a measure's name, and positions of a leader and of cells, to how far the logarithms of their ratios may be
        wrong for all seeds alike; exact by default.
    measure : callable, optional
        From positions of cells to whether their steps could be measured again, so that ``spread`` is smaller.

    Attributes
    ----------
    values : dict
        Measure to values, shape (cells, seeds), NaN where a cell was not trained.
    runs : int
        Trained so far.
    """

    train: Field
    fields: Sequence[str]
    measures: Sequence[Measure]
    alpha: float = 0.05
    weigh: Callable[[str, Cells], Array] = lambda name, cells: np.ones(len(cells))
    spread: Callable[[str, int, Cells], Array] = lambda name, leader, cells: np.zeros(len(cells))
    widen: Callable[[int], int] = lambda leader: 0
    measure: Callable[[Cells], bool] = lambda cells: False
    values: dict[str, Array] = field(default_factory=dict)
    seeds: int = 0
    runs: int = 0

    def __post_init__(self) -> None:
        every = np.arange(len(self.fields))
        names = list(dict.fromkeys(self.fields))
        fields = [("", every)] + [(n, every[np.array(self.fields) == n]) for n in names if len(names) > 1]
        self._far = np.zeros(len(self.fields), dtype=bool)
        self.contests = [Contest(m, name, cells, 0.0) for name, cells in fields for m in self.measures]
        self._set_needed(np.full(len(self.contests), -np.inf))
        # As many wins as are enough when half of the contests are decided.
        needed = np.log(EQUALS * min(2, len(self.contests)) / self.alpha)
        self._straight = int(np.argmax(log_wealth(np.arange(200), 0) >= needed))

    def rounds(self, afford: Callable[[], float] = lambda: np.inf, planned: Sequence[int] = ()) -> Iterator[int]:
        """Train round after round until everything is decided, or the budget is spent.

        Parameters
        ----------
        afford : callable
            How many more runs the budget allows, asked before each round.
        planned : sequence of int
            Seeds after each of the first rounds, as they were in a race that was interrupted.

        Yields
        ------
        int
            Seeds after each round: as many as before, where only steps were measured.
        """
        number = 0
        while any((live := self.live(), waiting := self.live("waiting"))):
            runs = 1e12 if number < len(planned) else min(afford(), 1e12)  # at most, a number that is finite
            if runs < max(1, len(live)):
                return
            if waiting and not self.measure(np.array(waiting)):
                for one in self.contests:  # the times are as good as they get: seeds, where any number of them decides
                    one.patience = 1e12
                waiting, live = [], self.live()
            if not (waiting or live):
                return
            upto = max(PILOT + self._straight, int(self.seeds * GROWTH)) if self.seeds else PILOT
            upto = (
                planned[number]
                if number < len(planned)
                else min(upto, self.seeds + int(runs // len(live) if live else 0))
            )
            self._round(np.array(live, dtype=int), range(self.seeds, upto))
            number += 1
            yield upto

    def live(self, what: Literal["needy", "waiting"] = "needy") -> list[int]:
        """Positions of the cells that an open contest needs more seeds of, or a better measured step."""
        if not self.seeds:
            return list(range(len(self.fields))) if what == "needy" else []
        return sorted({int(cell) for one in self.contests for cell in getattr(one, what)})

    def _round(self, live: Cells, new: range) -> None:
        open_now = [one for one in self.contests if not one.decided and (len(new) or len(one.waiting))]
        if len(new):
            self._train(live, new)
        for one in open_now:
            values = self.values_of(one.measure.name, one.cells)
            if new.start:  # else it is the pilot, which only chooses
                one.bet(values, new, self.spread)
            one.lead(values)
        if new.start:
            self._widen()
        else:
            self._set_aside()
        self.seeds = new.stop
        self._set_needed(np.array([one.evidence for one in self.contests]))

    def _set_needed(self, evidence: Array) -> None:
        for one, needed in zip(self.contests, needed_among(evidence, self.alpha), strict=True):
            one.needed = float(needed)

    def _widen(self) -> None:
        """Let cells beyond a border join the contests of their field."""
        for leader in dict.fromkeys(int(one.cells[one.leader]) for one in self.contests):
            added = self.widen(leader)
            joined = np.arange(len(self.fields), len(self.fields) + added)
            self.fields = [*self.fields, *[self.fields[leader]] * added]
            for one in self.contests if added else ():
                if one.field in ("", self.fields[leader]):
                    one.add(joined)

    def _set_aside(self) -> None:
        """Losses first: they tell which of the cells that never arrive are hopeless."""
        for one in sorted(self.contests, key=lambda one: one.measure.name != "loss"):
            values = self.values_of(one.measure.name, one.cells)
            hopeless = self._far[one.cells] if one.measure.name != "loss" else np.ones(len(one.cells), dtype=bool)
            aside = one.set_aside(values, hopeless)
            if one.measure.name == "loss" and not one.field:
                self._far[one.cells] = aside
            one.lead(values)

    def values_of(self, name: str, cells: Cells) -> Array:
        """A measure's values of some cells, shape (cells, seeds)."""
        return self.values[name][cells] * self.weigh(name, cells)[:, None]

    def _train(self, cells: Cells, seeds: range) -> None:
        asked = [one.cells[one.alive] for one in self.contests if one.measure.name == "loss" and not one.decided]
        found = self.train(cells, seeds, np.isin(cells, np.concatenate(asked)) if asked else np.zeros(len(cells), bool))
        for name in (one.name for one in self.measures):
            wide = np.full((len(self.fields), seeds.stop), np.nan)
            old = self.values.get(name)
            if old is not None:
                wide[: len(old), : old.shape[1]] = old
            wide[cells, seeds.start :] = found[name]
            self.values[name] = wide
        self.runs += len(cells) * len(seeds)

    def claims(self) -> list[Claim]:
        """What can be said now, over all contests together.

        Returns
        -------
        list of Claim
            In the order of the contests. Those whose e-values do not stand together are undecided.
        """
        found = []
        for one in self.contests:
            rest = one.rest(claimed=one.decided)
            outcome: Outcome = "undecided" if not one.decided else "equivalent" if len(rest) else "separated"
            leader = int(one.cells[one.leader])
            trained = int((~np.isnan(self.values[one.measure.name][leader])).sum())
            evidence, left = float(np.exp(min(one.evidence, 700.0))), 0.0 if one.decided else one.seeds_left()
            error = float(np.expm1(self.spread(one.measure.name, leader, one.waiting).max(initial=0.0)))
            given = tuple(map(int, rest)), evidence, trained, left, int(one.aside.sum()), error
            found.append(Claim(one.measure.name, one.field, outcome, leader, *given))
        return found
