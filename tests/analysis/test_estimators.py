"""Each estimator against a slow twin that is plainly right."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.analysis.bootstrap import (
    bootstrap_medians,
    median_interval,
    percentile_interval,
    seed_draws,
)
from pipeline.analysis.compare import probability_better
from pipeline.analysis.lr_scaling import fit_line
from pipeline.analysis.tuning import expected_minimum

losses = st.lists(st.floats(0, 10) | st.just(math.inf), min_size=1, max_size=12)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6))
def test_the_expected_minimum_is_the_mean_over_all_draws(values):
    expected = [np.mean([min(draw) for draw in itertools.combinations(values, k)]) for k in range(1, len(values) + 1)]
    assert expected_minimum(np.array(values)) == pytest.approx(expected, abs=1e-12)


def test_the_expected_minimum_falls_with_the_trials_to_the_minimum():
    values = np.random.default_rng(0).normal(size=(78, 3))
    curve = expected_minimum(values)
    assert (np.diff(curve, axis=0) <= 1e-12).all()
    assert curve[0] == pytest.approx(values.mean(axis=0))
    assert curve[-1] == pytest.approx(values.min(axis=0))


@given(losses, st.data())
def test_the_probability_is_the_share_of_the_paired_seeds(a, data):
    b = data.draw(st.lists(st.floats(0, 10) | st.just(math.inf), min_size=len(a), max_size=len(a)))
    wins = sum(1.0 if x < y else 0.5 if x == y else 0.0 for x, y in zip(a, b, strict=True))
    found = probability_better(np.array(a), np.array(b))
    assert found.probability == wins / len(a)
    assert 0 <= found.low <= found.probability <= found.high <= 1
    other = probability_better(np.array(b), np.array(a))
    assert (other.low, other.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)
    assert other.ranked == found.ranked


def test_the_interval_of_the_probability_is_clopper_and_pearsons():
    from scipy.stats import binomtest

    for n, wins in [(10, 8), (10, 9), (20, 3), (5, 5), (6, 0)]:
        found = probability_better(np.where(np.arange(n) < wins, 0.0, 1.0), np.full(n, 0.5))
        exact = binomtest(wins, n).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(("n", "wins", "ranked"), [(5, 5, False), (6, 6, True), (10, 8, False), (10, 9, True)])
def test_how_many_seeds_it_takes_to_rank(n, wins, ranked):
    a = np.where(np.arange(n) < wins, 0.0, 1.0)
    assert probability_better(a, np.full(n, 0.5)).ranked is ranked


def test_seeds_that_are_not_paired_are_refused():
    with pytest.raises(ValueError, match="same seeds"):
        probability_better(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="at least one"):
        probability_better(np.zeros(0), np.zeros(0))


@given(st.integers(1, 9), st.data())
def test_bootstrap_medians_are_medians_of_the_draws(seeds, data):
    values = np.array([data.draw(st.lists(st.floats(0, 9) | st.just(math.inf), min_size=seeds, max_size=seeds))] * 2)
    values[1] = values[1, ::-1]
    draws = seed_draws(seeds, resamples=20)
    found = bootstrap_medians(values, draws)
    expected = [[np.median(row[draw]) for draw in draws] for row in values]
    assert np.array_equal(found, expected)


def test_bootstrap_draws_are_the_same_for_all_cells_and_always():
    assert np.array_equal(seed_draws(10), seed_draws(10))
    values = np.random.default_rng(1).normal(size=10)
    first, second = bootstrap_medians(np.stack([values, values + 1]), seed_draws(10))
    assert second == pytest.approx(first + 1), "differences keep their pairing"


def test_the_intervals_of_a_median_cover_it():
    generator = np.random.default_rng(2)
    samples = generator.exponential(size=(400, 10))
    low, high = median_interval(samples)
    covered = ((low <= math.log(2)) & (math.log(2) <= high)).mean()
    assert covered > 0.95  # 97.9 % exactly
    low, high = percentile_interval(bootstrap_medians(samples, seed_draws(10, 400)))
    assert 0.88 < ((low <= math.log(2)) & (math.log(2) <= high)).mean() < 0.99


def test_the_interval_of_a_median_takes_infinite_values_as_they_are():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, np.inf, np.inf, np.inf])
    assert median_interval(values) == (2.0, np.inf)
    assert median_interval(np.full(10, np.inf)) == (np.inf, np.inf)
    assert median_interval(np.array([1.0, 2.0, 3.0])) == (1.0, 3.0), "three values: the whole range"


def test_a_line_is_fitted_to_each_column():
    x = np.array([0.0, 1.0, 3.0, 5.0])
    slope, intercept = fit_line(x, np.column_stack([2 * x + 1, -x]))
    assert slope == pytest.approx([2, -1]) and intercept == pytest.approx([1, 0])
    y = np.random.default_rng(3).normal(size=4)
    assert fit_line(x, y) == pytest.approx(np.polyfit(x, y, 1))
    assert np.isnan(fit_line(x[:2], y[:2])[0])
