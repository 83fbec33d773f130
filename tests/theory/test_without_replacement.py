"""One permutation an epoch: how near the approximation is to enumeration and simulation, and its exact limits."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.lab.theory import Initial, Problem, Rule, expected_loss, full_batch_loss, noise_floor

from .reference import enumerate_runs, epochs_without_replacement, simulate

FIVE = np.array([[0.3], [-1.7], [2.2], [0.5], [-0.6]]), np.array([1.0, -0.4, 0.9, 2.0, -1.1])
THETA = np.array([0.2, -0.5])


def errors(batch_size, lr, sampling, epochs=1, rule=None):
    """Largest deviation from the mean over every permutation of five examples."""
    rule = rule or Rule()
    exact = enumerate_runs(*FIVE, epochs_without_replacement(5, batch_size, epochs), lr, THETA, momentum=rule.momentum)
    curve = expected_loss(
        Problem.from_data(*FIVE), Initial.at(THETA), lr, batch_size, len(exact) - 1, sampling=sampling, rule=rule
    )
    return np.abs(curve.expected - exact).max()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_error_in_an_epoch_is_of_third_order_in_lr_where_independent_steps_err_in_second(batch_size):
    coarse, fine = (errors(batch_size, lr, "without_replacement") for lr in (0.004, 0.002))
    independent = [errors(batch_size, lr, "fresh_subset") for lr in (0.004, 0.002)]
    assert coarse / fine > 7  # 8 as lr -> 0
    assert independent[0] / independent[1] < 5  # 4
    assert fine < 0.05 * independent[1]


@pytest.mark.slow
def test_a_second_epoch_starts_afresh():
    coarse, fine = (errors(2, lr, "without_replacement", epochs=2) for lr in (0.004, 0.002))
    assert coarse / fine > 7


def test_momentum_is_of_third_order_too():
    rule = Rule(0.5)
    coarse, fine = (errors(2, lr, "without_replacement", rule=rule) for lr in (0.02, 0.01))
    assert coarse / fine > 7


def test_one_step_is_exact():
    """The first minibatch of an epoch is a fresh subset, whatever follows."""
    problem = Problem.from_data(*FIVE)
    options = {"initial": Initial.at(THETA), "lr": 0.3, "batch_size": 2, "steps": 1}
    np.testing.assert_allclose(
        expected_loss(problem, sampling="without_replacement", **options).expected,
        expected_loss(problem, sampling="fresh_subset", **options).expected,
        rtol=1e-13,
    )


@pytest.mark.parametrize("rule", [Rule(), Rule(0.9)])
def test_a_batch_of_all_examples_is_full_batch(skewed, rule):
    problem, initial = Problem.from_data(*skewed), Initial.normal(6)
    curve = expected_loss(problem, initial, 0.3, problem.n, 25, sampling="without_replacement", rule=rule)
    np.testing.assert_allclose(curve.expected, full_batch_loss(problem, initial, 0.3, 25, rule=rule), rtol=1e-11)


@pytest.mark.parametrize(("batch_size", "lr", "epochs"), [(1, 0.01, 2), (8, 0.1, 3), (32, 0.1, 4), (100, 0.3, 6)])
def test_within_three_percent_of_simulation_plus_its_noise(skewed, batch_size, lr, epochs):
    """32 does not divide 300: the short last minibatch is part of the test."""
    problem = Problem.from_data(*skewed)
    per_epoch = -(-300 // batch_size)
    at = [per_epoch // 2, per_epoch, per_epoch + 1, epochs * per_epoch]
    losses = simulate(*skewed, np.full(at[-1], lr), batch_size, 4000, at, shuffle=True) - problem.minimum
    mean, noise = losses.mean(axis=1), losses.std(axis=1) / np.sqrt(4000)
    options = {"initial": Initial.normal(6), "lr": lr, "batch_size": batch_size, "steps": at[-1]}
    theory = expected_loss(problem, sampling="without_replacement", **options).expected[at] - problem.minimum
    np.testing.assert_array_less(np.abs(theory - mean), 0.03 * mean + 4 * noise)


def test_treating_steps_as_independent_would_miss_the_simulation(skewed):
    """The reason for the approximation: the finite-population factor alone is far off at the end of an epoch."""
    problem, steps = Problem.from_data(*skewed), 90
    losses = simulate(*skewed, np.full(steps, 0.05), 10, 4000, [steps], shuffle=True) - problem.minimum
    independent = expected_loss(problem, Initial.normal(6), 0.05, 10, steps, sampling="fresh_subset").expected[-1]
    assert independent - problem.minimum > losses.mean() * 1.1


def test_schedule_and_constant_agree(skewed):
    problem, initial = Problem.from_data(*skewed), Initial.normal(6)
    constant = expected_loss(problem, initial, 0.05, 50, 12, sampling="without_replacement").expected
    changing = np.full(12, 0.05) * (1 + 1e-15 * (np.arange(12) % 2))
    other = expected_loss(problem, initial, changing, 50, 12, sampling="without_replacement").expected
    np.testing.assert_allclose(other, constant, rtol=1e-11)


def test_noise_floor_is_where_a_long_curve_settles(skewed):
    problem = Problem.from_data(*skewed)
    floor = noise_floor(problem, 0.2, 50, sampling="without_replacement")
    start = Initial.at(problem.minimizer)
    curve = expected_loss(problem, start, 0.2, 50, 6 * 1500, sampling="without_replacement")
    assert curve.expected[-1] - problem.minimum == pytest.approx(floor, rel=1e-4)
    assert floor < 0.6 * noise_floor(problem, 0.2, 50)
    assert noise_floor(problem, 0.2, 300, sampling="without_replacement") == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("batch_size", "lr", "steps", "simulated", "error"),
    [(1, 0.005, 3000, 0.003184, 1.8e-5), (10, 0.05, 300, 0.003302, 1.2e-5), (100, 0.4, 30, 0.003737, 1.7e-5)],
)
def test_the_textbook_runs_on_airfoil_within_two_percent(airfoil, batch_size, lr, steps, simulated, error):
    """Excess loss of 16,000 to 40,000 simulated runs, and its standard error."""
    problem = Problem.from_data(*airfoil)
    curve = expected_loss(problem, Initial.normal(6), lr, batch_size, steps, sampling="without_replacement")
    assert curve.expected[-1] - problem.minimum == pytest.approx(simulated, abs=0.02 * simulated + 2 * error)


def test_a_batch_larger_than_the_data_is_refused(skewed):
    with pytest.raises(ValueError, match="at most n = 300"):
        expected_loss(Problem.from_data(*skewed), Initial.normal(6), 0.1, 301, 3, sampling="without_replacement")


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_the_second_step_is_exact_but_for_one_assumption(batch_size):
    """That the second minibatch's squared noise does not depend on the first; its mean does, and is -q / M.

    Over every first minibatch of seven examples: the mean of the second from what is left, its noise as if drawn anew.
    """
    features, target = np.append(FIVE[0], [[1.4], [-2.5]], axis=0), np.append(FIVE[1], [0.6, 2.4])
    problem, lr = Problem.from_data(features, target), 0.2
    design = np.column_stack([features, np.ones(7)])
    minimizer = np.linalg.lstsq(design, target, rcond=None)[0]

    def step(chosen, error):
        rows = design[list(chosen)]
        return error - lr * rows.T @ (rows @ (error + minimizer) - target[list(chosen)]) / len(chosen)

    def mean_step(chosen, error):
        return np.mean([step([row], error) for row in chosen], axis=0)

    first = list(combinations(range(7), batch_size))
    after, crossed = np.zeros((2, 2)), np.zeros((2, 2))
    for chosen in first:
        error = step(chosen, THETA - minimizer)
        plain = mean_step(range(7), error)
        recalled = mean_step(set(range(7)) - set(chosen), error) - plain
        crossed += (np.outer(plain, recalled) + np.outer(recalled, plain)) / len(first)
        for anew in first:
            moved = step(anew, error)
            after += np.outer(moved, moved) / len(first) ** 2
    enumerated = problem.minimum + np.trace(design.T @ design / 7 @ (after + crossed)) / 2
    options = {"lr": lr, "batch_size": batch_size, "steps": 2, "sampling": "without_replacement"}
    curve = expected_loss(problem, Initial.at(THETA), **options)
    np.testing.assert_allclose(curve.expected[2], enumerated, rtol=1e-12)
