"""Every schedule in pipeline/parts/schedules, found by itself, and its formulas at known points."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.parts.base import ScheduleConfig
from pipeline.parts.schedules import learning_rate_factors
from pipeline.train.cells import train_cells

CONF = Path(__file__).parents[1] / "conf" / "schedule"
NAMES = parts.names("schedule")
CLASSES = {name: parts.load("schedule", name).config or ScheduleConfig for name in NAMES}


def config_of(name, **values):
    return CLASSES[name](name=name, **values)


def factors(name, steps_per_epoch, steps, **values):
    return learning_rate_factors(config_of(name, **values), steps_per_epoch, steps)


def test_every_file_has_its_configuration_and_back():
    assert [path.stem for path in sorted(CONF.glob("*.yaml"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_configuration_composes(name):
    config = compose_cell([f"schedule={name}"]).schedule
    assert type(config) is CLASSES[name]
    assert config.name == name
    assert learning_rate_factors(config, 150, 300).shape == (300,)


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_by_overrides(name):
    config = compose_cell([f"schedule={name}", "schedule.warmup_epochs=0.5", "schedule.warmup_from=0.1"]).schedule
    ramp = learning_rate_factors(config, 10, 20)[:6]
    np.testing.assert_allclose(ramp, [0.1, 0.28, 0.46, 0.64, 0.82, 1.0])


def test_constant():
    assert factors("constant", 7, 20).tolist() == [1.0] * 20


def test_factor_per_epoch():
    """The textbook's FactorScheduler: 0.9 for each epoch, from 2.0 down to 1e-2."""
    got = 2.0 * factors("factor", 3, 300, factor=0.9, floor=1e-2 / 2.0)
    np.testing.assert_allclose(got[::3], [max(1e-2, 2.0 * 0.9**epoch) for epoch in range(100)])
    assert (got[:3] == 2.0).all()


def test_factor_per_step():
    np.testing.assert_allclose(factors("factor", 3, 5, factor=0.5, every="step"), [1, 0.5, 0.25, 0.125, 0.0625])


def test_multistep():
    """The textbook's MultiStepLR: halved at epochs 15 and 30, from 0.5."""
    got = 0.5 * factors("multistep", 2, 80, milestones=[30.0, 15.0], factor=0.5)
    expected = [0.5] * 30 + [0.25] * 30 + [0.125] * 20
    np.testing.assert_allclose(got, expected)


def test_multistep_within_an_epoch():
    assert factors("multistep", 4, 8, milestones=[0.5, 1.25], factor=0.1).tolist() == pytest.approx(
        [1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
    )


def test_step_per_epoch():
    """Exercise 2 of the section: the learning rate divided by 10 after each epoch."""
    np.testing.assert_allclose(factors("step_per_epoch", 2, 6), [1, 1, 0.1, 0.1, 0.01, 0.01])
    np.testing.assert_allclose(factors("step_per_epoch", 1, 4, divide_by=2.0), [1, 0.5, 0.25, 0.125])


def test_inverse_epoch():
    np.testing.assert_allclose(factors("inverse_epoch", 2, 6), [1, 1, 1 / 2, 1 / 2, 1 / 3, 1 / 3])
    np.testing.assert_allclose(factors("inverse_epoch", 1, 3, rate=0.5), [1, 1 / 1.5, 1 / 2])


def textbook_cosine(t, max_update=20, base=0.3, final=0.01, warmup=0):
    """CosineScheduler of the textbook's section on schedules, as one function."""
    if t < warmup:
        return base * t / warmup
    if t > max_update:
        return final
    return final + (base - final) * (1 + math.cos(math.pi * (t - warmup) / (max_update - warmup))) / 2


def test_cosine():
    got = 0.3 * factors("cosine", 1, 30, final=0.01 / 0.3, epochs=20.0)
    np.testing.assert_allclose(got, [textbook_cosine(t) for t in range(30)])


def test_cosine_after_a_warm_up():
    got = 0.3 * factors("cosine", 1, 30, final=0.01 / 0.3, epochs=15.0, warmup_steps=5)
    np.testing.assert_allclose(got, [textbook_cosine(t, warmup=5) for t in range(30)])


def test_cosine_to_the_end_of_the_run():
    got = factors("cosine", 5, 10)
    assert got[0] == 1
    assert got[5] == pytest.approx(0.5)
    assert got[-1] == pytest.approx((1 + math.cos(0.9 * math.pi)) / 2)


@pytest.mark.parametrize("name", NAMES)
def test_schedule_begins_when_the_warm_up_ends(name):
    got = factors(name, 4, 20, warmup_steps=3)
    np.testing.assert_allclose(got[:3], [0, 1 / 3, 2 / 3])
    np.testing.assert_array_equal(got[3:], factors(name, 4, 17))


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_longer_than_the_run(name):
    np.testing.assert_allclose(factors(name, 4, 3, warmup_epochs=2.0), [0, 1 / 8, 2 / 8])


@pytest.mark.parametrize("name", NAMES)
@given(
    steps_per_epoch=st.integers(1, 200),
    epochs=st.integers(1, 12),
    warmup_steps=st.integers(0, 100),
    warmup_from=st.floats(0.0, 1.0),
)
def test_bounds(name, steps_per_epoch, epochs, warmup_steps, warmup_from):
    """With a factor below 1, learning rates lie in [0, lr], reach lr, and never rise after the warm-up."""
    steps = steps_per_epoch * epochs
    got = factors(name, steps_per_epoch, steps, warmup_steps=warmup_steps, warmup_from=warmup_from)
    assert got.shape == (steps,)
    assert got.dtype == np.float64
    assert (got >= 0).all()
    assert (got <= 1 + 1e-12).all()
    assert (got[min(warmup_steps, steps) :] > 0).all()
    assert (np.diff(got[:warmup_steps]) >= 0).all()
    assert (np.diff(got[warmup_steps:]) <= 1e-15).all()
    if warmup_steps < steps:
        assert got[warmup_steps] == 1


@given(st.floats(1e-3, 1.0), st.floats(0.0, 1.0), st.integers(1, 50), st.integers(1, 300))
def test_factor_bounds(factor, floor, steps_per_epoch, steps):
    got = factors("factor", steps_per_epoch, steps, factor=factor, floor=floor)
    assert (got >= floor).all()
    assert got[0] == 1


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("schedule.warmup_steps=-1", "schedule.warmup_steps=-1"),
        ("schedule.warmup_epochs=-0.5", "schedule.warmup_epochs=-0.5"),
        ("schedule.warmup_from=-1", "schedule.warmup_from=-1"),
        ("schedule.final=-0.1", "schedule.final=-0.1"),
        ("schedule.epochs=0", "schedule.epochs=0"),
        ("schedule.finale=0", "finale"),
    ],
)
def test_values_out_of_range_are_refused(override, key):
    with pytest.raises(UserError, match=key):
        compose_cell(["schedule=cosine", override])


def test_two_lengths_of_a_warm_up_are_refused():
    with pytest.raises(UserError, match="give one of them"):
        compose_cell(["schedule.warmup_steps=5", "schedule.warmup_epochs=1"])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("factor", {"factor": 0.0}),
        ("factor", {"floor": -1.0}),
        ("factor", {"every": "week"}),
        ("multistep", {"milestones": [1.0, 0.0]}),
        ("multistep", {"factor": -1.0}),
        ("step_per_epoch", {"divide_by": 0.0}),
    ],
)
def test_bad_values_are_refused(name, values):
    with pytest.raises(UserError, match=f"schedule.{next(iter(values))}="):
        config_of(name, **values)


@pytest.mark.parametrize("bad", [np.ones(9), -np.ones(10), np.full(10, np.nan)])
def test_a_schedule_that_would_spoil_the_run_is_refused(monkeypatch, bad):
    monkeypatch.setattr("pipeline.parts.schedules.constant.constant", lambda *_: bad)
    with pytest.raises(UserError, match="must return 10 finite factors"):
        factors("constant", 5, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (lambda *_: ["a"] * 10, "ValueError: could not convert string to float: 'a'$"),
        (lambda *_: {}["rate"], "KeyError: 'rate'$"),
        (lambda config, steps: np.ones(steps), "TypeError: .* takes 2 positional arguments but 3 were given$"),
    ],
)
def test_a_schedule_that_fails_is_refused_in_one_sentence(monkeypatch, bad, why):
    monkeypatch.setattr("pipeline.parts.schedules.constant.constant", bad)
    with pytest.raises(UserError, match=f"schedule=constant is not usable: .*constant.py: {why}"):
        factors("constant", 5, 10)


@pytest.mark.parametrize(
    "overrides",
    [
        ["schedule=step_per_epoch", "schedule.divide_by=2"],
        ["schedule=constant", "schedule.warmup_steps=3"],
        ["schedule=constant"],
        ["schedule=cosine", "schedule.warmup_epochs=1", "schedule.warmup_from=0.2"],
    ],
)
@pytest.mark.parametrize("implementation", ["scratch", "torch"])
def test_training_follows_the_schedule(overrides, implementation):
    """Full batches from zero weights, against gradient descent written out here."""
    config = compose_cell(
        ["lr=0.3", "batch_size=1500", "epochs=6", "model.weight_std=0", f"implementation={implementation}", *overrides]
    )
    source = np.random.default_rng(0)
    X = source.standard_normal((1500, 3)).astype(np.float32)
    y = (X @ [1.0, -2.0, 0.5] + 0.1 * source.standard_normal(1500)).astype(np.float32)
    dataset = Dataset(config.data.name, X, y, ("a", "b", "c", "y"), {}, False)
    _, curves = train_cells([Cell(config)], {config.data.name: dataset})

    design, w = np.c_[X, np.ones(1500)], np.zeros(4)
    losses = []
    for factor in [*learning_rate_factors(config.schedule, 1, 6), 0.0]:
        residual = design @ w - y
        losses.append(0.5 * np.mean(residual**2))
        w -= 0.3 * factor * design.T @ residual / 1500
    np.testing.assert_allclose(curves.loss, losses, rtol=1e-4)
