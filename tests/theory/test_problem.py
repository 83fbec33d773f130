"""The data's moments, against plain loops over the examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lab.theory import Initial, Problem, noise_factor, noise_scale
from pipeline.lab.theory.symmetric import congruence, smat, svec

from .reference import design_of, half_mse


def symmetric(rng, order):
    matrix = rng.normal(size=(order, order))
    return matrix + matrix.T


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_svec_keeps_the_inner_product_and_congruence_is_the_matrix_of_its_map(rows, order, seed):
    rng = np.random.default_rng(seed)
    first, second = symmetric(rng, order), symmetric(rng, order)
    np.testing.assert_allclose(svec(first) @ svec(second), np.trace(first @ second), atol=1e-10)
    np.testing.assert_array_equal(smat(svec(first)).shape, first.shape)
    np.testing.assert_allclose(smat(svec(first)), first, atol=1e-14)
    left, right = rng.normal(size=(2, rows, order))
    expected = (left @ first @ right.T + right @ first @ left.T) / 2
    np.testing.assert_allclose(smat(congruence(left, right) @ svec(first)), expected, atol=1e-10)


def test_smat_refuses_a_length_that_is_no_triangle():
    with pytest.raises(ValueError, match="length 5"):
        smat(np.zeros(5))


def test_moments_are_the_averages_they_say(skewed):
    features, target = skewed
    problem, design, n = Problem.from_data(features, target), design_of(features), len(target)
    theta = np.linalg.solve(design.T @ design, design.T @ target)
    residual = target - design @ theta
    rng = np.random.default_rng(0)
    matrix = symmetric(rng, 7)
    np.testing.assert_allclose(problem.minimizer, theta, atol=1e-12)
    np.testing.assert_allclose(problem.minimum, np.mean(residual**2) / 2)
    np.testing.assert_allclose(problem.hessian, design.T @ design / n)
    np.testing.assert_allclose(problem.eigenvalues, np.linalg.eigvalsh(design.T @ design / n))
    joint = np.column_stack([-residual, design])  # u: the residual and the features of an example
    fourth = sum(np.outer(u, u) @ matrix @ np.outer(u, u) for u in joint) / n
    np.testing.assert_allclose(smat(problem.joint_fourth_moment @ svec(matrix)), fourth, atol=1e-10)


def test_loss_gradient_and_noise_scale(skewed):
    features, target = skewed
    problem, design = Problem.from_data(features, target), design_of(features)
    theta = np.random.default_rng(1).normal(size=6)
    each = design * (design @ theta - target)[:, None]
    np.testing.assert_allclose(problem.loss(theta), half_mse(features, target, theta[None])[0])
    np.testing.assert_allclose(problem.gradient(theta), each.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(problem.gradient_covariance(theta), np.cov(each.T, ddof=0), atol=1e-10)
    expected = each.var(axis=0).sum() / np.sum(each.mean(axis=0) ** 2)
    np.testing.assert_allclose(noise_scale(problem, theta), expected)
    assert noise_scale(problem, problem.minimizer) == np.inf


def test_the_airfoil_constants(airfoil):
    problem = Problem.from_data(*airfoil)
    np.testing.assert_allclose(
        problem.minimizer, [-0.583178, -0.365512, -0.484334, 0.223865, -0.271330, 0.001964], atol=5e-7
    )
    np.testing.assert_allclose(
        problem.eigenvalues, [0.173686, 0.666496, 0.918059, 1.000045, 1.126164, 2.098483], atol=1e-6
    )
    assert problem.minimum == pytest.approx(0.2416880, abs=5e-8)
    assert problem.max_stable_lr_full_batch == pytest.approx(0.953069, abs=1e-6)
    assert problem.best_fixed_lr_full_batch == pytest.approx(0.880216, abs=1e-6)
    assert problem.loss(np.zeros(6)) == pytest.approx(0.4932590, abs=1e-7)
    assert noise_scale(problem, np.zeros(6)) == pytest.approx(20.3, abs=0.05)


@pytest.mark.parametrize(
    ("features", "target", "message"),
    [
        (np.zeros((3, 1)), np.zeros(2), "features must be"),
        (np.zeros(3), np.zeros(3), "features must be"),
        (np.full((3, 1), np.nan), np.zeros(3), "finite"),
        (np.ones((3, 1)), np.zeros(3), "singular"),
    ],
)
def test_bad_data_is_refused_with_the_reason(features, target, message):
    with pytest.raises(ValueError, match=message):
        Problem.from_data(features, target)


def test_noise_factor_is_the_variance_of_a_minibatch_mean():
    assert noise_factor(1500, 10) == 0.1
    assert noise_factor(1500, 750, "fresh_subset") == pytest.approx(750 / (750 * 1499))
    assert noise_factor(1500, 1500, "fresh_subset") == 0
    assert noise_factor(1, 1, "fresh_subset") == 0
    for bad in [(10, 0, "with_replacement"), (10, 11, "fresh_subset"), (10, 2, "shuffled")]:
        with pytest.raises(ValueError, match="got"):
            noise_factor(*bad)


def test_initial_distributions():
    np.testing.assert_array_equal(Initial.at([1.0, 2.0]).covariance, np.zeros((2, 2)))
    np.testing.assert_allclose(np.diag(Initial.normal(3).covariance), [1e-4, 1e-4, 0])
