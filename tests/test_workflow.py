"""Snakemake runs what is needed, and nothing else; every test works in a copy of the repository."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.lab.tables import CURVES, RUNS, read_table

pytestmark = pytest.mark.slow

SMALL = "overrides=[data=airfoil_twin,epochs=1,seeds=2]"

DUO = """
defaults: [base_study, _self_]
name: duo
engine: stacked
pack_by: [optimizer]
common: {data: airfoil_twin, batch_size: 100, epochs: 1}
grid: {optimizer: [sgd, half], lr: [0.1, 0.2]}
"""

RULE = '''"""A rule that the test made."""


def NAME(params, states, hyperparams):
    """Take a fraction of a step."""
    for p in params:
        p.data.sub_(hyperparams["fraction"] * hyperparams["lr"] * p.grad)
'''

RULE_CONF = """
defaults: [base_optimizer, _self_]
name: NAME
hyperparams: {fraction: 0.5}
lr_range: [1.0e-4, 1.0]
"""


def add_optimizer(lab, name):
    """What a user does to add an optimizer: two files."""
    (lab / "pipeline" / "optimizers" / f"{name}.py").write_text(RULE.replace("NAME", name))
    (lab / "conf" / "optimizer" / f"{name}.yaml").write_text(RULE_CONF.replace("NAME", name))


def touch(path):
    """Edit a file without changing what it does."""
    path.write_text(path.read_text() + "\n# edited\n")


class Lab:
    """A copy of the repository, and snakemake in it."""

    def __init__(self, folder, run):
        self.folder = folder
        self._run = run

    def __call__(self, *arguments):
        return self._run("snakemake", "--cores", "2", *arguments, cwd=self.folder)

    def makes(self, *arguments):
        done = self(*arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout + done.stderr

    def would_run(self, *arguments):
        """(rule, job or None) of everything that a run would do now, without the targets."""
        said = self.makes("--dry-run", *arguments)
        blocks = re.findall(r"^(?:local)?rule (\w+):\n((?: +.*\n)+)", said, re.MULTILINE)
        assert blocks or "Nothing to be done" in said
        jobs = {(rule, *re.findall(r"wildcards: .*\bjob=([\w-]+)", text)) for rule, text in blocks}
        return jobs - {("duo",), ("textbook",)}

    def losses(self, study):
        curves = read_table(self.folder / "results" / study / "curves.parquet", CURVES)
        return curves.sort_values(["cell_id", "seed", "step"]).loss.to_numpy()


@pytest.fixture
def lab(lab_copy, run):
    return Lab(lab_copy, run)


@pytest.fixture
def duo(lab):
    """A study of two optimizers, a job each, that has been run."""
    add_optimizer(lab.folder, "half")
    (lab.folder / "conf" / "study" / "duo.yaml").write_text(DUO)
    lab.makes("duo")
    return lab


def test_a_study_runs_end_to_end_and_a_second_run_has_nothing_to_do(lab):
    lab.makes("textbook", "--config", SMALL)
    runs = read_table(lab.folder / "results" / "textbook" / "runs.parquet", RUNS)
    assert set(runs.status) == {"ok"}
    assert set(runs.data) == {"airfoil_twin"}
    assert set(runs.epochs) == {1}
    assert (runs.groupby("cell_id").seed.nunique() == 2).all()
    assert runs.train_seconds.notna().all()
    assert "Nothing to be done" in lab.makes("textbook", "--config", SMALL)

    touch(lab.folder / "pipeline" / "optimizers" / "sgd.py")
    assert lab.would_run("textbook", "--config", SMALL) == {("train", "all"), ("collect",)}
    more_seeds = SMALL.replace("seeds=2", "seeds=3")
    assert lab.would_run("textbook", "--config", more_seeds) == {("train", "all"), ("collect",)}


def test_an_edit_reruns_what_depends_on_it_and_nothing_else(duo):
    lab = duo.folder
    assert "Nothing to be done" in duo.makes("duo")
    for harmless in ("pipeline/parts/optimizers/adam.py", "conf/optimizer/adam.yaml", "conf/study/duo.yaml", "LICENSE"):
        touch(lab / harmless)
    (lab / "pipeline" / "figures").mkdir(exist_ok=True)
    (lab / "pipeline" / "figures" / "one_more.py").write_text('"""A figure."""\n')
    (lab / "pipeline" / "report").mkdir(exist_ok=True)
    (lab / "pipeline" / "report" / "one_more.py").write_text('"""A section."""\n')
    assert duo.would_run("duo") == set()

    # another optimizer: its own cells only
    add_optimizer(lab, "third")
    study = lab / "conf" / "study" / "duo.yaml"
    study.write_text(study.read_text().replace("[sgd, half]", "[sgd, half, third]"))
    assert duo.would_run("duo") == {("train", "third"), ("collect",)}
    before = {job: (lab / f"results/duo/jobs/{job}/runs.parquet").stat().st_mtime_ns for job in ("sgd", "half")}
    duo.makes("duo")
    runs = read_table(lab / "results" / "duo" / "runs.parquet", RUNS)
    assert runs.groupby("optimizer").size().to_dict() == {"half": 2, "sgd": 2, "third": 2}
    assert before == {job: (lab / f"results/duo/jobs/{job}/runs.parquet").stat().st_mtime_ns for job in before}

    # the file, then the configuration, of one optimizer: its job only
    touch(lab / "pipeline" / "optimizers" / "half.py")
    assert duo.would_run("duo") == {("train", "half"), ("collect",)}
    conf = lab / "conf" / "optimizer" / "third.yaml"
    conf.write_text(conf.read_text().replace("0.5", "0.25"))
    assert duo.would_run("duo") == {("train", "half"), ("train", "third"), ("collect",)}
    old = set(runs[runs.optimizer == "third"].cell_id)
    duo.makes("duo")
    runs = read_table(lab / "results" / "duo" / "runs.parquet", RUNS)
    assert set(runs[runs.optimizer == "third"].cell_id).isdisjoint(old)
    assert "Nothing to be done" in duo.makes("duo")

    # what every job uses
    touch(lab / "pipeline" / "train" / "order.py")
    everything = {("train", "sgd"), ("train", "half"), ("train", "third"), ("collect",)}
    assert duo.would_run("duo") == everything
    touch(lab / "pipeline" / "whiten" / "whiten.py")
    assert duo.would_run("duo") == everything | {("whiten",)}


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("overrides=[lrr=1]", "lrr=1 is not allowed: a cell has no such key"),
        ("overrides=[lr=-1]", "lr=-1.0 is not allowed: it must be a finite number above 0"),
        ("overrides=[optimizer=sdg]", "optimizer=sdg is not allowed"),
        ("overrides=[data.rows=100]", "study textbook: batch_size=1500 is not allowed: airfoil has 100"),
        ("lr=1", "--config lr=1 is not allowed"),
    ],
)
def test_a_wrong_override_is_refused_with_one_sentence_before_anything_is_written(lab, config, told):
    done = lab("textbook", "--config", config)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in errors[0]
    assert "Traceback" not in done.stderr
    assert not (lab.folder / "results").exists()
    lab.makes("--dry-run", "textbook")  # no lock is left behind


def start(lab, *arguments):
    """Start snakemake in a process group of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        ["snakemake", "--cores", "2", *arguments],
        cwd=lab.folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_a_killed_run_finishes_when_it_is_started_again_and_equals_an_undisturbed_one(lab):
    # Long enough to be killed in its middle: 75,000 updates.
    (lab.folder / "conf" / "study" / "long.yaml").write_text(
        "defaults: [base_study, _self_]\nname: long\ncommon: {data: airfoil_twin, lr: 0.005, batch_size: 1}\n"
        "cells: {all: {epochs: 50}}\n"
    )
    lab.makes("long")
    undisturbed = lab.losses("long")
    done = lab.folder / "results" / "long"
    done.rename(lab.folder / "undisturbed")

    running = start(lab, "long")
    try:
        deadline = time.monotonic() + 120
        while not (done / "jobs" / "all" / ".hydra" / "config.yaml").is_file():
            assert running.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "training never began"
            time.sleep(0.05)
        time.sleep(4.0)  # past the imports
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert not (done / "runs.parquet").exists()
    assert list(done.rglob("*.tmp")) == []

    lab.makes("--unlock")  # a killed snakemake cannot take its lock away
    lab.makes("long")
    assert np.array_equal(lab.losses("long"), undisturbed)
    assert "Nothing to be done" in lab.makes("long")
