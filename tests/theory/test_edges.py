"""Where the theory's functions end: what they refuse, in full, and the last value that they take."""

import re

import numpy as np
import pytest

from pipeline.lab.theory.curves import expected_loss, learning_rates
from pipeline.lab.theory.dynamics import SGD, Initial, Moments, Rule, noise_factor
from pipeline.lab.theory.problem import Problem
from pipeline.lab.theory.stability import max_stable_lr, noise_floor
from pipeline.lab.theory.symmetric import smat, svec
from pipeline.lab.theory.targets import (
    _steps,
    best_lr,
    best_lr_to_target,
    first_step,
    noise_scale,
    scaling_curve,
    steps_to_target,
)


@pytest.fixture(scope="module")
def problem(skewed):
    return Problem.from_data(*skewed)


def refuses(message, function, *arguments, **keywords):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments, **keywords)


def test_learning_rates_are_one_for_each_step_and_zero_is_the_least():
    assert learning_rates(0, 3).tolist() == [0.0, 0.0, 0.0]
    assert learning_rates(np.array([0.0, 0.5]), 2).tolist() == [0.0, 0.5]
    assert learning_rates(0.5, 2).dtype == learning_rates(np.array([1, 2]), 2).dtype == np.float64
    words = "lr must be a number or an array of length steps = 3; got shape (2,)"
    refuses(words, learning_rates, np.array([0.1, 0.2]), 3)
    for wrong in (-1e-9, np.inf, np.nan, np.array([0.1, -0.1]), np.array([0.1, np.nan])):
        refuses("every lr must be finite and at least 0", learning_rates, wrong, 2)


def test_momentum_is_from_zero_to_below_one():
    assert [Rule(momentum).order(6) for momentum in (0.0, 1e-9, 0.999)] == [7, 13, 13]
    for wrong in (-1e-9, 1.0):
        refuses(f"momentum must be in [0, 1); got {wrong}", Rule, wrong)
    refuses("nesterov needs momentum > 0", Rule, 0.0, nesterov=True)
    assert Rule(1e-9, nesterov=True).nesterov
    assert (SGD.momentum, SGD.nesterov) == (0.0, False)


@pytest.mark.parametrize("sampling", ["with_replacement", "fresh_subset", "without_replacement"])
def test_a_minibatch_is_one_example_at_least_and_without_replacement_all_at_most(sampling):
    assert noise_factor(4, 1, sampling) == 1.0
    refuses("batch_size must be at least 1; got 0", noise_factor, 4, 0, sampling)
    if sampling == "with_replacement":
        assert noise_factor(4, 5, sampling) == 0.2
    else:
        assert noise_factor(4, 4, sampling) == 0.0
        assert noise_factor(4, 2, sampling) == 2 / (2 * 3)
        assert noise_factor(2, 1, sampling) == 1.0
        assert noise_factor(1, 1, sampling) == 0.0
        refuses("batch_size must be at most n = 4 without replacement; got 5", noise_factor, 4, 5, sampling)
    words = "sampling must be with_replacement, fresh_subset or without_replacement; got 'twice'"
    refuses(words, noise_factor, 4, 2, "twice")
    assert noise_factor(4, 2) == 0.5


def test_initial_parameters_have_the_problems_size(problem):
    moments, d = Moments.of(problem, SGD), problem.d
    words = "initial mean and covariance must be (6,) and (6, 6), bias last; got "
    refuses(f"{words}(5,) and (5, 5)", moments.start, Initial.normal(5))
    refuses(f"{words}(6,) and (5, 5)", moments.start, Initial(np.zeros(6), np.zeros((5, 5))))
    refuses(f"{words}(5,) and (6, 6)", moments.start, Initial(np.zeros(5), np.zeros((6, 6))))
    assert Initial.normal(d).covariance.diagonal().tolist() == [0.01**2] * 5 + [0.0]
    exact = Initial.at([1, 2])
    assert (exact.mean.dtype, exact.covariance.tolist()) == (np.float64, [[0.0, 0.0], [0.0, 0.0]])


def test_data_that_have_no_unique_minimum_are_refused_in_full():
    words = "features must be (n, k) and target (n,); got "
    refuses(f"{words}(3,) and (3,)", Problem.from_data, np.zeros(3), np.zeros(3))
    refuses(f"{words}(3, 1) and (2,)", Problem.from_data, np.zeros((3, 1)), np.zeros(2))
    refuses(f"{words}(3, 1) and (3, 1)", Problem.from_data, np.zeros((3, 1)), np.zeros((3, 1)))
    for features, target in (([[1.0], [np.inf]], [0.0, 1.0]), ([[1.0], [2.0]], [0.0, np.nan])):
        refuses("features and target must be finite", Problem.from_data, np.array(features), np.array(target))
    singular = "the Hessian is singular: rank 1 of 2, so no unique minimum"
    refuses(singular, Problem.from_data, np.ones((3, 1)), np.arange(3.0))
    assert Problem.from_data(np.ones((3, 1)), np.arange(3.0), bias=False).minimizer == pytest.approx([1.0])


def test_only_triangular_numbers_are_lengths_of_a_symmetric_matrix():
    for length in (2, 4, 5, 7):
        refuses(f"length {length} is not p (p + 1) / 2 for a whole number p", smat, np.zeros(length))
    for order in (1, 2, 3):
        matrix = np.arange(order**2, dtype=float).reshape(order, order)
        matrix += matrix.T
        assert smat(svec(matrix)) == pytest.approx(matrix)
        assert svec(matrix) @ svec(matrix) == pytest.approx(np.sum(matrix**2))


def test_searches_refuse_what_they_cannot_do_in_full(problem):
    start = Initial.normal(problem.d)
    words = "a search over steps knows with_replacement and fresh_subset; "
    words += "for without_replacement use expected_loss and first_step"
    refuses(words, steps_to_target, problem, start, 0.1, 4, 0.5, sampling="without_replacement")
    refuses(words, best_lr, problem, start, 4, 3, sampling="without_replacement")
    words = "max_stable_lr knows with_replacement and fresh_subset; got without_replacement"
    refuses(words, max_stable_lr, problem, 4, sampling="without_replacement")
    refuses("steps must be at least 1; got 0", best_lr, problem, start, 4, 0)
    assert best_lr(problem, start, 4, 1)[0] > 0


def test_a_target_is_reached_at_its_very_value_and_at_the_first_step_of_several():
    assert first_step(np.array([3.0, 2.0, 1.0, 2.0]), 2.0) == 1.0
    assert first_step(np.array([3.0, 2.0]), 3.0) == 0.0
    assert first_step(np.array([3.0, 2.0]), 1.9) == np.inf


def test_steps_end_at_the_limit_that_was_given(problem):
    start = Initial.normal(problem.d)
    loss = problem.loss(np.zeros(problem.d))
    assert steps_to_target(problem, start, 0.05, 4, 10 * loss) == 0.0
    assert steps_to_target(problem, start, 0.05, 4, problem.minimum) == np.inf
    taken = steps_to_target(problem, start, 0.01, 64, problem.minimum * 1.2)
    assert 1 < taken < np.inf
    assert steps_to_target(problem, start, 0.01, 64, problem.minimum * 1.2, max_steps=int(taken)) == taken
    assert steps_to_target(problem, start, 0.01, 64, problem.minimum * 1.2, max_steps=int(taken) - 1) == np.inf


def test_beyond_the_stable_rate_there_is_no_floor_and_below_it_there_is(problem):
    edge = max_stable_lr(problem, 4)
    assert 0 < noise_floor(problem, 0.99 * edge, 4) < np.inf
    assert noise_floor(problem, 1.01 * edge, 4) == np.inf
    assert noise_floor(problem, 0.1 * edge, problem.n, sampling="fresh_subset") == pytest.approx(0.0, abs=1e-12)
    assert noise_scale(problem, problem.minimizer) == np.inf


@pytest.mark.parametrize("rule", [Rule(0.8), Rule(0.8, nesterov=True)])
def test_searches_and_floors_are_those_of_the_rule_that_was_given(problem, rule):
    start, target = Initial.normal(problem.d), problem.minimum * 1.2
    lr, loss = best_lr(problem, start, 4, 50, rule=rule)
    assert loss == pytest.approx(expected_loss(problem, start, lr, 4, 50, rule=rule).expected[-1])
    curve = expected_loss(problem, start, 0.004, 16, 4000, rule=rule).expected
    assert steps_to_target(problem, start, 0.004, 16, target, rule=rule) == first_step(curve, target)
    settled = expected_loss(problem, Initial.at(problem.minimizer), 0.004, 16, 60_000, rule=rule).expected[-1]
    assert noise_floor(problem, 0.004, 16, rule=rule) == pytest.approx(settled - problem.minimum, rel=1e-4)


def test_a_momentum_of_a_half_may_use_rates_that_plain_descent_may_not(problem):
    """With one step left, the best rate of the flattest direction is beyond 1 / lambda_min only where momentum is."""
    flat = Initial.at(problem.minimizer + np.linalg.eigh(problem.hessian)[1][:, 0])
    exact = {"sampling": "fresh_subset"}
    assert best_lr(problem, flat, problem.n, 1, **exact)[0] == pytest.approx(1 / problem.eigenvalues[0], rel=1e-3)
    nesterov = best_lr(problem, flat, problem.n, 1, rule=Rule(0.5, nesterov=True), **exact)[0]
    assert nesterov == pytest.approx(1 / 1.5 / problem.eigenvalues[0], rel=1e-3)


@pytest.mark.slow
def test_a_scaling_curve_is_the_best_rate_of_each_size_for_its_sampling_and_rule(problem):
    start, target, rule = Initial.normal(problem.d), problem.minimum * 1.2, Rule(0.5)
    for options in ({"sampling": "fresh_subset"}, {"rule": rule}, {"sampling": "fresh_subset", "rule": rule}):
        (lr,), (steps,) = scaling_curve(problem, start, [200], target, **options)
        assert (lr, steps) == best_lr_to_target(problem, start, 200, target, **options)
        assert (lr, steps) != best_lr_to_target(problem, start, 200, target)


def test_a_subset_has_less_noise_than_as_many_draws(problem):
    start, target = Initial.normal(problem.d), problem.minimum * 1.02
    curve = expected_loss(problem, start, 0.3, 250, 200, sampling="fresh_subset").expected
    steps = steps_to_target(problem, start, 0.3, 250, target, sampling="fresh_subset")
    assert steps == first_step(curve, target) < steps_to_target(problem, start, 0.3, 250, target)


def test_the_noise_scale_is_defined_as_near_the_minimum_as_one_likes(problem):
    near = problem.minimizer + 1e-3
    squared = np.sum((problem.hessian @ np.full(problem.d, 1e-3)) ** 2)
    assert noise_scale(problem, near) == pytest.approx(np.trace(problem.gradient_covariance(near)) / squared)


def test_a_target_between_two_steps_is_reached_in_between(problem):
    """Interpolated in the logarithm of the excess loss, in the first block of steps and in a later one."""
    start = Initial.normal(problem.d)
    for step in (1, 7, 256, 257, 300):
        curve = expected_loss(problem, start, 0.002, 64, step).expected - problem.minimum
        between = problem.minimum + np.sqrt(curve[-1] * curve[-2])
        found = best_steps(problem, start, 0.002, 64, between)
        assert found == pytest.approx(step - 0.5, abs=1e-6)


def best_steps(problem, start, lr, batch_size, target):
    moments = Moments.of(problem, SGD)
    operator = moments.operator(lr, noise_factor(problem.n, batch_size))
    return _steps(moments, moments.start(start), operator, target, 1e6)
