"""Two processes that share every minibatch train as one process does."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
from conftest import ROOT

from pipeline import parts
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.config.schema import TrainerConfig
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.train.cells import train_cells
from pipeline.train.plan import can_stack
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings

#: Sound on the two examples on which a model is tried before it trains.
BROKEN = """
from torch import nn


class Broken(nn.Linear):
    def forward(self, X):
        if len(X) > 2:
            raise ValueError
        return super().forward(X)


def broken(config, in_features, generator):
    return Broken(in_features, 1)
"""


def cell(*overrides, devices=1, **values):
    config = replace(compose_cell(["data=airfoil_twin", *overrides]), **values)
    return Cell(replace(config, trainer=TrainerConfig("cpu", devices)))


def on_two(one):
    return Cell(replace(one.config, trainer=TrainerConfig("cpu", 2)))


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one_and_a_failing_run_spares_the_others(dataset, tmp_path, monkeypatch):
    cells = [
        cell(batch_size=100, lr=0.4, seeds=2),
        cell(batch_size=7, lr=0.02, epochs=1),  # shares of 4 and 3, and at the end of 1 and 1
        cell(batch_size=1, lr=0.005, epochs=1),  # one process has nothing to do
        cell(batch_size=1500, lr=0.8, epochs=10),
        cell("optimizer=momentum", "sampling=with_replacement", batch_size=33, lr=0.01),
        cell("optimizer=adam", "model=mlp", "schedule=cosine", batch_size=100, lr=0.003, implementation="torch"),
    ]
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "broken.py").write_text(BROKEN)
    (tmp_path / "model" / "broken.yaml").write_text("name: broken\n")
    monkeypatch.setenv(parts.VARIABLE, str(tmp_path))  # the processes of a run find the user's parts too
    broken = cell("model=broken")
    wild = cell(lr=1e6)
    datasets = {"airfoil_twin": dataset}
    _, expected = train_cells([*cells, wild], datasets)
    together = [on_two(one) for one in (cells[0], broken, wild, *cells[1:])]
    runs, curves = train_cells(together, datasets)
    assert runs.set_index("cell_id").status.drop_duplicates().tolist() == ["ok", "error", "diverged"]
    assert runs[runs.status == "error"].cell_id.tolist() == [broken.id]
    for one in cells:
        columns = ["seed", "step", "examples"]
        own, same = (table[table.cell_id == one.id] for table in (curves, expected))
        assert own[columns].to_numpy().tolist() == same[columns].to_numpy().tolist()
        assert own.loss.to_numpy() == pytest.approx(same.loss.to_numpy(), rel=1e-6), one.id
    assert np.isfinite(runs[runs.status == "ok"].train_seconds).all()


@pytest.mark.slow
def test_the_command_line_writes_its_tables_once(run, tmp_path):
    done = run(
        *(sys.executable, "-m", "pipeline.train", "trainer=ddp", "trainer.devices=2", "batch_size=100", "lr=0.4"),
        *("data=airfoil_twin", "track=false", f"data_dir={tmp_path}/data", f"hydra.run.dir={tmp_path}/out"),
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("loss: ")] == done.stdout.splitlines()[-1:]
    runs = read_table(tmp_path / "out" / "runs.parquet", RUNS)
    assert runs[["status", "steps", "engine"]].to_numpy().tolist() == [["ok", 30, "solo"]]
    assert len(read_table(tmp_path / "out" / "curves.parquet", CURVES)) == 16
    assert len(list(tmp_path.rglob("runs.parquet"))) == 1


def test_the_number_of_devices_does_not_make_another_cell_and_forbids_a_stack():
    one = cell(engine="stacked")
    assert on_two(one).id == one.id
    assert can_stack(one)
    assert not can_stack(on_two(one))


def test_files_are_decoded_one_by_one_on_one_device_only():
    with pytest.raises(UserError, match=r"data.loading=per_item is not allowed with trainer.devices=2"):
        compose_cell(["data=digits", "model=cnn", "data.loading=per_item", "trainer=ddp"])


@pytest.mark.parametrize(("study", "threads"), [("textbook", 8), ("siblings", 2)])
def test_a_job_takes_a_core_for_each_process(study, threads):
    class Wildcards:
        job = "all"

    Wildcards.study = study
    jobs = Jobs(read_settings({"overrides": ["trainer=ddp"]}))
    assert jobs.threads(Wildcards, 8) == threads
    assert jobs.gpus(Wildcards) == 0
    on_gpus = read_settings({"overrides": ["trainer=ddp", "trainer.accelerator=gpu"]})
    assert Jobs(on_gpus).gpus(Wildcards) == 2


def workers(process):
    """The processes that a training command has started, one a device."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_a_device_that_stalls_ends_its_run_after_the_time_that_is_set_and_spares_what_is_done(tmp_path):
    folder = tmp_path / "tmp"  # where the first process writes down each run that is done
    folder.mkdir()
    command = (
        *(sys.executable, "-m", "pipeline.train", "trainer=ddp", "trainer.timeout=20", "data=airfoil_twin"),
        *("batch_size=1", "lr=0.005", "epochs=5", "seeds=2", "track=false"),
        *(f"data_dir={tmp_path}/data", f"hydra.run.dir={tmp_path}/out"),
    )
    with (tmp_path / "log").open("wb") as log:
        training = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, stdout=log, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 300
    while not list(folder.glob("*/0")):
        assert training.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline, "the first run was never done"
        time.sleep(0.02)
    workers(training)[-1].suspend()
    assert training.wait(timeout=300) == 1  # a failed run reaches the exit status
    said = (tmp_path / "log").read_text()
    assert "a device kept the others waiting for more than trainer.timeout=20 seconds" in said
    assert "Traceback" not in said
    runs = read_table(tmp_path / "out" / "runs.parquet", RUNS)
    assert runs.status.tolist() == ["ok", "error"]


def test_a_time_out_must_be_a_time():
    with pytest.raises(UserError, match=r"trainer.timeout=0.0 is not allowed: it must be a finite number above 0"):
        compose_cell(["trainer=ddp", "trainer.timeout=0"])
