"""The fit finds the hyperbola, runs go where gradient descent goes, and the scale is the theory's."""

import numpy as np
import pytest

from pipeline.contrib.noise.measurement.gradient_noise import problem_of
from pipeline.contrib.noise.measurement.noise_scale import (
    RUNS,
    Run,
    along_training,
    fit_hyperbola,
    follow,
    twice_perfect,
    where_it_stops_paying,
    with_excess,
)
from pipeline.lab.theory import Initial, full_batch_loss, noise_scale
from pipeline.measure.table import schema


@pytest.fixture(scope="module")
def problem(dataset):
    return problem_of(dataset)


def test_the_fit_recovers_a_hyperbola_for_many_samples_at_once():
    b = np.array([[1.0, 4.0, 16.0, 64.0], [2.0, 8.0, 32.0, 512.0]])
    steps, examples = fit_hyperbola(b, 3.0 + 200.0 / b)
    np.testing.assert_allclose(steps, 3.0)
    np.testing.assert_allclose(examples, 200.0)


def test_a_resample_of_one_batch_size_fixes_nothing_and_stops_nothing():
    steps, examples = fit_hyperbola(np.full(3, 4.0), np.full(3, 7.0))
    assert not (np.isfinite(steps) and np.isfinite(examples) and steps > 0 and examples > 0)


def test_twice_perfect_scaling_is_read_between_the_points():
    b = 2.0 ** np.arange(15)
    assert twice_perfect(b, 5 + 1000 / b) == pytest.approx(200, rel=0.05)
    assert twice_perfect(b, 1000 / b) == float("inf")


def test_gradient_descent_follows_theory(problem):
    steps, thetas = follow(problem, Run("gd", None, 0.5, 5, 1), seed=3)
    assert steps.tolist() == [0, 1, 2, 3, 4, 5]
    losses = [problem.loss(theta) for theta in thetas]
    np.testing.assert_allclose(losses, full_batch_loss(problem, Initial.at(thetas[0]), 0.5, 5), rtol=1e-10)


def test_the_scale_starts_at_theorys_and_grows(problem):
    table = along_training(problem, RUNS, seeds=3)
    start = table[table.examples == 0]
    assert start.value.to_numpy() == pytest.approx(noise_scale(problem, np.zeros(problem.d)), rel=0.05)
    gd = table[table.run == RUNS[1].name]
    assert (np.diff(gd.value) > 0).all()
    assert ((table.low <= table.value) & (table.value <= table.high)).all()


def test_larger_batches_stop_paying_later_for_a_closer_target(problem):
    table = with_excess([where_it_stops_paying(problem, [1, 4, 16, 64, 256, 1024], [0.03, 0.01])], problem.minimum)
    critical = table[table.kind == "critical"]
    assert set(table.columns) <= set(schema("noise_scale").names)
    assert critical.value.is_monotonic_increasing
    assert critical.read_off.to_numpy() == pytest.approx(critical.value.to_numpy(), rel=0.2)
    steps = table[table.kind == "steps"]
    assert (steps.fitted / steps.value - 1).abs().max() < 0.1
