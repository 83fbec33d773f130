"""A race says which cell is best only where it is, and says so soon."""

import numpy as np
import pytest

from pipeline.analysis.compare import probability_better
from pipeline.answer.contest import Measure, distance, needed_among
from pipeline.answer.costs import StepTimes
from pipeline.answer.race import PILOT, Race
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell

from .worlds import world

MARGIN = 0.05
KINDS = [Cell(compose_cell([f"batch_size={b}"])) for b in (1, 10, 100, 1000)]


def raced(where, per_cell, look=lambda claim: None):
    """Race a world with so many runs per cell; look at the claim after each round."""
    cells = len(where.levels)
    measure = Measure("steps", MARGIN)
    race = Race(lambda some, seeds, whole: {"steps": where.draw(some, seeds)}, [""] * cells, [measure])
    for _ in race.rounds(lambda: per_cell * cells - race.runs):
        look(race.claims()[0])
    return race, race.claims()[0]


def is_wrong(where, claim):
    if claim.outcome == "separated":
        return not where.is_best(claim.leader)
    return claim.outcome == "equivalent" and not all(
        where.is_equivalent(claim.leader, one, MARGIN) for one in claim.rivals
    )


@pytest.mark.slow
def test_claims_are_right_whenever_the_race_is_stopped_and_twice_as_many_as_a_grids():
    """400 problems: flat, steep, ties, equals, heavy tails, divergence, skew, coarse costs."""
    wrong = {"separated": 0, "equivalent": 0}
    decided = {"race": 0, "grid": 0}
    for entropy in range(400):
        where = world(entropy)
        seen = set()
        race, claim = raced(where, 10, lambda claim, w=where, s=seen: s.add(claim.outcome) if is_wrong(w, claim) else 0)
        for outcome in seen:
            wrong[outcome] += 1
        cells = len(where.levels)
        assert race.runs <= 10 * cells
        decided["race"] += claim.outcome != "undecided"
        grid = where.draw(np.arange(cells), range(10))
        first, second = np.argsort(np.median(grid, axis=1))[:2]
        decided["grid"] += probability_better(grid[first], grid[second]).low > 0.5
    assert wrong["separated"] <= 20
    assert wrong["equivalent"] <= 20
    assert decided["grid"] <= decided["race"] / 2


@pytest.mark.slow
def test_claims_stay_right_in_races_that_go_on():
    outcomes, wrong = [], 0
    for entropy in range(200):
        where, seen = world(entropy), []
        _, claim = raced(where, 60, lambda claim, w=where, s=seen: s.append(is_wrong(w, claim)))
        wrong += any(seen)
        outcomes.append(claim.outcome)
    assert wrong <= 10
    assert outcomes.count("undecided") < 120


def test_a_clear_leader_is_separated_with_few_runs():
    where = world(1)  # steep
    where.levels[:] = np.arange(len(where.levels))
    race, claim = raced(where, 100)
    assert (claim.outcome, claim.leader) == ("separated", 0)
    assert claim.aside >= 30
    assert race.runs < 10 * len(where.levels)


def test_cells_with_the_same_costs_are_equivalent_and_never_separated():
    where = world(3)
    where.levels[:3], where.levels[3:], where.scale = 0, 5, 0.01
    _, claim = raced(where, 1000)
    assert claim.outcome == "equivalent"
    assert sorted([claim.leader, *claim.rivals]) == [0, 1, 2]


def test_an_undecided_race_says_how_many_seeds_would_decide():
    where = world(0)
    where.levels[:2], where.levels[2:], where.scale = (0, 0.06), 5, 0.3
    _, claim = raced(where, 4)
    assert claim.outcome == "undecided"
    assert 1 < claim.seeds_left < 10_000


def test_the_first_seeds_only_choose():
    where = world(1)
    race, claim = raced(where, PILOT)
    assert race.seeds == PILOT
    assert claim.outcome == "undecided"


def test_runs_that_never_arrive_are_equal_and_behind_all_others():
    values = np.array([[10.0, np.inf], [np.inf, np.inf], [10.0, 30.0]])
    apart = distance(Measure("steps", 0.05), values, values[0])
    assert apart.tolist() == [[0, 0], [np.inf, 0], [0, -np.inf]]


def test_a_cell_that_is_set_aside_by_its_cost_alone_is_not_one_that_never_arrives():
    levels = np.array([[1.0, 1.1, 1.2], [1.1, 1.0, 1.3], [1.2, 1.15, 1.1], [1.1, 1.3, 1.2], [1.2, 1.2, 1.3]])
    costs = levels.copy()
    costs[4] = np.inf

    def train(cells, seeds, whole):
        return {"loss": levels[cells], "steps": costs[cells]}

    race = Race(train, [""] * 5, [Measure("loss", 0.001), Measure("steps", 0.05)])
    next(race.rounds())
    assert not any(one.aside.any() for one in race.contests)


@pytest.mark.parametrize(
    ("e", "stand"), [([50, 31, 3], [1, 1, 0]), ([50, 21, 3], [0, 0, 0]), ([20, 20, 20], [1, 1, 1])]
)
def test_claims_stand_together(e, stand):
    found = np.log(np.array(e, dtype=float))
    assert (found >= needed_among(found, 0.05) - 1e-9).tolist() == [bool(one) for one in stand]


@pytest.mark.slow
def test_of_many_contests_without_a_best_few_claims_are_made():
    """All cells are equal, in 20 contests at once: any claim of one that is separated is wrong."""
    wrong = 0
    for entropy in range(60):
        rng = np.random.default_rng(entropy)
        measures = [Measure(f"m{i}", 0.0) for i in range(20)]

        def train(cells, seeds, whole, rng=rng, measures=measures):
            return {one.name: rng.random((len(cells), len(seeds))) for one in measures}

        race = Race(train, [""] * 4, measures)
        for _ in race.rounds(lambda race=race: 200 - race.runs):
            pass
        wrong += any(claim.outcome != "undecided" for claim in race.claims())
    assert wrong <= 3


class Clocked:
    """Cells with the same number of steps, up to noise, whose steps take a time that is measured with an error."""

    def __init__(self, levels, entropy, noise=0.02, error=0.05):
        self.levels, self.entropy, self.noise, self.error = np.array(levels), entropy, noise, error
        self.random = np.random.default_rng(entropy)
        self.truth = np.exp(self.random.normal(0, 0.5, len(levels)))
        self.times, self.measured = StepTimes(), []
        self.time(range(len(levels)), 5)

    def time(self, cells, sweeps):
        slow = np.log(2) * (self.random.random(sweeps) < 0.3)  # the machine, for a whole sweep
        for_each = {StepTimes.kind(KINDS[i]): self.truth[i] for i in cells}
        noise = self.error * self.random.normal(size=(len(for_each), sweeps))
        self.times.add(dict(zip(for_each, np.array([*for_each.values()])[:, None] * np.exp(noise + slow), strict=True)))

    def train(self, cells, seeds, whole):
        drawn = np.array([np.random.default_rng([self.entropy, seed]).normal(size=len(self.levels)) for seed in seeds])
        return {"seconds": (np.exp(self.levels + self.noise * drawn) / self.truth).T[cells]}

    def spread(self, name, leader, cells):
        return self.times.spread(KINDS[leader], [KINDS[i] for i in cells])

    def measure(self, cells):
        self.measured.append(len(cells))
        self.time(cells, min(self.times.count(KINDS[i]) for i in cells))
        return len(self.measured) < 9

    def race(self, runs=4000, **given):
        measure = Measure("seconds", MARGIN)
        weigh = lambda name, cells: np.array([self.times.seconds(KINDS[i]) for i in cells])  # noqa: E731
        race = Race(self.train, [""] * len(self.levels), [measure], weigh=weigh, spread=self.spread, **given)
        for _ in race.rounds(lambda: runs - race.runs):
            pass
        return race, race.claims()[0]


def test_where_only_the_time_of_a_step_is_uncertain_it_is_measured_again_and_no_seeds_are_added():
    where = Clocked([0, 0.01, 1, 1.2], entropy=0)
    race, claim = where.race(measure=where.measure)
    assert (claim.outcome, {claim.leader, *claim.rivals}) == ("equivalent", {0, 1})
    assert len(where.measured) >= 3
    assert race.runs < 400


def test_what_cannot_be_measured_again_is_open_and_says_how_well_it_is_known():
    race, claim = Clocked([0, 0.01, 1, 1.2], entropy=0).race()
    assert (claim.outcome, race.runs < 400) == ("undecided", True)
    assert np.isnan(claim.seeds_left)
    assert MARGIN < claim.step_error < 1


def test_measurements_wait_for_seeds_where_those_are_missing():
    where = Clocked([0, 0.02, 1, 1], entropy=1, noise=0.5, error=1e-4)
    race, claim = where.race(runs=1000, measure=where.measure)
    assert not where.measured
    assert race.runs > 700


@pytest.mark.slow
def test_claims_about_seconds_are_right_though_the_time_of_a_step_has_an_error():
    wrong, outcomes = 0, []
    for entropy in range(100):
        levels = [0, (0, 0.01, 0.04, 0.06, 0.1)[entropy % 5], 1]
        where = Clocked(levels, entropy, error=(0.05, 0.3)[entropy % 2])
        _, claim = where.race(measure=where.measure)
        outcomes.append(claim.outcome)
        if claim.outcome == "separated":
            wrong += claim.leader != 0 or levels[1] == 0
        elif claim.outcome == "equivalent":
            wrong += abs(levels[claim.leader] - levels[claim.rivals[0]]) > MARGIN
    assert wrong <= 5
    assert outcomes.count("undecided") < 60


def test_a_cell_that_joins_at_a_border_is_raced_from_then_on():
    def train(cells, seeds, whole):
        noise = np.array([np.random.default_rng(seed).normal(size=6) for seed in seeds]).T
        return {"loss": (np.array([5.0, 4, 3, 2, 1, 0.5])[:, None] + 0.1 * noise)[cells]}

    asked = []
    race = Race(train, ["a"] * 5, [Measure("loss", 0.001)], widen=lambda leader: asked.append(leader) or leader == 4)
    for _ in race.rounds():
        pass
    (claim,) = race.claims()
    assert (claim.leader, claim.outcome) == (5, "separated")
    assert np.isnan(race.values["loss"][5, :PILOT]).all()
