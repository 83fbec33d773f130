"""A race says which cell is best only where it is, and says so soon."""

import numpy as np
import pytest

from pipeline.analysis.compare import probability_better
from pipeline.answer.contest import Measure, distance, needed_among
from pipeline.answer.race import PILOT, Race

from .worlds import world

MARGIN = 0.05


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
