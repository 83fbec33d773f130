"""The workflow on a real Slurm: the same tables, whatever happens to its jobs."""

import re

import pandas as pd
import pytest
import torch
import yaml

from pipeline.lab.config.schema import StudyConfig
from pipeline.lab.config.study import expand
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.train.cells import train_cells
from tests.inputs.door import complaints

from .slurm_node import CORES

pytestmark = pytest.mark.slow

#: A cell a job: as many jobs as there are learning rates.
MANY = {
    "name": "many",
    "engine": "stacked",
    "pack_by": ["lr"],
    "seeds": 2,
    "common": {"data": "airfoil_twin", "batch_size": 100, "epochs": 1},
    "grid": {"lr": [0.1, 0.2, 0.4]},
}
#: A job an optimizer.
SMALL_SWEEP = {
    "name": "small_sweep",
    "engine": "stacked",
    "pack_by": ["optimizer"],
    "seeds": 3,
    "lr_points": 4,
    "common": {"data": "airfoil_twin", "epochs": 1},
    "grid": {"optimizer": ["sgd", "adam"], "batch_size": [10, 100]},
}
#: A job on one GPU, and one on two.
ON_GPUS = {
    "name": "on_gpus",
    "engine": "stacked",  # untimed, so that they run side by side
    "pack_by": ["lr"],
    "common": {"data": "airfoil_twin", "batch_size": 100, "epochs": 1},
    "cells": {
        "one": {"lr": 0.1, "trainer": "gpu"},
        "two": {"lr": 0.2, "trainer": "ddp", "trainer.accelerator": "gpu"},
    },
}
CLOCKS = ["train_seconds", "seconds_per_epoch", "seconds"]


def add_study(lab, study):
    """What a user does to add a study: a file."""
    text = yaml.safe_dump({"defaults": ["base_study", "_self_"], **study})
    (lab.folder / "conf" / "study" / f"{study['name']}.yaml").write_text(text)


def tables(folder):
    """A study's two tables, without the clocks."""
    read = read_table(folder / "runs.parquet", RUNS), read_table(folder / "curves.parquet", CURVES)
    return [table.drop(columns=[name for name in CLOCKS if name in table]) for table in read]


def assert_same(study, expected):
    for table, wanted in zip(tables(study), expected, strict=True):
        pd.testing.assert_frame_equal(table, wanted, check_exact=True)


@pytest.fixture
def many(slurm_lab):
    add_study(slurm_lab, MANY)
    return slurm_lab


@pytest.fixture(scope="module")
def many_expected(dataset, tmp_path_factory):
    """The tables of MANY without Snakemake and Slurm: each job's cells, trained here."""
    folder = tmp_path_factory.mktemp("expected")
    made = [train_cells([cell], {"airfoil_twin": dataset}) for cell in expand(StudyConfig(**MANY))]
    for parts, schema, name in zip(zip(*made, strict=True), (RUNS, CURVES), ("runs", "curves"), strict=True):
        write_table(pd.concat(parts, ignore_index=True), schema, folder / f"{name}.parquet")
    return tables(folder)


def states(lab):
    return [job["JobState"] for job in lab.jobs().values()]


def test_the_textbook_and_a_sweep_come_out_as_on_one_machine(slurm_lab, run):
    lab = slurm_lab
    add_study(lab, SMALL_SWEEP)
    what = ("textbook", "small_sweep", "--config", "overrides=[data=airfoil_twin,seeds=2]")
    local = run("snakemake", "--cores", "2", *what, cwd=lab.folder)
    assert local.returncode == 0, local.stderr[-4000:]
    (lab.folder / "results").rename(lab.folder / "local")

    lab.makes(*what)
    for study in ("textbook", "small_sweep"):
        assert_same(lab.folder / "results" / study, tables(lab.folder / "local" / study))
    # Three jobs went through Slurm; the one that is timed had the node to itself.
    assert states(lab) == ["COMPLETED"] * 3
    cores = {job["Comment"].split("wildcards_")[-1]: int(job["NumCPUs"]) for job in lab.jobs().values()}
    assert cores == {"textbook_all": CORES, "small_sweep_sgd": 1, "small_sweep_adam": 1}
    # What Slurm caught is kept beside the training's own logs.
    assert len(list((lab.folder / "results" / "logs" / "slurm").rglob("*.log"))) == 3


def test_a_cancelled_job_is_sent_again_and_the_workflow_completes(many, many_expected):
    running = many.start("many")
    began = many.folder / "results" / "many" / "jobs" / "lr0p1" / ".hydra" / "config.yaml"
    victim = many.cluster.wait_for(lambda jobs: began.exists() and _job_of(many, "lr0p1"), "training never began")
    many.cluster.ask("scancel", str(victim))
    status, said = many.finish(running)
    assert status == 0, said[-4000:]
    assert sorted(states(many)) == ["CANCELLED", "COMPLETED", "COMPLETED", "COMPLETED"]
    assert many.jobs()[victim]["JobState"] == "CANCELLED"
    assert_same(many.folder / "results" / "many", many_expected)


def _job_of(lab, name):
    """The number of the last job that was sent for a job of the workflow."""
    return max(number for number, job in lab.jobs().items() if job["Comment"].endswith(f"_{name}"))


def test_a_node_that_is_drained_and_resumed_loses_nothing(many, many_expected):
    # Two of the three fit into the node's memory at once, so that one waits.
    running = many.start("many", "--default-resources", "mem_mb=6000", "runtime=10")
    many.cluster.wait_for(
        lambda _: sorted(states(many)) == ["PENDING", "RUNNING", "RUNNING"], "not two running and one waiting"
    )
    many.cluster.ask("scontrol", "update", "nodename=node", "state=drain", "reason=test")
    many.cluster.wait_for(
        lambda _: sorted(states(many)) == ["COMPLETED", "COMPLETED", "PENDING"],
        "the node did not end what it had begun",
    )
    assert many.cluster.is_drained()
    assert running.poll() is None
    many.cluster.ask("scontrol", "update", "nodename=node", "state=resume")
    status, said = many.finish(running)
    assert status == 0, said[-4000:]
    assert states(many) == ["COMPLETED"] * 3
    assert_same(many.folder / "results" / "many", many_expected)


def test_small_jobs_travel_together(many, many_expected):
    many.makes("many", "--groups", "train=cells", "--group-components", "cells=3")
    assert states(many) == ["COMPLETED"]
    [job] = many.jobs().values()
    assert int(job["NumCPUs"]) == 3
    assert_same(many.folder / "results" / "many", many_expected)


def test_a_job_on_gpus_is_given_as_many_as_it_asks_for(slurm_lab):
    lab = slurm_lab
    add_study(lab, ON_GPUS)
    status, said = lab.finish(lab.start("on_gpus", "--retries", "0"))
    by_job = {job["Comment"].split("on_gpus_")[-1]: (number, job) for number, job in lab.jobs().items()}
    for name, devices in (("lr0p1", 1), ("lr0p2", 2)):
        number, job = by_job[name]
        assert job["TresPerJob"] == f"gres:gpu:{devices}"  # what sbatch was told ...
        assert job["JOB_GRES"] == f"gpu:{devices}"  # ... and what Slurm gave
        log = next((lab.folder / "results" / "logs" / "slurm").rglob(f"{number}.log")).read_text()
        assert re.search(rf"resources: .*\bgpu={devices}\b", log), log
        if torch.cuda.device_count() >= devices:
            assert job["JobState"] == "COMPLETED", said[-4000:]
        else:  # then the training says so, and the job fails
            assert (status != 0, job["JobState"]) == (True, "FAILED")
            told = (lab.folder / "results" / "logs" / "train" / "on_gpus" / f"{name}.log").read_text()
            assert complaints(told).startswith("error: trainer.")
            assert "Traceback" not in told
