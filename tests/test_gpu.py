"""On a CUDA device training gives what it gives on the CPU, repeats itself, and is timed honestly.

Skipped where there is none: ``make test-gpu`` runs these on a machine that has one.
"""

import json
import sys
from dataclasses import replace

import pytest
import torch
from test_held_out import split
from test_tasks import cell as rows_cell

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.config.schema import TrainerConfig
from pipeline.lab.tables import RUNS, read_table
from pipeline.train import solo as solo_module
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.train.intervals import intervals_of
from pipeline.train.solo import train_solo

GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(GPUS == 0, reason=f"torch {torch.__version__} finds no CUDA device"),
]
needs_two = pytest.mark.skipif(GPUS < 2, reason=f"torch finds {GPUS} CUDA devices, and this takes 2")

#: What is trained: plain and stateful rules, both implementations, ragged last minibatches, a network.
KINDS = {
    "sgd": ["batch_size=10", "lr=0.05"],
    "full batch": ["batch_size=1500", "lr=0.8", "epochs=10"],
    "momentum, ragged": ["optimizer=momentum", "batch_size=33", "lr=0.01", "sampling=with_replacement"],
    "torch.optim's Adam": ["optimizer=adam", "batch_size=100", "lr=0.01", "implementation=torch"],
    "a schedule": ["optimizer=rmsprop", "batch_size=100", "lr=0.01", "schedule=cosine"],
    "a network": ["model=mlp", "batch_size=100", "lr=0.05"],
}


def cell(*overrides, devices=1, accelerator="cpu"):
    config = compose_cell(["data=airfoil_twin", *overrides])
    return Cell(replace(config, trainer=TrainerConfig(accelerator, devices)))


def on_gpu(one, devices=1):
    return Cell(replace(one.config, trainer=TrainerConfig("gpu", devices)))


@pytest.fixture
def train(dataset):
    return lambda *cells: train_cells(cells, {"airfoil_twin": dataset})


def assert_agree(curves, expected):
    columns = ["seed", "step", "examples"]
    assert curves[columns].to_numpy().tolist() == expected[columns].to_numpy().tolist()
    assert curves.loss.to_numpy() == pytest.approx(expected.loss.to_numpy(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_agrees_with_the_cpus(train, kind):
    one = cell(*KINDS[kind], "seeds=2")
    runs, curves = train(on_gpu(one))
    assert runs.status.tolist() == ["ok", "ok"]
    assert json.loads(runs.config[0])["trainer"]["accelerator"] == "gpu"
    assert_agree(curves, train(one)[1])


@pytest.mark.parametrize("kind", ["sgd", "momentum, ragged", "a schedule", "a network"])
def test_a_stack_agrees_with_the_cpus(train, kind):
    cells = [cell(*KINDS[kind], "seeds=3", "engine=stacked", f"lr={lr}") for lr in (0.001, 0.003, 0.01)]
    runs, curves = train(*map(on_gpu, cells))
    assert set(runs.engine) == {"stacked"}
    assert_agree(curves, train(*cells)[1])


@pytest.mark.parametrize("engine", ["solo", "stacked"])
def test_classifiers_and_their_examples_held_out_agree_with_the_cpus(engine):
    data = split("classification")
    one = rows_cell("classification", data, "model=mlp", engine=engine, seeds=2)
    (runs, found), (_, expected) = (train_cells([each], {"mine": data}) for each in (on_gpu(one), one))
    assert set(runs.engine) == {engine}
    assert_agree(found, expected)
    assert found.validation_loss.to_numpy() == pytest.approx(expected.validation_loss.to_numpy(), rel=1e-5)
    assert found.validation_accuracy.tolist() == expected.validation_accuracy.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_device_repeats_its_losses_bit_for_bit(train, kind):
    one = on_gpu(cell(*KINDS[kind], "seeds=2"))
    assert train(one)[1].loss.tolist() == train(one)[1].loss.tolist()


def test_the_same_device_repeats_a_classifiers_losses_bit_for_bit(tmp_path):
    config = compose_cell(["data=digits", "model=cnn", "optimizer=adam", "lr=0.002", "batch_size=32"])
    one, digits = on_gpu(Cell(config)), prepared(config.data, tmp_path)
    first, second = (train_cells([one], {"digits": digits}) for _ in range(2))
    assert first[0].status.tolist() == ["ok"]
    assert first[1].loss.tolist() == second[1].loss.tolist()
    assert first[0].accuracy.tolist() == second[0].accuracy.tolist()


def test_parameters_data_and_losses_are_on_the_device(dataset, monkeypatch):
    made = []

    class Watched(solo_module.SoloRun):
        def read_loss(self):
            loss = super().read_loss()
            made.append({tensor.device.type for tensor in (loss, self.X, self.y, *self.net.parameters())})
            return loss

    monkeypatch.setattr(solo_module, "SoloRun", Watched)
    train_solo(on_gpu(cell(*KINDS["sgd"])), 0, dataset)
    solo_module.warm_up(on_gpu(cell(*KINDS["sgd"])), dataset)  # or the first run would pay for CUDA's start
    assert made
    assert all(devices == {"cuda"} for devices in made)


def test_the_clock_waits_for_the_device_at_both_ends_of_every_interval(dataset, monkeypatch):
    one = on_gpu(cell(*KINDS["sgd"]))
    waited = []
    wait = torch.cuda.synchronize
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: (waited.append(device), wait(device)))
    trained = train_solo(one, 0, dataset)
    assert len([device for device in waited if device is not None]) == 2 * len(intervals_of(one))
    assert (trained.seconds[1:] > trained.seconds[:-1]).all()


def test_auto_takes_the_gpu(train):
    runs, _ = train(cell(*KINDS["sgd"], accelerator="auto"))
    assert json.loads(runs.config[0])["trainer"]["accelerator"] == "gpu"


def test_the_command_line_trains_on_the_gpu(run, tmp_path):
    done = run(
        *(sys.executable, "-m", "pipeline.train", "trainer=gpu", "batch_size=100", "lr=0.4", "data=airfoil_twin"),
        *("track=false", f"data_dir={tmp_path}/data", f"hydra.run.dir={tmp_path}/out"),
    )
    assert done.returncode == 0, done.stderr
    runs = read_table(tmp_path / "out" / "runs.parquet", RUNS)
    assert runs[["status", "steps"]].to_numpy().tolist() == [["ok", 30]]


@needs_two
@pytest.mark.parametrize("kind", ["sgd", "momentum, ragged", "torch.optim's Adam"])
def test_two_devices_agree_with_one(train, kind):
    one = cell(*KINDS[kind])
    runs, curves = train(on_gpu(one, devices=2))
    assert runs.status.tolist() == ["ok"]
    assert_agree(curves, train(on_gpu(one))[1])
