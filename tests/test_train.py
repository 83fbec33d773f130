"""Training reproduces the textbook's numbers, repeats to the last bit, and loses no run."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.parts import optimizers
from pipeline.parts.models.linear import linear
from pipeline.parts.optimizers import sgd as sgd_module
from pipeline.train.cells import train_cells
from pipeline.train.order import draw_epoch, generator

#: Full batches from w = 0 at lr 1, steps 0 to 10: it turns after step 6, because lr is above the limit 0.953.
CURVE = [0.493259, 0.275710, 0.250312, 0.246494, 0.245498, 0.245132, 0.245078, 0.245259, 0.245642, 0.246217, 0.246988]
MINIMUM = 0.2416880
FULL_BATCH = {"batch_size": 1500, "lr": 1.0, "epochs": 10}


def cell(*overrides, **values):
    return Cell(replace(compose_cell(["data=airfoil_twin", *overrides]), **values))


def train(cells, dataset, progress=None):
    names = {one.config.data.name for one in cells}
    return train_cells(cells, dict.fromkeys(names, dataset), progress)


def losses(curves, one, seed=0):
    return curves[(curves.cell_id == one.id) & (curves.seed == seed)].loss.to_numpy()


@pytest.fixture(params=["twin", "real"])
def any_dataset(request):
    """The offline twin, then the real data."""
    return request.getfixturevalue({"twin": "dataset", "real": "real_dataset"}[request.param])


# -- the textbook's numbers


def test_full_batches_from_zero_follow_the_exact_curve(any_dataset):
    one = cell("model.weight_std=0", **FULL_BATCH)
    _, curves = train([one], any_dataset)
    assert losses(curves, one) == pytest.approx(CURVE, abs=1e-4)


def test_twin_and_real_data_give_the_same_full_batch_curve(dataset, real_dataset):
    one = cell("model.weight_std=0", **FULL_BATCH)
    twin, real = (losses(train([one], data)[1], one) for data in (dataset, real_dataset))
    assert twin == pytest.approx(real, abs=1e-5)


def test_a_stable_rate_reaches_the_minimum_and_no_loss_is_below_it(any_dataset):
    one = cell(batch_size=1500, lr=0.88, epochs=100)
    runs, curves = train([one], any_dataset)
    assert runs.final_loss.item() == pytest.approx(MINIMUM, abs=1e-6)
    assert curves.loss.min() >= 0.241687


@pytest.mark.slow
def test_the_chapters_runs_end_where_a_thousand_seeds_say(real_dataset):
    labels = {"gd": (0.2476, 0.0026), "sgd": (0.2450, 0.0016), "minibatch 100": (0.2456, 0.0021)}
    labels |= {"minibatch 10": (0.2451, 0.0017)}
    cells = [one for one in load_study("textbook").cells if one.label in labels]
    runs, curves = train(cells, real_dataset)
    assert len(runs) == 80
    assert set(runs.status) == {"ok"}
    assert curves.loss.min() >= 0.241687
    for one in cells:
        mean, gate = labels[one.label]
        assert runs[runs.cell_id == one.id].final_loss.mean() == pytest.approx(mean, abs=gate), one.label


def test_the_taxonomy_of_batch_sizes_is_in_the_steps(dataset):
    cells = [cell(batch_size=b, epochs=1) for b in (1, 7, 100, 1499, 1500)]
    runs, _ = train(cells, dataset)
    assert runs.steps.tolist() == [1500, 215, 15, 2, 1]
    assert set(runs.examples) == {1500}


def test_the_learning_rate_is_constant_unless_a_schedule_says_otherwise(dataset):
    """With a factor of 0 after the first epoch the loss stays; a constant rate moves on."""
    frozen = cell("schedule=multistep", "schedule.milestones=[1]", "schedule.factor=1e-30", batch_size=10, epochs=2)
    free = cell(batch_size=10, epochs=2)
    _, curves = train([frozen, free], dataset)
    after = curves[curves.examples >= 1500]
    assert len(set(after[after.cell_id == frozen.id].loss)) == 1
    assert len(set(after[after.cell_id == free.id].loss)) > 5
    in_first = [losses(curves[curves.examples <= 1500], one) for one in (frozen, free)]
    assert np.array_equal(*in_first)


# -- an independent loop


def plain_loop(config, seed, dataset):
    """Minibatch SGD as one would write it; shares with the lab the initial weights and the order only."""
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(dataset.y)
    start = linear(config.model, 5, generator(seed, "init"))
    w = start.weight.detach()[0].clone().requires_grad_()
    b = start.bias.detach().clone().requires_grad_()
    source = generator(seed, "order")
    readings, seen, last = [], 0, 0
    for _ in range(config.epochs):
        order = draw_epoch(len(X), config.sampling.name, source)
        for rows in order.split(config.batch_size):
            loss = ((X[rows] @ w + b - y[rows]) ** 2 / 2).mean()
            grads = torch.autograd.grad(loss, [w, b])
            with torch.no_grad():
                for p, g in zip([w, b], grads, strict=True):
                    p -= config.lr * g
            seen += len(rows)
            if seen - last >= config.read_every:
                last = seen
                readings.append(F.mse_loss(X @ w + b, y).item() / 2)
    return readings


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["without_replacement", "with_replacement"])
@pytest.mark.parametrize(("batch_size", "lr"), [(1, 0.005), (10, 0.05), (100, 0.4), (128, 0.3), (1500, 0.8)])
def test_a_lightning_run_equals_an_independent_plain_loop(dataset, batch_size, lr, sampling):
    one = cell(f"sampling={sampling}", batch_size=batch_size, lr=lr, epochs=2)
    for seed in (0, 1):
        _, curves = train([replace(one, config=replace(one.config, seeds=2))], dataset)
        expected = plain_loop(one.config, seed, dataset)
        assert losses(curves, one, seed)[1 : len(expected) + 1] == pytest.approx(expected, rel=2e-5)


def test_scratch_and_torch_implementations_agree(dataset):
    scratch, by_torch = (cell(implementation=name, seeds=2) for name in ("scratch", "torch"))
    _, curves = train([scratch, by_torch], dataset)
    for seed in (0, 1):
        assert losses(curves, scratch, seed) == pytest.approx(losses(curves, by_torch, seed), rel=1e-6)


# -- seeds


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_the_same_seed_gives_the_same_losses_to_the_last_bit_and_another_seed_others(dataset, engine):
    one = cell(batch_size=10, seeds=3, epochs=1, engine=engine)
    (_, first), (_, second) = (train([one], dataset) for _ in range(2))
    assert np.array_equal(first.loss, second.loss)
    finals = first[first.examples == 1500].loss
    assert finals.nunique() == 3


def test_a_runs_losses_do_not_depend_on_what_is_trained_beside_it(dataset):
    one, other = cell(seeds=2, epochs=1), cell(batch_size=100, lr=0.4, seeds=3, epochs=1)
    alone = losses(train([one], dataset)[1], one, 1)
    assert np.array_equal(losses(train([other, one], dataset)[1], one, 1), alone)


def test_all_cells_of_a_seed_start_from_the_same_loss(dataset):
    cells = [cell(batch_size=b, lr=lr, epochs=1, seeds=2) for b, lr in [(10, 0.05), (100, 0.4)]]
    runs, _ = train(cells, dataset)
    starts = runs.groupby("seed").initial_loss.nunique()
    assert starts.tolist() == [1, 1]
    assert runs.initial_loss.nunique() == 2


# -- runs that do not end well


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_a_run_that_diverges_says_at_which_step_and_the_others_go_on(dataset, engine):
    wild, tame = cell(lr=5.0, epochs=40, engine=engine), cell(lr=0.05, epochs=40, engine=engine)
    alone = losses(train([tame], dataset)[1], tame)
    runs, curves = train([wild, tame], dataset)
    row = runs[runs.cell_id == wild.id].iloc[0]
    assert row.status == "diverged"
    assert 0 < row.diverged_step <= row.steps < wild.steps
    curve = curves[curves.cell_id == wild.id]
    assert curve.step.max() == row.diverged_step
    assert not math.isfinite(row.final_loss) or row.final_loss > 1e6 * row.initial_loss
    assert (curve.loss[:-1] <= 1e6 * row.initial_loss).all()
    assert row.best_loss == curve.loss.min()
    after = runs[runs.cell_id == tame.id].iloc[0]
    assert after.status == "ok"
    assert pd.isna(after.diverged_step)
    assert losses(curves, tame) == pytest.approx(alone, rel=1e-5)


@pytest.mark.filterwarnings("error:invalid value:RuntimeWarning")
@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_a_run_that_has_no_loss_to_begin_with_diverges_before_its_first_step(dataset, engine):
    config = compose_cell(["data=airfoil_twin", "model.weight_std=1e30", f"engine={engine}"])
    runs, curves = train([Cell(config)], dataset)
    row = runs.iloc[0]
    assert (row.status, row.steps, row.examples, row.diverged_step) == ("diverged", 0, 0, 0)
    assert pd.isna(row.seconds_per_epoch)
    assert len(curves) == 1


def test_a_loss_that_climbs_below_the_limit_is_not_yet_divergence(dataset):
    one = cell(batch_size=1500, lr=1.0, epochs=60)
    runs, _ = train([one], dataset)
    assert runs.status.item() == "ok"
    assert runs.final_loss.item() > 2 * runs.initial_loss.item()


@pytest.fixture
def rule_that_fails(monkeypatch):
    """SGD that raises where the learning rate is 0.125."""
    descend = sgd_module.sgd

    def update(params, states, hyperparams):
        if torch.as_tensor(hyperparams["lr"]).eq(0.125).any():
            raise ZeroDivisionError("a rule that fails")
        descend(params, states, hyperparams)

    monkeypatch.setattr(sgd_module, "sgd", update)
    assert optimizers.load("sgd").update is update


def test_a_run_that_raises_is_a_row_with_status_error_and_a_reason_and_the_others_stay(
    dataset, rule_that_fails, tmp_path, caplog
):
    bad, good = cell(lr=0.125, seeds=2, epochs=1), cell(lr=0.05, seeds=2, epochs=1)
    failures = {}
    runs, curves = train_cells([bad, good], {"airfoil_twin": dataset}, failures=failures)
    assert runs.status.tolist() == ["error", "error", "ok", "ok"]
    assert set(curves.cell_id) == {good.id}
    assert list(failures) == [bad.id]
    assert re.fullmatch(r"ZeroDivisionError: a rule that fails \(test_train.py, line \d+\)", failures[bad.id])
    assert [line for line in caplog.messages if "failed" in line] == [f"{bad.id} failed: {failures[bad.id]}"]
    write_table(runs, RUNS, tmp_path / "runs.parquet")
    again = read_table(tmp_path / "runs.parquet", RUNS)
    assert again.final_loss.isna().tolist() == [True, True, False, False]
    assert again.config.tolist() == runs.config.tolist()


@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_when_every_run_raises_each_cell_has_its_reason_and_the_tables_can_be_written(
    dataset, rule_that_fails, tmp_path, engine
):
    cells = [cell(lr=0.125, epochs=epochs, engine=engine) for epochs in (1, 2)]
    failures = {}
    runs, curves = train_cells(cells, {"airfoil_twin": dataset}, failures=failures)
    assert list(failures) == [one.id for one in cells]
    write_table(runs, RUNS, tmp_path / "runs.parquet")
    write_table(curves, CURVES, tmp_path / "curves.parquet")
    assert read_table(tmp_path / "runs.parquet", RUNS).status.tolist() == ["error", "error"]
    assert read_table(tmp_path / "curves.parquet", CURVES).empty


def test_a_data_set_of_other_rows_than_the_configurations_is_refused(dataset):
    fewer = replace(dataset, X=dataset.X[:400], y=dataset.y[:400])
    with pytest.raises(UserError, match=r"has 400 training examples, and the configuration of .* says 1500"):
        train([cell()], fewer)
    with pytest.raises(UserError, match="data=airfoil_twin is not among the data sets given: airfoil"):
        train_cells([cell()], {"airfoil": dataset})


# -- the tables


@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_the_tables_have_their_columns_and_survive_the_disk(dataset, engine, tmp_path):
    cells = [cell(batch_size=100, lr=lr, seeds=2, engine=engine) for lr in (0.1, 0.4, 50.0)]
    runs, curves = train(cells, dataset)
    assert runs.columns.tolist() == RUNS.names
    assert curves.columns.tolist() == CURVES.names
    for table, schema in ((runs, RUNS), (curves, CURVES)):
        write_table(table, schema, tmp_path / "table.parquet")
        pd.testing.assert_frame_equal(read_table(tmp_path / "table.parquet", schema), table, check_dtype=False)
    assert runs[["cell_id", "seed"]].to_numpy().tolist() == [[one.id, seed] for one in cells for seed in (0, 1)]
    assert set(runs.data) == {"airfoil_twin"}
    timed = engine == "solo"
    assert runs.train_seconds.notna().tolist() == [timed] * 6
    assert curves.seconds.notna().all() == timed


def test_the_curve_is_read_every_200_examples_and_its_seconds_never_go_back(dataset):
    one = cell(batch_size=10, epochs=2)
    runs, curves = train([one], dataset)
    assert curves.examples.tolist() == [*range(0, 3000, 200), 3000]
    assert curves.step.tolist() == [examples // 10 for examples in curves.examples]
    assert curves.epoch.tolist() == [examples / 1500 for examples in curves.examples]
    assert (curves.seconds.diff()[1:] >= 0).all()
    row = runs.iloc[0]
    assert (row.initial_loss, row.final_loss, row.best_loss) == (
        curves.loss.iloc[0],
        curves.loss.iloc[-1],
        curves.loss.min(),
    )
    assert row.train_seconds == curves.seconds.iloc[-1]
    assert row.seconds_per_epoch == pytest.approx(row.train_seconds / 2)


@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_progress_is_told_of_every_update(dataset, engine):
    told = []
    cells = [cell(lr=lr, seeds=2, epochs=1, engine=engine) for lr in (0.05, 0.1)]
    train(cells, dataset, lambda steps, loss: told.append((steps, loss)))
    assert sum(steps for steps, _ in told) == 4 * 150
    assert all(0.24 < loss < 1 for _, loss in told)


def test_no_cells_make_empty_tables(dataset):
    runs, curves = train([], dataset)
    assert (len(runs), len(curves)) == (0, 0)
    assert runs.columns.tolist() == RUNS.names
