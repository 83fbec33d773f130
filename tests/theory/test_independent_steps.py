"""Expected loss for minibatches independent of the past: exact, so held against enumeration and simulation."""

from itertools import combinations, product

import numpy as np
import pytest

from pipeline.lab.theory import SGD, Initial, Problem, Rule, expected_loss, full_batch_loss
from pipeline.lab.theory.symmetric import congruence, svec

from .reference import design_of, draws_with_replacement, enumerate_runs, half_mse, simulate

RULES = [SGD, Rule(0.9), Rule(0.5, nesterov=True)]
TINY = np.array([[0.3], [-1.7], [2.2]]), np.array([1.0, -0.4, 0.9])
THETA = np.array([0.2, -0.5])
SETTINGS = [(1, 0.01, 300), (1, 0.06, 120), (2, 0.05, 200), (8, 0.2, 100), (32, 0.4, 60), (100, 0.6, 40)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("batch_size", "steps"), [(1, 4), (2, 3), (3, 2)])
def test_equals_the_mean_over_every_sequence_of_draws(rule, batch_size, steps):
    expected = enumerate_runs(
        *TINY, draws_with_replacement(3, batch_size, steps), 0.2, THETA, momentum=rule.momentum, nesterov=rule.nesterov
    )
    curve = expected_loss(Problem.from_data(*TINY), Initial.at(THETA), 0.2, batch_size, steps, rule=rule)
    np.testing.assert_allclose(curve.expected, expected, rtol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_equals_the_mean_over_every_sequence_of_fresh_subsets(rule):
    batches = product(combinations(range(3), 2), repeat=4)
    expected = enumerate_runs(*TINY, batches, 0.2, THETA, momentum=rule.momentum, nesterov=rule.nesterov)
    curve = expected_loss(Problem.from_data(*TINY), Initial.at(THETA), 0.2, 2, 4, rule=rule, sampling="fresh_subset")
    np.testing.assert_allclose(curve.expected, expected, rtol=1e-12)


def readings(steps):
    return sorted({0, 1, 2, *np.linspace(1, steps, 11).astype(int).tolist()})


def worst_deviation(data, problem, lr, batch_size, steps, **options):
    """Largest distance between theory and 4,000 runs over the readings, in standard errors of the mean."""
    at = readings(steps)
    rule = options.pop("rule", SGD)
    rates = np.broadcast_to(lr, steps)
    losses = simulate(*data, rates, batch_size, 4000, at, momentum=rule.momentum, nesterov=rule.nesterov)
    theory = expected_loss(problem, Initial.normal(problem.d), lr, batch_size, steps, rule=rule).expected[at]
    return np.max(np.abs(theory - losses.mean(axis=1)) / (losses.std(axis=1) / np.sqrt(4000)))


@pytest.mark.parametrize(("batch_size", "lr", "steps"), SETTINGS)
def test_within_four_standard_errors_of_simulation(skewed, batch_size, lr, steps):
    assert worst_deviation(skewed, Problem.from_data(*skewed), lr, batch_size, steps) < 4


@pytest.mark.parametrize("rule", RULES[1:])
def test_momentum_within_four_standard_errors_of_simulation(skewed, rule):
    assert worst_deviation(skewed, Problem.from_data(*skewed), 0.02, 8, 120, rule=rule) < 4


def test_schedule_within_four_standard_errors_of_simulation(skewed):
    rates = 0.3 / np.sqrt(1 + np.arange(80))
    assert worst_deviation(skewed, Problem.from_data(*skewed), rates, 8, 80) < 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch_size", "lr", "steps"),
    [(1, 0.005, 300), (1, 0.02, 150), (10, 0.05, 150), (10, 0.2, 60), (32, 0.2, 40), (100, 0.4, 15)],
)
def test_within_four_standard_errors_of_simulation_on_airfoil(airfoil, batch_size, lr, steps):
    assert worst_deviation(airfoil, Problem.from_data(*airfoil), lr, batch_size, steps) < 4


def normal_fourth_moment(problem):
    """What a whitened-normal theory would use: E[u u^T S u u^T] = 2 U S U + tr(S U) U."""
    second = problem.second_moment
    first = congruence(second)
    return 2 * first + np.outer(svec(second), svec(second))


def mean_field_only(problem):
    return congruence(problem.second_moment)


def without_third_moment(problem):
    """The cross term between the mean error and the residual left out."""
    fourth = problem.joint_fourth_moment.copy()
    single = np.arange(1, problem.d + 1)  # svec entries (1, x_j): residual times feature
    double = np.arange(problem.d + 1, len(fourth))
    fourth[np.ix_(single, double)] = fourth[np.ix_(double, single)] = 0
    return fourth


@pytest.mark.parametrize(
    "wrong",
    [normal_fourth_moment, *(pytest.param(f, marks=pytest.mark.slow) for f in (mean_field_only, without_third_moment))],
)
def test_a_wrong_fourth_moment_is_caught_by_the_simulation(skewed, wrong):
    problem = Problem.from_data(*skewed)
    problem.__dict__["joint_fourth_moment"] = wrong(problem)  # fills the cached property
    assert max(worst_deviation(skewed, problem, lr, b, steps) for b, lr, steps in SETTINGS[:2]) > 6


def test_full_batch_is_gradient_descent(skewed):
    features, target = skewed
    problem, design, theta = Problem.from_data(*skewed), design_of(features), np.zeros(6)
    expected = [half_mse(features, target, theta[None])[0]]
    for _ in range(50):
        theta = theta - 0.4 * design.T @ (design @ theta - target) / len(target)
        expected.append(half_mse(features, target, theta[None])[0])
    np.testing.assert_allclose(full_batch_loss(problem, Initial.at(np.zeros(6)), 0.4, 50), expected, rtol=1e-10)


def test_full_batch_from_a_random_start_is_the_eigenvalue_formula(skewed):
    problem = Problem.from_data(*skewed)
    initial = Initial.normal(6, std=0.5)
    values, vectors = np.linalg.eigh(problem.hessian)
    squares = (vectors.T @ problem.minimizer) ** 2 + np.diag(vectors.T @ initial.covariance @ vectors)
    steps = np.arange(31)[:, None]
    expected = problem.minimum + (values * (1 - 0.3 * values) ** (2 * steps) * squares).sum(axis=1) / 2
    np.testing.assert_allclose(full_batch_loss(problem, initial, 0.3, 30), expected, rtol=1e-10)


def test_full_batch_on_airfoil_at_lr_1_turns_at_step_6(airfoil):
    expected = [0.493259, 0.275710, 0.250312, 0.246494, 0.245498, 0.245132]
    expected += [0.245078, 0.245259, 0.245642, 0.246217, 0.246988]
    curve = full_batch_loss(Problem.from_data(*airfoil), Initial.at(np.zeros(6)), 1.0, 10)
    np.testing.assert_allclose(curve, expected, atol=1e-6)


def test_schedule_of_equal_rates_is_the_constant(skewed):
    problem, initial = Problem.from_data(*skewed), Initial.normal(6)
    constant = expected_loss(problem, initial, 0.05, 4, 37)
    pieces = expected_loss(problem, initial, np.r_[np.full(20, 0.05), np.full(17, 0.05 + 1e-16)], 4, 37)
    np.testing.assert_allclose(pieces.expected, constant.expected, rtol=1e-12)


def test_divergence_is_inf_and_never_nan(skewed):
    curve = expected_loss(Problem.from_data(*skewed), Initial.normal(6), 5.0, 1, 2000)
    assert not np.isnan(curve.expected).any() and not np.isnan(curve.std).any()
    assert curve.expected[-1] == np.inf


def test_no_steps_gives_the_initial_loss_alone(skewed):
    problem = Problem.from_data(*skewed)
    curve = expected_loss(problem, Initial.at(np.zeros(6)), 0.1, 4, 0)
    np.testing.assert_allclose(curve.expected, [problem.loss(np.zeros(6))])
    assert curve.std == pytest.approx([0.0], abs=1e-6)


@pytest.mark.slow
def test_spread_over_seeds_is_near_simulation_where_noise_is_small(skewed):
    problem = Problem.from_data(*skewed)
    losses = simulate(*skewed, np.full(150, 0.05), 32, 4000, [50, 150])
    std = expected_loss(problem, Initial.normal(6), 0.05, 32, 150).std[[50, 150]]
    np.testing.assert_allclose(std, losses.std(axis=1), rtol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -0.1}, "at least 0"),
        ({"lr": np.full(4, 0.1)}, "length steps = 5"),
        ({"lr": np.nan}, "finite"),
        ({"batch_size": 0}, "batch_size"),
        ({"initial": Initial.normal(5)}, "bias last"),
    ],
)
def test_bad_arguments_are_refused_with_the_reason(skewed, options, message):
    arguments = {"initial": Initial.normal(6), "lr": 0.1, "batch_size": 2, "steps": 5} | options
    with pytest.raises(ValueError, match=message):
        expected_loss(Problem.from_data(*skewed), **arguments)


@pytest.mark.parametrize(("momentum", "nesterov"), [(-0.1, False), (1.0, False), (0.0, True)])
def test_a_rule_with_bad_momentum_is_refused(momentum, nesterov):
    with pytest.raises(ValueError, match="momentum"):
        Rule(momentum, nesterov)


@pytest.mark.slow
def test_band_is_exact_where_the_error_is_normal_and_far_from_the_minimum(skewed):
    """The initial parameters are normal, around a point where the slope matters."""
    problem, mean = Problem.from_data(*skewed), np.array([0.5, -1.0, 0.3, 0.8, -0.2, 0.4])
    spread = 0.3 * np.random.default_rng(5).normal(size=(6, 6))
    std = expected_loss(problem, Initial(mean, spread @ spread.T), 0.1, 8, 0).std
    drawn = mean + np.random.default_rng(6).normal(size=(200_000, 6)) @ spread.T
    np.testing.assert_allclose(std[0], half_mse(*skewed, drawn).std(), rtol=0.01)
