"""Where the theory's functions end: what they refuse, in full, and the last value that they take."""

import re

import numpy as np
import pytest

from pipeline.theory.curves import learning_rates
from pipeline.theory.dynamics import SGD, Initial, Moments, Rule, noise_factor
from pipeline.theory.problem import Problem
from pipeline.theory.stability import max_stable_lr, noise_floor
from pipeline.theory.symmetric import smat, svec
from pipeline.theory.targets import best_lr, first_step, noise_scale, steps_to_target


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
