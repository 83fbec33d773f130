"""Reading a sweep: best cells, borders, targets, scaling, seconds."""

import json

import numpy as np
import pandas as pd
import pytest
from sweeps import bowl, config_of, costs_of, sweep_tables

from pipeline.analysis.best import PER_BATCH_SIZE, best_cells, edges, held_out
from pipeline.analysis.grid import grid_of
from pipeline.analysis.lr_scaling import lr_scaling
from pipeline.analysis.seconds import read_step_costs, step_costs_of_runs
from pipeline.analysis.target import cheapest, hits_of, scaling, target_loss
from pipeline.analysis.tuning import tuning_curves
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults


def test_what_diverged_or_failed_is_infinite_and_counted():
    ends = {0: "diverged", 1: "error"}
    tables = sweep_tables(bowl(sizes=(10,)), status=lambda o, b, lr, seed: ends.get(seed, "ok") if lr == 1 else "ok")
    grid = grid_of(tables.sweep.study)
    last = grid.cells["lr"] == 1
    assert np.isinf(grid.losses[last, :2]).all() and np.isfinite(grid.losses[last, 2:]).all()
    assert np.isinf(grid.medians[last]).all(), "half of the runs are infinite, and so is the median"
    assert grid.cells.loc[last, ["ok", "diverged", "error"]].to_numpy().tolist() == [[2, 1, 1]] * 2


def test_cells_with_different_seeds_are_compared_by_those_they_share():
    tables = sweep_tables(bowl(sizes=(10,)))
    runs = tables.runs.drop(tables.runs.index[[0, 5]])  # seed 0 of the first cell, seed 1 of the second
    grid = grid_of(StudyResults(runs, tables.curves))
    assert list(grid.seeds) == [2, 3] and grid.losses.shape[1] == 2
    assert grid.cells["ok"].tolist()[:3] == [3, 3, 4], "the counts are of all runs"


def test_the_best_cell_has_the_lowest_median():
    tables = sweep_tables(bowl())
    grid = grid_of(tables.sweep.study)
    table = best_cells(grid, PER_BATCH_SIZE)
    medians = tables.runs.groupby(["optimizer", "batch_size", "lr"])["final_loss"].median()
    for line in table.itertuples():
        assert medians[line.optimizer, line.batch_size].idxmin() == line.lr
        assert line.low <= line.median <= line.high
    assert list(best_cells(grid)["optimizer"]) == ["sgd", "adam"]


def test_held_out_is_not_fooled_by_noise():
    many = np.random.default_rng(0).normal(size=(200, 30, 10))
    assert np.median(many, axis=2).min(axis=1).mean() < -0.6, "the best of many looks good"
    assert abs(np.mean([held_out(noise) for noise in many])) < 0.15
    noise = many[0]
    assert np.isnan(held_out(noise[:, :2]))
    slow = [noise[np.argmin(np.median(np.delete(noise, s, 1), axis=1)), s] for s in range(10)]
    assert held_out(noise) == np.median(slow)


def test_borders_are_flagged_on_their_side():
    best = {("sgd", 10): 0.001, ("sgd", 100): 0.01, ("adam", 10): 1.0, ("adam", 100): 5.0}
    tables = sweep_tables(bowl(sizes=(10, 100), best=lambda o, b: best[o, b]))
    found = edges(tables.sweep.grid)
    assert found.to_numpy().tolist() == [
        ["sgd", 10, "low", 0.001],
        ["adam", 10, "high", 1.0],
        ["adam", 100, "high", 1.0],
    ]
    assert list(found.columns) == ["optimizer", "batch_size", "side", "best_lr"]


def test_a_range_where_all_diverge_is_too_high_and_a_single_rate_has_no_border():
    hot = edges(sweep_tables(bowl(("sgd",), (10,)), status=lambda *_: "diverged").sweep.grid)
    assert hot["side"].tolist() == ["low"] and hot["best_lr"].isna().all()
    assert edges(sweep_tables(bowl(("sgd",), (10,)), status=lambda *_: "error").sweep.grid).empty
    assert edges(sweep_tables(bowl(lrs=(0.1,))).sweep.grid).empty


def test_the_target_is_sgds_best_median_plus_one_per_cent_of_it():
    grid = grid_of(sweep_tables(bowl(("adam", "sgd"))).sweep.study)
    target = target_loss(grid)
    best = grid.medians[grid.rows("sgd")].min()
    assert (target.reference, target.best) == ("sgd", best)
    assert target.loss == pytest.approx(1.01 * best)
    assert target_loss(grid_of(sweep_tables(bowl(("lion",))).sweep.study)).reference == "lion"
    none = target_loss(grid_of(sweep_tables(bowl(("sgd",)), status=lambda *_: "diverged").sweep.study))
    assert np.isnan(none.loss) and none.row == -1


def test_hits_lie_between_readings_where_an_interval_is_several_updates():
    tables = sweep_tables(bowl(), status=lambda o, b, lr, s: "diverged" if (b, lr) == (1, 1.0) else "ok")
    grid = grid_of(tables.sweep.study)
    hits = hits_of(grid, tables.curves, 0.26)
    curves = tables.curves.groupby(["cell_id", "seed"])
    for i, cell in enumerate(grid.cells["cell_id"]):
        for j, seed in enumerate(grid.seeds):
            own = curves.get_group((cell, seed)).reset_index(drop=True)
            if not (own["loss"] <= 0.26).any():
                assert hits.steps[i, j] == hits.examples[i, j] == np.inf
                continue
            place = int((own["loss"] <= 0.26).idxmax())
            (above, below), fallen = own["loss"].iloc[place - 1 : place + 1], own.iloc[place - 1 : place + 1]
            for found, name in ((hits.steps, "step"), (hits.examples, "examples")):
                between = np.interp(above - 0.26, [0.0, above - below], fallen[name].astype(float))
                assert found[i, j] == pytest.approx(between)
    assert np.isinf(hits_of(grid, tables.curves, float("nan")).steps).all()


def test_a_sweep_keeps_what_it_found_of_a_target():
    sweep = sweep_tables(bowl()).sweep
    assert sweep.hits(0.26) is sweep.hits(0.26) is not sweep.hits(0.25)


def test_the_rate_is_tuned_for_each_batch_size_and_misses_stay_infinite():
    tables = sweep_tables(bowl())
    grid = grid_of(tables.sweep.study)
    hits = hits_of(grid, tables.curves, 0.2445)
    table = scaling(grid, hits)
    assert len(table) == 6
    for line in table.itertuples():
        rows = grid.rows(line.optimizer, line.batch_size)
        assert line.steps == np.median(hits.steps[rows], axis=1).min()
        assert line.arrived == np.isfinite(hits.steps[line.row]).mean()
    assert np.isinf(table.loc[table["optimizer"] == "adam", "steps"]).all()
    least = cheapest(table, "steps")
    assert list(least["optimizer"]) == ["sgd", "adam"]
    assert least["steps"].iloc[0] == table["steps"].min()


def config(*overrides):
    return json.loads(Cell(compose_cell(list(overrides))).config_json)


def test_seconds_are_steps_times_the_time_of_such_a_step():
    costs = costs_of({("sgd", 1): 1e-4, ("sgd", 10): 2e-4, ("sgd", 100): 4e-4})
    sweep = sweep_tables(bowl(sizes=(1, 10)), costs=costs).sweep
    table = sweep.scaling.set_index(["optimizer", "batch_size"])
    for end in ("", "_low", "_high"):
        sgd = table.loc["sgd"]
        assert sgd[f"seconds{end}"].tolist() == pytest.approx([1e-4, 2e-4] * sgd[f"steps{end}"])
    assert table.loc["adam", "seconds"].isna().all()
    own = sweep.study.cells["sgd-b1-lr0.1"].config
    assert costs.of(own, 55) == pytest.approx(3e-4), "half way between 10 and 100"
    assert np.isnan(costs.of(own, 1000)), "not beyond what was measured"


@pytest.mark.parametrize(
    "other",
    [["model=mlp"], ["implementation=torch"], ["sampling=with_replacement"], ["optimizer=adam"], ["data.name=mine"]],
    ids=lambda overrides: overrides[0],
)
def test_a_step_of_another_kind_is_not_measured(tmp_path, other):
    path = tmp_path / "step_cost.parquet"
    line = {"implementation": "scratch", "optimizer": "sgd", "batch_size": 10, "part": "step", "us_per_step": 60.0}
    pd.DataFrame([line]).to_parquet(path)
    costs = read_step_costs(path)
    for alike in ([], ["model.bias=uniform"], ["data=airfoil_twin"], ["lr=1", "schedule=cosine", "epochs=9"]):
        assert costs.of(config(*alike), 10) == pytest.approx(60e-6)
    assert np.isnan(costs.of(config(*other), 10))


def test_a_measured_model_and_data_set_are_those_that_their_rows_name(tmp_path):
    path = tmp_path / "step_cost.parquet"
    line = {"implementation": "scratch", "optimizer": "adam", "batch_size": 10}
    rows = [line | {"model": "mlp", "data": "airfoil_twin", "us_per_step": 200.0}]
    rows += [line | {"model": "cnn", "data": "digits", "us_per_step": 900.0}]
    rows += [line | {"model": "gone", "data": "airfoil", "us_per_step": 1.0}]
    pd.DataFrame(rows).to_parquet(path)
    costs = read_step_costs(path)
    assert costs.of(config("optimizer=adam", "model=mlp"), 10) == pytest.approx(200e-6)
    assert costs.of(config("optimizer=adam", "model=cnn", "data=digits"), 10) == pytest.approx(900e-6)
    assert np.isnan(costs.of(config("optimizer=adam", "model=mlp", "model.widths=[256,256]"), 10))
    assert np.isnan(costs.of(config("optimizer=adam"), 10))


def test_the_time_of_a_step_is_read_or_derived(tmp_path):
    path = tmp_path / "step_cost.parquet"
    line = {"implementation": "scratch", "optimizer": "sgd", "batch_size": 10}
    rows = [line | {"part": part, "us_per_step": us} for part, us in (("data", 5.0), ("step", 60.0), ("step", 80.0))]
    pd.DataFrame(rows).to_parquet(path)
    costs = read_step_costs(path)
    assert costs.of(config(), 10) == pytest.approx(70e-6)
    assert costs.source == "the time of a step, measured in 2 processes"
    pd.DataFrame(rows[:2]).to_parquet(path)
    assert "its error is not known" in read_step_costs(path).source
    assert read_step_costs(path).error(config(), 10) == 1
    pd.DataFrame(rows).to_parquet(path)
    pd.DataFrame(rows).drop(columns="optimizer").to_parquet(path)
    with pytest.raises(UserError, match="no column optimizer"):
        read_step_costs(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_step_costs(tmp_path / "none.parquet")
    study = sweep_tables(bowl()).sweep.study
    own = study.cells["sgd-b10-lr0.1"].config
    assert np.isnan(step_costs_of_runs([study]).of(own, 10))
    timed = StudyResults(study.runs.assign(train_seconds=study.runs["steps"] * 5e-5), study.curves)
    assert step_costs_of_runs([study, timed]).of(own, 10) == pytest.approx(5e-5)


def test_the_error_of_a_step_covers_its_time_in_95_per_cent_of_machines():
    """Each process is off by a fifth or so, and there are four."""
    rng = np.random.default_rng(0)
    own, right, worlds = config_of("sgd", 10, 0.1), 0, 2000
    for _ in range(worlds):
        costs = costs_of({("sgd", 10): 1e-4 * np.exp(rng.normal(0, 0.2, 4))})
        middle, factor = costs.of(own, 10), costs.error(own, 10)
        right += middle / factor <= 1e-4 <= middle * factor
    assert 0.93 <= right / worlds <= 0.97


def test_the_slope_of_the_best_rate_is_recovered():
    lrs = tuple(10 ** (i / 6) for i in range(-18, 7))
    for power in (0.5, 1.0):
        losses = bowl(("sgd",), (1, 10, 100), lrs, best=lambda o, b, p=power: 0.004 * b**p)
        (one,) = lr_scaling(grid_of(sweep_tables(losses).sweep.study))
        assert one.slope == pytest.approx(power, abs=0.05)
        assert one.slope_low <= one.slope <= one.slope_high
    (short,) = lr_scaling(grid_of(sweep_tables(bowl(("sgd",), (1, 10, 1500), lrs)).sweep.study))
    assert short.fitted.tolist() == [True, True, False] and np.isnan(short.slope), "two steps say nothing"


def test_a_trial_that_diverges_counts_as_the_initial_loss():
    tables = sweep_tables(bowl(("sgd",), (10,)), status=lambda o, b, lr, s: "diverged" if lr == 1 else "ok")
    (curve,) = tuning_curves(grid_of(tables.sweep.study), tables.runs)
    assert np.isfinite(curve.loss).all() and len(curve.trials) == 4
    finals = tables.runs["final_loss"].where(tables.runs["status"] == "ok", 0.495).to_numpy().reshape(4, 4)
    assert curve.loss[0] == pytest.approx(np.median(finals.mean(axis=0)))
    assert curve.loss[-1] == pytest.approx(np.median(finals.min(axis=0)))
