"""Examples held out: their loss is read at every reading, by every engine, and changes nothing of training."""

from dataclasses import replace

import numpy as np
import pytest
from test_tasks import cell, problem

from pipeline.lab.dataset import HeldOut
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.train.app import losses_of, summary
from pipeline.train.cells import train_cells

TRAINING = ["status", "steps", "initial_loss", "final_loss", "best_loss", "engine"]
ENGINES = ("solo", "stacked")


def split(task, held_out=20):
    """Training examples of a task, and some held out."""
    data = problem(task, n=60 + held_out)
    return replace(data, X=data.X[:60], y=data.y[:60], held_out=HeldOut(data.X[60:], data.y[60:]))


def trained(data, task, *overrides, **values):
    values = {"epochs": 3, "seeds": 2} | values
    return train_cells([cell(task, data, *overrides, **values)], {"mine": data})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_held_out_rows_that_are_the_training_rows_have_their_loss_at_every_reading(task, engine):
    data = problem(task)
    runs, curves = trained(replace(data, held_out=HeldOut(data.X, data.y)), task, "model=mlp", engine=engine)
    assert set(runs.engine) == {engine}
    np.testing.assert_array_equal(curves.validation_loss, curves.loss)
    np.testing.assert_array_equal(runs.final_validation_loss, runs.final_loss)
    np.testing.assert_array_equal(runs.best_validation_loss, runs.best_loss)
    last = curves.groupby("seed").validation_accuracy.last()
    np.testing.assert_array_equal(runs.accuracy, last)
    assert last.isna().all() == (task == "regression")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_held_out_rows_change_no_number_of_training(task, engine):
    first = split(task)
    other = replace(first, held_out=HeldOut(first.held_out.X[:7] * 3 + 1, first.held_out.y[:7]))
    none = replace(first, held_out=None)
    (runs, curves), *others = (trained(data, task, "model=mlp", engine=engine) for data in (first, other, none))
    for other_runs, other_curves in others:
        assert runs[TRAINING].equals(other_runs[TRAINING])
        np.testing.assert_array_equal(curves[["step", "loss"]], other_curves[["step", "loss"]])
        assert not curves.validation_loss.equals(other_curves.validation_loss)


@pytest.mark.parametrize("task", ["regression", "binary", "classification"])
def test_stacked_runs_read_the_held_out_losses_of_the_same_runs_alone(task):
    data = split(task)
    (runs, curves), (stacked, stacked_curves) = (trained(data, task, "model=mlp", engine=engine) for engine in ENGINES)
    np.testing.assert_allclose(stacked_curves.validation_loss, curves.validation_loss, rtol=1e-5)
    np.testing.assert_array_equal(stacked_curves.validation_accuracy, curves.validation_accuracy)
    np.testing.assert_array_equal(stacked.accuracy, runs.accuracy)
    assert not np.allclose(curves.validation_loss, curves.loss, rtol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_without_them_the_columns_are_empty_and_with_them_they_are_stored(engine, tmp_path):
    data = split("classification")
    none, with_them = (trained(one, "classification", engine=engine) for one in (replace(data, held_out=None), data))
    assert none[0][["final_validation_loss", "best_validation_loss", "accuracy"]].isna().all(axis=None)
    assert none[1][["validation_loss", "validation_accuracy"]].isna().all(axis=None)
    for table, schema in zip(with_them, (RUNS, CURVES), strict=True):
        write_table(table, schema, tmp_path / "table.parquet")
        stored = read_table(tmp_path / "table.parquet", schema)
        assert stored[[name for name in schema.names if name in HELD_OUT]].notna().all(axis=None)


HELD_OUT = ("final_validation_loss", "best_validation_loss", "accuracy", "validation_loss", "validation_accuracy")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_diverges_keeps_the_best_loss_of_examples_held_out(engine):
    data = split("regression")
    runs, curves = trained(data, "regression", lr=1e6, epochs=20, engine=engine)
    assert set(runs.status) == {"diverged"}
    assert runs.best_validation_loss.tolist() == curves.groupby("seed").validation_loss.min().tolist()
    assert (runs.final_validation_loss == curves.groupby("seed").validation_loss.last().to_numpy()).all()


def test_the_command_ends_with_it_and_a_sweeper_minimises_it():
    runs, _ = trained(split("classification"), "classification")
    line = f"loss: {runs.final_loss.median():.3f}, validation loss: {runs.final_validation_loss.median():.3f}, accuracy"
    assert summary(runs).startswith(line)
    assert losses_of(runs).median() == runs.final_validation_loss.median()
    assert losses_of(runs.assign(final_validation_loss=np.nan)).median() == runs.final_loss.median()
    assert losses_of(runs, "loss").median() == runs.final_loss.median()


@pytest.mark.parametrize(
    ("held_out", "why"),
    [
        (HeldOut(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)), r"held out have the shape \(0, 3\)"),
        (HeldOut(np.zeros((4, 2), np.float32), np.zeros(4, np.int64)), r"held out have the shape \(4, 2\)"),
        (HeldOut(np.zeros((4, 3), np.float32), np.full(4, 3)), "data=mine, which has 4 classes"),
    ],
)
def test_held_out_rows_of_another_kind_are_refused_before_anything_is_trained(held_out, why):
    data = replace(problem("classification"), held_out=held_out)
    with pytest.raises(UserError, match=why):
        trained(data, "classification")


@pytest.mark.slow
def test_two_processes_read_the_held_out_loss_of_one():
    data = split("classification")
    alone, together = (trained(data, "classification", *more, seeds=1) for more in ([], ["trainer=ddp"]))
    assert set(together[0].status) == {"ok"}
    for column in ("loss", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(together[1][column], alone[1][column], rtol=1e-5)
