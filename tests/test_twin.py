"""The offline twin is a generated table on which a linear model trains as on the real one."""

import hashlib
import math

import numpy as np
import pytest
from airfoil_files import REAL_FILE, airfoil_config, needs_real_file

from pipeline.fetch.twin import AIRFOIL, ROWS, Moments, exact_sum, twin_bytes, twin_table
from pipeline.whiten.parse import parse
from pipeline.whiten.whiten import whitening_of


def moments_of(table):
    """The moments of a table, each sum exactly rounded."""
    mean, covariance = mean_and_covariance(table[:ROWS])
    mean_all, covariance_all = mean_and_covariance(table)
    return Moments(mean, covariance, mean_all, tuple(math.sqrt(row[-1]) for row in covariance_all))


def mean_and_covariance(table):
    n = len(table)
    mean = tuple(exact_sum(column) / n for column in table.T)
    centred = (table - np.array(mean)).T
    return mean, tuple(tuple(exact_sum(centred[i] * centred[j]) / n for j in range(i + 1)) for i in range(len(centred)))


# Full-batch gradient descent on the real rows, from zero, learning rate 1: the loss after 0, 1, ... 10 steps.
REAL_CURVE = [
    0.493259,
    0.275710,
    0.250312,
    0.246494,
    0.245498,
    0.245132,
    0.245078,
    0.245259,
    0.245642,
    0.246217,
    0.246988,
]
REAL_MINIMUM = 0.2416880


def half_mse(design, target, theta):
    return 0.5 * np.mean((design @ theta - target) ** 2)


def gradient_descent(design, target, lr, steps):
    """Losses before each step and after the last."""
    theta = np.zeros(design.shape[1])
    losses = [half_mse(design, target, theta)]
    for _ in range(steps):
        theta -= lr * design.T @ (design @ theta - target) / len(target)
        losses.append(half_mse(design, target, theta))
    return losses


def regression(values):
    """Features with a column of ones, and the target, of the first 1500 rows."""
    return np.column_stack([values[:1500, :-1], np.ones(1500)]), values[:1500, -1]


@pytest.fixture
def table(tmp_path):
    """The twin, written and read as the real file is."""
    path = tmp_path / "airfoil.dat"
    path.write_bytes(twin_bytes())
    return parse(path, airfoil_config())


@pytest.fixture(params=["twin", pytest.param("real", marks=needs_real_file)])
def either_table(request):
    """The twin, and the real file where there is one."""
    return request.getfixturevalue("table") if request.param == "twin" else parse(REAL_FILE, airfoil_config())


def test_it_is_the_same_file_on_every_machine_and_every_time():
    assert hashlib.sha1(twin_bytes()).hexdigest() == "657bdb2c1b6f017920a903b1ae6415fb8571df3f"


def test_it_has_the_shape_and_the_text_format_of_the_real_file():
    lines = twin_bytes().split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) == 1503
    assert {line.count(b"\t") for line in lines} == {5}


def test_what_is_read_back_is_what_was_generated_bit_for_bit(table):
    assert np.array_equal(table.to_numpy(), twin_table())


def test_its_moments_are_the_stored_ones_to_rounding(either_table):
    found, deviation = moments_of(either_table.to_numpy()), np.array(AIRFOIL.deviation_all)
    for name in ("mean", "mean_all", "deviation_all"):
        error = (np.array(getattr(found, name)) - getattr(AIRFOIL, name)) / deviation
        assert np.abs(error).max() < 1e-14, name
    for i, (row, stored) in enumerate(zip(found.covariance, AIRFOIL.covariance, strict=True)):
        error = (np.array(row) - stored) / (deviation[i] * deviation[: i + 1])
        assert np.abs(error).max() < 1e-14


@needs_real_file
def test_the_39_stored_numbers_are_those_of_the_real_file():
    assert moments_of(np.loadtxt(REAL_FILE)) == AIRFOIL


def test_only_39_numbers_are_stored():
    triangle = sum(len(row) for row in AIRFOIL.covariance)
    assert len(AIRFOIL.mean) + triangle + len(AIRFOIL.mean_all) + len(AIRFOIL.deviation_all) == 39


def test_full_batch_gradient_descent_draws_the_real_curve(either_table):
    design, target = regression(whitening_of(either_table, "standardize").apply(either_table).to_numpy())
    assert gradient_descent(design, target, lr=1.0, steps=10) == pytest.approx(REAL_CURVE, abs=1e-5)


def test_the_minimum_and_where_it_lies_are_the_real_ones(either_table):
    design, target = regression(whitening_of(either_table, "standardize").apply(either_table).to_numpy())
    theta, *_ = np.linalg.lstsq(design, target)
    assert half_mse(design, target, theta) == pytest.approx(REAL_MINIMUM, abs=5e-8)
    assert theta == pytest.approx([-0.583178, -0.365512, -0.484334, 0.223865, -0.271330, 0.001964], abs=1e-6)


def test_the_largest_stable_learning_rate_is_the_real_one(either_table):
    design, _ = regression(whitening_of(either_table, "standardize").apply(either_table).to_numpy())
    curvature = np.linalg.eigvalsh(design.T @ design / 1500)
    assert 2 / curvature[-1] == pytest.approx(0.953069, abs=1e-6)


def test_its_columns_are_bell_shaped_not_degenerate(table):
    white = (table - table.mean()) / table.std(ddof=0)
    assert (white.abs().max() < 6).all()
    assert table.iloc[:1500].nunique().min() > 1400
