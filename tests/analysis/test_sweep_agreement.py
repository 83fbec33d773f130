"""Theory is held against a sweep that was really trained: best rates, limit, steps to the target; wrong ones fail."""

import dataclasses

import numpy as np
import pytest
from tables_for_tests import analysed

from pipeline.analysis.sweep_agreement import Held, best_rates, crossing, diverged_below_limit, nearest_row, steps_held
from pipeline.figures.registry import registered
from pipeline.lab.config import compose_cell
from pipeline.lab.config.cell import Cell
from pipeline.lab.theory import Problem
from pipeline.train.cells import train_cells


@pytest.fixture(scope="module")
def tables(dataset):
    """Plain SGD at two batch sizes and five rates, one of them unstable, twenty seeds."""
    common = ["data=airfoil_twin", "engine=stacked", "seeds=20"]
    cells = [
        Cell(compose_cell([*common, f"lr={lr}", f"batch_size={b}"]), "sweep", f"b {b}, lr {lr}")
        for b, rates in ((10, (0.01, 0.025, 0.06, 0.15, 1.5)), (100, (0.1, 0.23, 0.5, 0.8, 2.5)))
        for lr in rates
    ]
    runs, curves = train_cells(cells, {dataset.name: dataset})
    problem = Problem.from_data(dataset.X, dataset.y)
    return analysed(runs, curves, problem.minimum, problem, kind="sweep")


def held_steps(tables, **changes):
    sweep, expected = tables.sweep, dataclasses.replace(tables.expected, **changes)
    return steps_held(tables.problem, sweep.grid, sweep.study, expected, sweep.target.loss)


def test_the_steps_of_the_mean_loss_are_the_expected_ones(tables):
    held = held_steps(tables)
    assert [one.batch_size for one in held] == [10, 100]
    for one in held:
        assert one.agrees and abs(one.z) < 4 and one.error > 0
        assert one.measured == pytest.approx(one.expected, rel=0.3)


def test_steps_of_another_loss_do_not_agree(tables):
    high = tables.curves.assign(loss=tables.curves["loss"] + 0.002)
    sweep = tables.sweep
    study = dataclasses.replace(sweep.study, curves=high)
    held = steps_held(tables.problem, sweep.grid, study, tables.expected, sweep.target.loss)
    assert not all(one.agrees for one in held)


def test_theorys_best_rate_costs_no_more_than_noise_and_another_does(tables):
    grid = tables.sweep.grid
    assert all(one.agrees and one.measured >= one.expected - 1e-4 for one in best_rates(grid, tables.expected))
    wrong = dataclasses.replace(tables.expected, best_lr=np.array([0.15, 0.8]))
    assert not all(one.agrees for one in best_rates(grid, wrong))


def test_only_rates_above_the_limit_diverge_and_a_higher_limit_would_be_wrong(tables):
    grid = tables.sweep.grid
    assert diverged_below_limit(grid, tables.expected) == (0, 8)
    high = dataclasses.replace(tables.expected, stable_lr=np.array([9.0, 9.0]))
    wrong, cells = diverged_below_limit(grid, high)
    assert cells == 10 and wrong >= 1


def test_the_captions_say_standard_errors_and_pass_or_fail(tables):
    entries = {entry.name: entry for entry in registered() if entry.kind == "sweep"}
    heatmap, steps = (entries[name].caption(tables) for name in ("heatmap", "steps_by_batch"))
    assert "standard errors" in heatmap and heatmap.count(": pass.") == 2 and "FAIL" not in heatmap
    assert "(z = " in steps and ": pass." in steps
    high = tables.curves.assign(loss=tables.curves["loss"] + 0.002)
    wrong = analysed(tables.runs, high, tables.minimum, tables.problem, kind="sweep")
    assert "FAIL" in entries["steps_by_batch"].caption(wrong)


def test_the_nearest_rate_is_nearest_by_ratio(tables):
    grid = tables.sweep.grid
    assert grid.cells["lr"].iloc[nearest_row(grid, 10, 0.04)] == 0.06
    assert grid.cells["lr"].iloc[nearest_row(grid, 10, 0.038)] == 0.025


def test_a_curve_crosses_between_two_readings_as_a_geometric_one_does():
    steps = np.array([0.0, 10.0, 20.0])
    at, slope = crossing(steps, 1 + np.exp(-steps / 5), 1 + np.exp(-3), 1.0)
    assert at == pytest.approx(15) and slope == pytest.approx(np.exp(-3) / 5)
    assert crossing(steps, np.full(3, 2.0), 1.5, 1.0)[0] == np.inf


def test_a_deviation_without_an_error_is_infinite_and_none_is_none():
    assert Held(1, 0.1, 2.0, 2.0, 0.0).agrees and Held(1, 0.1, 2.0, 2.0, 0.0).z == 0
    assert not Held(1, 0.1, 2.0, 1.0, 0.0).agrees and Held(1, 0.1, 2.0, 1.0, 0.0).z == np.inf
    assert not Held(1, 0.1, 2.0, 1.0, 0.25).agrees and Held(1, 0.1, 2.0, 1.0, 0.25, allowance=0.1).agrees
