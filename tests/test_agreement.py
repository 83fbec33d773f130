"""Measured means are held against exact theory, and a wrong theory is caught."""

import dataclasses
import json
import re

import numpy as np
import pytest
from tables_for_tests import analysed

from pipeline.analysis.agreement import agreement, initial_of, not_predicted
from pipeline.contrib.theory.figure.theory_curves import noticed
from pipeline.figures.registry import registered
from pipeline.lab.config import compose_cell, compose_data
from pipeline.lab.config.cell import Cell
from pipeline.lab.theory import Initial, Problem, expected_loss, full_batch_loss
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared


@pytest.fixture(scope="module")
def problem(dataset):
    return Problem.from_data(dataset.X, dataset.y)


def trained(dataset, *overrides, seeds=200, study="textbook"):
    common = ["data=airfoil_twin", "engine=stacked", f"seeds={seeds}"]
    cells = [Cell(compose_cell([*common, *own]), study, f"cell {i}") for i, own in enumerate(overrides)]
    return train_cells(cells, {dataset.name: dataset})


MINIBATCH = ["lr=0.05", "batch_size=10"]
FULL = ["lr=0.88", "batch_size=1500", "epochs=60"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "exact"),
    [
        (MINIBATCH, False),
        ([*MINIBATCH, "sampling=with_replacement"], True),
        ([*MINIBATCH, "model.bias=uniform"], False),
        (FULL, True),
    ],
    ids=["permutation", "independent draws", "uniform bias", "full batch"],
)
def test_the_mean_over_seeds_agrees_and_another_learning_rate_does_not(dataset, problem, overrides, exact):
    runs, curves = trained(dataset, overrides)
    config = json.loads(runs["config"].iloc[0])
    found = agreement(problem, config, curves)
    assert found.exact == exact and found.seeds == 200
    assert found.agrees and found.largest_z < 4
    assert not agreement(problem, config | {"lr": 1.5 * config["lr"]}, curves).agrees


@pytest.mark.slow
@pytest.mark.parametrize("lr", [0.5, 0.88, 1.0])
def test_full_batch_training_is_theory_to_a_millionth(dataset, problem, lr):
    _, curves = trained(dataset, [f"lr={lr}", "batch_size=1500", "epochs=20", "model.weight_std=0"], seeds=1)
    expected = full_batch_loss(problem, Initial.at(np.zeros(problem.d)), lr, 20)
    np.testing.assert_allclose(curves.sort_values("step")["loss"], expected, rtol=0, atol=1e-6)


#: (batch size, lr), half of them near the limit of stability at their batch size.
SIX = [(1, 0.005), (1, 0.05), (10, 0.05), (10, 0.3), (100, 0.1), (100, 0.6)]


@pytest.mark.slow
def test_four_thousand_seeds_of_the_labs_own_training_are_within_four_standard_errors(dataset, problem):
    """Drawn with replacement, where theory is exact; the standard errors are those of the runs themselves."""
    six = [[f"batch_size={b}", f"lr={lr}", "sampling=with_replacement", "epochs=1"] for b, lr in SIX]
    runs, curves = trained(dataset, *six, seeds=4000)
    for (b, lr), cell_id in zip(SIX, runs["cell_id"].unique(), strict=True):
        losses = curves[curves["cell_id"] == cell_id].pivot_table(index="step", columns="seed", values="loss")
        theory = expected_loss(problem, Initial.normal(problem.d), lr, b, int(losses.index[-1]))
        z = (losses.mean(axis=1) - theory.expected[losses.index]) / losses.sem(axis=1)
        assert losses.shape == (9, 4000) and z.abs().max() < 4, (b, lr)
        # A rate that is off by a tenth would not pass.
        wrong = expected_loss(problem, Initial.normal(problem.d), 1.1 * lr, b, int(losses.index[-1]))
        assert ((losses.mean(axis=1) - wrong.expected[losses.index]) / losses.sem(axis=1)).abs().max() > 4


@pytest.mark.slow
@pytest.mark.parametrize(("b", "lr"), [(8, 0.02), (32, 0.1)])
def test_a_thousand_seeds_on_another_table_are_within_four_standard_errors(tmp_path, b, lr):
    """Of the training examples alone; b does not divide their number, and the last minibatch of an epoch is short."""
    data = prepared(compose_data(["data=diabetes"]), tmp_path)
    problem = Problem.from_data(data.X, data.y)
    given = ["data=diabetes", f"batch_size={b}", f"lr={lr}", "sampling=with_replacement", "epochs=3"]
    cell = Cell(compose_cell([*given, "engine=stacked", "seeds=1000"]))
    _, curves = train_cells([cell], {data.name: data})
    losses = curves.pivot_table(index="step", columns="seed", values="loss")
    assert problem.n % b and losses.shape[1] == 1000 and len(losses) > 4

    def z(lr, short_last):
        theory = expected_loss(problem, Initial.normal(problem.d), lr, b, int(losses.index[-1]), short_last=short_last)
        return ((losses.mean(axis=1) - theory.expected[losses.index]) / losses.sem(axis=1)).abs().max()

    assert z(lr, short_last=True) < 4
    assert z(1.1 * lr, short_last=True) > 4
    assert z(lr, short_last=False) > 4
    assert agreement(problem, json.loads(cell.config_json), curves).agrees


def test_an_approximation_gets_no_more_than_its_share(dataset, problem):
    runs, curves = trained(dataset, MINIBATCH, seeds=20)
    found = agreement(problem, json.loads(runs["config"].iloc[0]), curves)
    edge = found.expected + 4 * found.error + found.allowance
    assert dataclasses.replace(found, measured=edge - 1e-9).agrees
    assert not dataclasses.replace(found, measured=edge + 1e-9).agrees


def test_readings_end_where_the_first_seed_diverges(dataset, problem):
    runs, curves = trained(dataset, MINIBATCH, seeds=3)
    gone = curves[~((curves["seed"] == 1) & (curves["step"] > 100))]
    assert agreement(problem, json.loads(runs["config"].iloc[0]), gone).steps.max() == 100


def test_what_theory_does_not_know_is_named():
    for overrides, reason in ((["optimizer=adam"], "optimizer adam"), (["schedule=cosine"], "schedule cosine")):
        config = json.loads(Cell(compose_cell(overrides)).config_json)
        assert not_predicted(config) == reason
    assert not_predicted(json.loads(Cell(compose_cell([])).config_json)) is None


def test_a_uniform_bias_has_its_variance():
    start = initial_of({"model": {"weight_std": 0.01, "bias": "uniform"}}, 6)
    assert start.covariance[-1, -1] == pytest.approx(1 / 15)
    assert np.allclose(np.diag(start.covariance)[:-1], 1e-4)


@pytest.mark.slow
def test_a_cell_notices_a_theory_that_is_wrong_by_more_than_it_says(dataset, problem):
    """The chapter's 20 seeds see little of the end; 200 tell drawing with replacement from drawing without."""
    ends = {}
    for seeds in (20, 200):
        _, curves = trained(dataset, MINIBATCH, seeds=seeds)
        config = json.loads(trained(dataset, MINIBATCH, seeds=1)[0]["config"].iloc[0])
        found = agreement(problem, config, curves)
        shares = noticed(found, problem.minimum)
        excess = found.expected - problem.minimum
        for factor, agrees in ((0.99, True), (1.01, False)):
            for sign in (1, -1):
                wrong = dataclasses.replace(found, measured=problem.minimum + excess * (1 + sign * factor * shares))
                assert wrong.agrees == agrees
        ends[seeds] = shares[-1]
        with_replacement = agreement(problem, config | {"sampling": {"name": "with_replacement"}}, curves)
        assert with_replacement.agrees == (seeds == 20)
    assert ends[200] < 0.3 < 0.5 < ends[20]


@pytest.mark.slow
def test_the_figure_says_pass_and_fail(dataset, problem):
    runs, curves = trained(dataset, MINIBATCH, FULL, ["optimizer=adam"], seeds=50)
    entry = next(entry for entry in registered() if entry.name == "theory_curves")
    caption = entry.caption(analysed(runs, curves, problem.minimum, problem))
    assert "2 of 2 cells pass" in caption and "optimizer adam" in caption
    assert re.search(r"“cell 0” [\d.]+ \(pass; notices [\d.]+ % at best, [\d.]+ % at the end\)", caption)
    wrong = curves.assign(loss=curves["loss"] + 0.01)
    caption = entry.caption(analysed(runs, wrong, problem.minimum, problem))
    assert "FAIL" in caption and "0 of 2 cells pass" in caption


def test_theory_finds_the_best_rates_of_a_sweep(dataset, problem):
    rates = [0.01, 0.025, 0.06, 0.15]
    runs, curves = trained(dataset, *[[f"lr={lr}", "batch_size=10"] for lr in rates], seeds=10, study="sweep")
    tables = analysed(runs, curves, problem.minimum, problem, kind="sweep")
    assert tables.expected.best_lr == pytest.approx([0.025], rel=0.05)
    assert tables.sweep.best["lr"].iloc[0] == 0.025
    entries = {entry.name: entry for entry in registered() if entry.kind == "sweep"}
    assert "0.98 times it at b = 10" in entries["heatmap"].caption(tables)
    assert "Measured over expected" in entries["steps_by_batch"].caption(tables)
    for name in ("heatmap", "steps_by_batch"):
        entries[name].draw(tables)
