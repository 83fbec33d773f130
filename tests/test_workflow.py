"""Snakemake runs what is needed, and nothing else; every test works in a copy of the repository."""

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from repository import ROOT, copy_repository

from pipeline.lab.tables import CURVES, RUNS, read_table

pytestmark = pytest.mark.slow

SMALL = "overrides=[data=airfoil_twin,epochs=1,seeds=2]"

DUO = """
defaults: [base_study, _self_]
name: duo
title: Two optimizers
engine: stacked
pack_by: [optimizer, schedule]
common: {data: airfoil_twin, batch_size: 100, epochs: 1, lr: 0.1}
cells:
  plain: {optimizer: sgd}
  averaged: {optimizer: adam}
  falling: {optimizer: sgd, schedule: cosine}
"""
#: Everything that is made of the study, and one measurement.
EVERYTHING = ("--config", "studies=[duo]", "measurements=[gradient_noise]")
SHOWN = {"collect", "figures", "claims", "report", "log_runs", "log_figures"}


def what_rules_say():
    """A pattern of the message of each rule's jobs, from the files of the rules."""
    found = {"measure_gradient_noise": "Measure: gradient noise"}
    for path in sorted((ROOT / "pipeline" / "workflow" / "rules").glob("*.smk")):
        for text in re.split(r"^(?:rule|checkpoint) ", path.read_text(), flags=re.MULTILINE)[1:]:
            for message in re.findall(r'^    message:\n        "(.*)"$', text, re.MULTILINE):
                name = text.partition(":")[0]
                found[name] = re.sub(r"\{(?:wildcards\.|resources\.)?(\w+)\}", r"(?P<\1>\\S+)", message)
    return found


def edit(path, old, new):
    """Replace a text that is there; an empty one is the end of the file."""
    text = path.read_text()
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1) if old else text + new)


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
        self.last = done.stderr.splitlines()[-1]
        return done.stdout + done.stderr

    def would_run(self, *arguments):
        """Rules, and jobs of ``train``, that a run would do now, without the targets."""
        said = self.makes("--dry-run", *arguments)
        told = re.findall(r"^Job \d+: (.*)$", said, re.MULTILINE)
        assert told or "Nothing to be done" in said
        patterns = what_rules_say().items()
        found = [[(rule, match) for rule, text in patterns if (match := re.fullmatch(text, line))] for line in told]
        return {" ".join([rule, *filter(None, [match.groupdict().get("job")])]) for ((rule, match),) in found}

    def losses(self, study):
        curves = read_table(self.folder / "results" / study / "curves.parquet", CURVES)
        return curves.sort_values(["cell_id", "seed", "step"]).loss.to_numpy()


@pytest.fixture
def lab(lab_copy, run):
    return Lab(lab_copy, run)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, run):
    """A lab in which everything was made."""
    lab = Lab(copy_repository(tmp_path_factory.mktemp("finished") / "lab"), run)
    (lab.folder / "conf" / "study" / "duo.yaml").write_text(DUO)
    lab.makes(*EVERYTHING)
    assert lab.would_run(*EVERYTHING) == set()
    return lab


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


#: Long enough to be stopped in its middle: 75,000 updates.
LONG = """
defaults: [base_study, _self_]
name: long
common: {data: airfoil_twin, lr: 0.005, batch_size: 1}
cells: {all: {epochs: 50}}
"""


def wait_until_it_trains(lab, running):
    """Wait until the study ``long`` trains."""
    deadline = time.monotonic() + 120
    while not (lab.folder / "results" / "long" / "jobs" / "all" / ".hydra" / "config.yaml").is_file():
        assert running.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline, "training never began"
        time.sleep(0.05)
    time.sleep(4.0)  # past the imports


CODE, COMMENT = ("", "\nEDITED = True\n"), ("", "\n# A comment.\n")
TRAINED = {"train adam-constant", "train sgd-constant", "train sgd-cosine"}


@pytest.mark.parametrize(
    ("file", "change", "planned"),
    [
        ("pipeline/parts/schedules/__init__.py", CODE, TRAINED | SHOWN),
        ("pipeline/parts/schedules/cosine.py", CODE, {"train sgd-cosine"} | SHOWN),
        ("pipeline/parts/optimizers/adam.py", CODE, {"train adam-constant"} | SHOWN),
        ("pipeline/parts/optimizers/lion.py", CODE, set()),
        ("pipeline/train/order.py", CODE, TRAINED | SHOWN),
        ("pipeline/whiten/whiten.py", CODE, {"whiten", "measure_gradient_noise"} | TRAINED | SHOWN),
        ("pipeline/whiten/whiten.py", COMMENT, set()),
        ("conf/study/duo.yaml", ("Two optimizers", "Two rules"), SHOWN),
        ("conf/study/duo.yaml", ("averaged:", "with averages:"), SHOWN),
        ("conf/study/duo.yaml", ("{optimizer: adam}", "{optimizer: adam, lr: 0.2}"), {"train adam-constant"} | SHOWN),
        ("conf/data/airfoil.yaml", ("title: ", "title: The "), SHOWN),
        ("conf/optimizer/adam.yaml", COMMENT, set()),
        ("conf/claims.yaml", ("above: 1}", "above: 1.1}"), {"claims", "report"}),
        ("conf/claims.yaml", COMMENT, set()),
        ("pipeline/figures/style.py", COMMENT, set()),
        ("pipeline/figures/style.py", CODE, {"figures", "log_figures", "report"}),
        ("pipeline/report/templates/report.html.j2", ("<body", "<body "), {"report"}),
    ],
)
def test_an_edit_plans_what_depends_on_it_and_nothing_else(finished, file, change, planned):
    path = finished.folder / file
    before = path.read_text()
    edit(path, *change)
    try:
        assert finished.would_run(*EVERYTHING) == planned
    finally:
        path.write_text(before)


def test_an_edited_title_is_shown_and_retrains_nothing(finished):
    lab = finished.folder
    table = lab / "results" / "duo" / "jobs" / "sgd-cosine" / "runs.parquet"
    trained = table.stat().st_mtime_ns
    edit(lab / "conf" / "study" / "duo.yaml", "Two optimizers", "A pair of rules")
    edit(lab / "conf" / "study" / "duo.yaml", "falling:", "ever slower:")
    finished.makes(*EVERYTHING)
    words = json.loads((lab / "results" / "duo" / "study.json").read_text())
    assert words["title"] == "A pair of rules"
    assert sorted(words["labels"].values()) == ["averaged", "ever slower", "plain"]
    report = (lab / "results" / "report.html").read_text()
    assert "A pair of rules" in report and "Two optimizers" not in report
    assert "ever slower" in report and "falling" not in report
    assert table.stat().st_mtime_ns == trained


@pytest.mark.parametrize(
    "command",
    [
        "--unlock",
        "--report report.zip",
        "--summary",
        "--dag",
        "--rulegraph",
        "--filegraph",
        "--list-changes code",
        "--delete-all-output --dry-run",
    ],
)
def test_what_runs_no_job_needs_no_number_of_cores(finished, command):
    done = finished._run("snakemake", *command.split(), *EVERYTHING, cwd=finished.folder)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (finished.folder / "report.zip").is_file() or "--report" not in command


def test_a_run_ends_with_the_answer_of_each_study_and_what_to_open(finished):
    said = finished.makes("--forcerun", "report", *EVERYTHING)
    lines = said.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("How sure that is: "))
    answer, sure, *rest = lines[at - 1 :]
    assert rest[-1] == "Open results/report.html"
    assert all(line.startswith("Browse the runs: mlflow ui, then http://") for line in rest[:-1]) and len(rest) <= 2
    assert re.fullmatch(r"duo: a loss of \S+ is reached (in .* by .*|by no cell)", answer)
    command = sure.removeprefix("How sure that is: ")
    assert command == "python -m pipeline.analysis.advise --study results/duo"
    advised = finished._run(*command.split(), cwd=finished.folder)
    assert advised.returncode == 0, advised.stderr
    assert finished.last == "Open results/report.html"


def test_the_report_leads_to_the_runs_of_each_study_in_mlflow(finished):
    results = finished.folder / "results"
    (link,) = re.findall(r'href="(mlflow.html#.+?)"', (results / "report.html").read_text())
    assert link == "mlflow.html#duo"
    address = json.loads((results / "track" / "runs.json").read_text())["duo"]["address"]
    assert f'<a id="duo" href="{html.escape(address)}">duo</a>' in (results / "mlflow.html").read_text()


def test_a_run_in_which_a_job_failed_ends_with_the_reason_and_the_log(lab):
    nowhere = 'overrides=["data.sources=[/none]", "data.on_unreachable=fail"]'
    done = lab("textbook", "--config", nowhere)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("failed: fetch airfoil: error: ") and last.endswith("(results/logs/fetch/airfoil.log)"), last


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_jobs_too_and_leaves_no_lock(lab, number):
    (lab.folder / "conf" / "study" / "long.yaml").write_text(LONG)
    running = start(lab, "long")
    try:
        wait_until_it_trains(lab, running)
        os.kill(running.pid, number)
        assert running.wait(timeout=60) == 1
        left = [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(lab.folder)]
        assert left == []
        assert not any((lab.folder / ".snakemake" / "locks").glob("*"))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert lab.would_run("long") == {"train all", "collect"}


def test_a_study_runs_end_to_end_and_a_second_run_has_nothing_to_do(lab):
    lab.makes("textbook", "--config", SMALL)
    runs = read_table(lab.folder / "results" / "textbook" / "runs.parquet", RUNS)
    assert set(runs.status) == {"ok"}
    assert set(runs.data) == {"airfoil_twin"}
    assert set(runs.epochs) == {1}
    assert (runs.groupby("cell_id").seed.nunique() == 2).all()
    assert runs.train_seconds.notna().all()
    assert "Nothing to be done" in lab.makes("textbook", "--config", SMALL)
    more_seeds = SMALL.replace("seeds=2", "seeds=3")
    assert lab.would_run("textbook", "--config", more_seeds) == {"train all", "collect"}


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


def test_a_killed_run_finishes_when_it_is_started_again_and_equals_an_undisturbed_one(lab):
    (lab.folder / "conf" / "study" / "long.yaml").write_text(LONG)
    lab.makes("long")
    undisturbed = lab.losses("long")
    done = lab.folder / "results" / "long"
    done.rename(lab.folder / "undisturbed")

    running = start(lab, "long")
    try:
        wait_until_it_trains(lab, running)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert not (done / "runs.parquet").exists()
    assert list(done.rglob("*.tmp")) == []

    lab.makes("--unlock")  # a killed snakemake cannot take its lock away
    lab.makes("long")
    assert np.array_equal(lab.losses("long"), undisturbed)
    assert "Nothing to be done" in lab.makes("long")
