"""Both laws are exact: by enumeration of all minibatches of a few examples, and by drawing on the data."""

from itertools import combinations, product

import numpy as np
import pytest

from pipeline.contrib.noise.measurement.gradient_noise import (
    BATCH_SIZES,
    example_gradients,
    finite_law,
    independent_law,
    measure_noise,
    problem_of,
    squared_deviations,
)
from pipeline.lab.theory import Problem
from pipeline.measure.table import schema


@pytest.fixture(scope="module")
def few():
    """Gradients of five examples, (n, d)."""
    return np.random.default_rng(0).gamma(1.0, size=(5, 3))


def deviation(gradients, batches):
    full = gradients.mean(axis=0)
    return np.sqrt(np.mean([np.sum((gradients[list(rows)].mean(axis=0) - full) ** 2) for rows in batches]))


@pytest.mark.parametrize("b", [1, 2, 3, 4, 5])
def test_all_subsets_scatter_as_the_finite_law_says(few, b):
    assert finite_law(few, np.array([b]))[0] == pytest.approx(deviation(few, combinations(range(5), b)), abs=1e-12)


@pytest.mark.parametrize("b", [1, 2, 3, 4])
def test_all_sequences_of_draws_scatter_as_the_independent_law_says(few, b):
    assert independent_law(few, np.array([b]))[0] == pytest.approx(deviation(few, product(range(5), repeat=b)))


@pytest.mark.parametrize("sampling", ["with_replacement", "without_replacement"])
@pytest.mark.parametrize("b", [1, 2, 3, 5])
def test_drawn_epochs_have_the_enumerated_mean_square(few, sampling, b):
    squares = squared_deviations(few[None], [b], sampling, epochs=20_000)[b][0]
    batches = product(range(5), repeat=b) if sampling == "with_replacement" else combinations(range(5), b)
    error = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - deviation(few, batches) ** 2) < 5 * error + 1e-15


def test_gradients_are_those_of_half_the_squared_error():
    rng = np.random.default_rng(1)
    X, y, theta = rng.normal(size=(7, 2)), rng.normal(size=7), rng.normal(size=3)
    gradients = example_gradients(Problem.from_data(X, y), theta)
    design = np.column_stack([X, np.ones(7)])
    expected = design * (design @ theta - y)[:, None]
    np.testing.assert_allclose(gradients, expected, atol=1e-12)


def test_a_few_epochs_are_near_the_laws_on_the_twin(dataset):
    table = measure_noise(problem_of(dataset), [1, 10, 100, 750, 1500], epochs=300)
    assert list(table.columns) == schema("gradient_noise").names
    assert (table.ratio.dropna() - 1).abs().max() < 0.15
    full = table[(table.sampling == "without_replacement") & (table.batch_size == 1500)]
    assert (full.ratio_to_independent < 1e-6).all() and full.ratio.isna().all()


def test_batch_sizes_above_the_number_of_examples_are_left_out(few):
    X = np.random.default_rng(2).normal(size=(20, 2))
    table = measure_noise(Problem.from_data(X, X[:, 0] + 1), BATCH_SIZES, epochs=3)
    assert table.batch_size.max() == 20


@pytest.mark.slow
def test_the_laws_hold_on_the_data(real_dataset):
    table = measure_noise(problem_of(real_dataset), BATCH_SIZES, epochs=4000)
    off = (table.ratio - 1).abs()
    assert off[table.sampling == "with_replacement"].max() < 0.03
    assert off[(table.sampling == "without_replacement") & (table.batch_size <= 1400)].max() < 0.05
    full = table[(table.sampling == "without_replacement") & (table.batch_size == 1500)]
    assert (full.ratio_to_independent < 1e-6).all()
