"""Stability limits, noise floors, best learning rates and steps to a target, against the recursion they summarise."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from pipeline.lab.theory import (
    Initial,
    Problem,
    Rule,
    best_lr,
    best_lr_to_target,
    expected_loss,
    first_step,
    max_stable_lr,
    noise_floor,
    scaling_curve,
    steps_to_target,
)
from pipeline.lab.theory.dynamics import Moments
from pipeline.lab.theory.stability import spectral_radius

from .reference import simulate


@pytest.fixture(scope="module")
def problem(skewed):
    return Problem.from_data(*skewed)


@pytest.fixture(scope="module")
def start():
    return Initial.normal(6)


@pytest.mark.parametrize("batch_size", [1, 4, 30, 300])
def test_closed_form_limit_is_where_the_spectral_radius_is_1(problem, batch_size):
    limit, moments = max_stable_lr(problem, batch_size), Moments.of(problem)
    root = brentq(lambda lr: spectral_radius(moments, lr, 1 / batch_size) - 1, 0.5 * limit, 2 * limit, xtol=1e-12)
    assert limit == pytest.approx(root, rel=1e-9)
    assert spectral_radius(moments, 0.3 * limit, 1 / batch_size) < 1


def test_limit_of_a_large_batch_is_that_of_full_batch(problem):
    assert max_stable_lr(problem, math.inf) == pytest.approx(problem.max_stable_lr_full_batch, rel=1e-12)
    assert max_stable_lr(problem, 300, sampling="fresh_subset") == pytest.approx(
        problem.max_stable_lr_full_batch, rel=1e-12
    )
    limits = [max_stable_lr(problem, b) for b in (1, 2, 8, 64, 10_000)]
    assert limits == sorted(limits)


def test_limit_on_normal_whitened_data_is_the_formula():
    """2 b / (b + d + 1) without bias; sampled moments of 400,000 rows are within a few per cent."""
    rng = np.random.default_rng(0)
    problem = Problem.from_data(rng.normal(size=(400_000, 3)), rng.normal(size=400_000), bias=False)
    for b in (1, 4, 16):
        assert max_stable_lr(problem, b) == pytest.approx(2 * b / (b + 3 + 1), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [Rule(), Rule(0.9), Rule(0.9, nesterov=True)])
def test_below_the_limit_the_loss_settles_and_above_it_grows(problem, rule):
    limit = max_stable_lr(problem, 4, rule=rule)
    below, above = (
        expected_loss(problem, Initial.at(problem.minimizer), factor * limit, 4, 100_000, rule=rule).expected[-1]
        for factor in (0.98, 1.02)
    )
    assert below == pytest.approx(problem.minimum + noise_floor(problem, 0.98 * limit, 4, rule=rule), rel=1e-3)
    assert above > 1e6 * below
    assert noise_floor(problem, 1.02 * limit, 4, rule=rule) == math.inf


def test_full_batch_heavy_ball_limit_is_polyaks(problem):
    limit = max_stable_lr(problem, math.inf, rule=Rule(0.9))
    assert limit == pytest.approx(2 * 1.9 / problem.eigenvalues[-1], rel=1e-6)
    nesterov = max_stable_lr(problem, math.inf, rule=Rule(0.9, nesterov=True))
    assert nesterov == pytest.approx(2 * 1.9 / (2.8 * problem.eigenvalues[-1]), rel=1e-6)


def test_noise_floor_is_proportional_to_lr_over_b_when_small(problem):
    floor = noise_floor(problem, 1e-5, 2)
    residual, design = problem.rows[:, 0], problem.rows[:, 1:]
    expected = 1e-5 / 2 / 4 * np.mean(residual**2 * np.sum(design**2, axis=1))
    assert floor == pytest.approx(expected, rel=1e-3)


def test_stationary_losses_on_airfoil(airfoil):
    problem = Problem.from_data(*airfoil)
    for lr, b, expected in [(0.005, 1, 0.24583), (0.4, 100, 0.24630), (0.05, 10, 0.24596)]:
        assert problem.minimum + noise_floor(problem, lr, b) == pytest.approx(expected, abs=5.1e-6)


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 200), (16, 50), (300, 10)])
def test_best_lr_beats_its_neighbours(problem, start, batch_size, steps):
    lr, loss = best_lr(problem, start, batch_size, steps)
    losses = [expected_loss(problem, start, lr * f, batch_size, steps).expected[-1] for f in (1, 0.97, 1.03, 0.3, 2)]
    assert loss == pytest.approx(losses[0], rel=1e-10)
    assert loss < min(losses[1:])


def test_best_lr_for_one_step_is_the_quadratics_minimum(problem, start):
    values = expected_loss(problem, start, 0.0, 3, 1).expected[-1]
    at = [values, *(expected_loss(problem, start, lr, 3, 1).expected[-1] for lr in (0.1, 0.2))]
    curvature = (at[2] - 2 * at[1] + at[0]) / 0.01
    slope = (at[1] - at[0]) / 0.1 - curvature * 0.05
    assert best_lr(problem, start, 3, 1)[0] == pytest.approx(-slope / curvature, rel=1e-3)


def test_steps_to_target_is_the_first_step_of_the_curve(problem, start):
    curve = expected_loss(problem, start, 0.02, 4, 3000).expected
    for target in np.quantile(curve, [0.05, 0.3, 0.9]):
        assert steps_to_target(problem, start, 0.02, 4, target) == first_step(curve, target)
    assert steps_to_target(problem, start, 0.02, 4, curve[0] + 1) == 0
    assert first_step(curve, 0.0) == math.inf


def test_a_target_out_of_reach_takes_for_ever(problem, start):
    floor = problem.minimum + noise_floor(problem, 0.02, 4)
    assert steps_to_target(problem, start, 0.02, 4, floor * 0.999) == math.inf
    assert steps_to_target(problem, start, 0.02, 4, problem.minimum) == math.inf
    assert steps_to_target(problem, start, 3.0, 4, problem.minimum * 1.01) == math.inf
    assert steps_to_target(problem, start, 1e-6, 4, floor * 1.01, max_steps=100) == math.inf
    assert math.isnan(best_lr_to_target(problem, start, 4, problem.minimum)[0])


def test_a_target_passed_before_divergence_counts(problem, start):
    lr = 1.01 * problem.max_stable_lr_full_batch
    curve = expected_loss(problem, start, lr, 300, 400, sampling="fresh_subset").expected
    assert curve[-1] > curve[5]
    assert steps_to_target(problem, start, lr, 300, curve[5], sampling="fresh_subset") <= 5


def test_scaling_is_perfect_at_small_batches_and_saturates(problem, start):
    target = problem.minimum * 1.2
    lrs, steps = scaling_curve(problem, start, [1, 2, 64, 128, 4096, 8192], target)
    assert steps[0] / steps[1] == pytest.approx(2, rel=0.05)
    assert steps[4] / steps[5] == pytest.approx(1, rel=0.05)
    assert (np.diff(lrs) > 0).all()
    for b, lr, count in zip([1, 64], lrs[[0, 2]], steps[[0, 2]], strict=True):
        assert steps_to_target(problem, start, float(lr), b, target) == np.ceil(count)


def test_expected_loss_reaches_the_target_when_simulation_does(skewed, problem, start):
    target = problem.minimum * 1.1
    lr, steps = best_lr_to_target(problem, start, 8, target)
    at = list(range(int(2 * steps)))
    losses = simulate(*skewed, np.full(at[-1], lr), 8, 4000, at).mean(axis=1)
    assert first_step(losses, target) == pytest.approx(steps, rel=0.1, abs=1)


def test_search_refuses_the_sampling_it_cannot_do(problem, start):
    with pytest.raises(ValueError, match="first_step"):
        steps_to_target(problem, start, 0.1, 4, 0.5, sampling="without_replacement")
    with pytest.raises(ValueError, match="without_replacement"):
        max_stable_lr(problem, 4, sampling="without_replacement")
    with pytest.raises(ValueError, match="steps"):
        best_lr(problem, start, 4, 0)
