"""A race on a real Slurm: each round an array of jobs, and the decisions of one machine."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline.answer.answer import answer
from pipeline.answer.question import read_question
from pipeline.lab.config.study import RACE

from .slurm_node import CORES

pytestmark = pytest.mark.slow

STUDY = {
    "name": "few",
    "search": "race",
    "race": {"budget": "160runs", "scarce": "steps", "report": 4},
    "engine": "stacked",
    "target": {"loss": 0.26},
    "common": {"data": "airfoil_twin", "epochs": 1},
    "grid": {"optimizer": ["sgd", "adam"], "batch_size": [50, 100], "lr": [0.02, 0.1, 0.5]},
}


@pytest.fixture
def lab(slurm_lab):
    text = yaml.safe_dump({"defaults": ["base_study", "_self_"], **STUDY})
    (slurm_lab.folder / "conf" / "study" / "few.yaml").write_text(text)
    return slurm_lab


@pytest.fixture
def expected(lab, monkeypatch):
    """The race's decisions on one machine, in this process."""
    monkeypatch.chdir(lab.folder)
    return decisions(answer(read_question(["study=few", "cores=1", "out=alone"]), time.monotonic()).question.folder)


def decisions(folder):
    return json.loads((folder / "answer.json").read_text())


def arrays(lab):
    """Each array that was sent: its number to the states of its tasks."""
    found = {}
    for job in lab.jobs().values():
        if job["JobName"].startswith("race-"):
            found.setdefault(job["ArrayJobId"], []).append(job["JobState"])
    return found


def test_rounds_are_arrays_and_the_decisions_those_of_one_machine(lab, expected):
    lab.makes("few")
    assert decisions(lab.folder / "results" / "few" / "jobs" / RACE) == expected
    rounds = json.loads(next(lab.folder.rglob("_race/kept/*/rounds.json")).read_text())["rounds"]
    assert len(arrays(lab)) == len(rounds) + 1  # and one for the numbers that are reported
    assert len(arrays(lab)[min(arrays(lab))]) == 4  # two optimizers, two batch sizes
    assert {state for states in arrays(lab).values() for state in states} == {"COMPLETED"}
    assert len(lab.jobs()) == sum(map(len, arrays(lab).values()))  # the race itself is no job
    lab.makes("few")  # nothing to do


def test_a_race_that_is_killed_waits_for_its_array_and_trains_nothing_twice(lab, expected):
    running = by_hand(lab)
    left = lab.cluster.wait_for(
        lambda _: [number for number, states in arrays(lab).items() if "RUNNING" in states], "no array ran"
    )
    running.kill()  # what Slurm runs goes on
    running.wait()
    assert by_hand(lab).wait(timeout=400) == 0
    folder = next((lab.folder / "results" / "answer").iterdir())
    assert decisions(folder) == expected
    assert {state for states in arrays(lab).values() for state in states} == {"COMPLETED"}
    jobs = [job for job in lab.jobs().values() if job["JobName"].startswith("race-")]
    ended = max(job["EndTime"] for job in jobs if [job["ArrayJobId"]] == left)
    assert all(job["StartTime"] >= ended for job in jobs if [job["ArrayJobId"]] != left)
    made = [path.name for path in (folder / "runs").glob("000000-*[0-9a-f].parquet")]
    logs = [path.read_text() for path in (folder / "slurm").glob("*.log")]
    assert len(made) == 4 and not any(logs)


def test_steps_are_measured_by_a_job_with_a_node_to_itself(lab):
    lab.makes("few", "--config", "overrides=[race.scarce=seconds,race.budget=40runs,race.report=0]")
    cores = [int(job["NumCPUs"]) for job in lab.jobs().values()]
    assert CORES in cores and 1 in cores
    [samples] = lab.folder.rglob("_race/kept/*/seconds/000000.json")
    [kinds] = json.loads(samples.read_text()).values()
    assert len(kinds) == 4 and all(seconds > 0 for own in kinds.values() for seconds in own)


def test_a_race_that_is_interrupted_cancels_its_array(lab):
    running = by_hand(lab)
    lab.cluster.wait_for(lambda _: any("RUNNING" in states for states in arrays(lab).values()), "no array ran")
    running.terminate()
    assert running.wait(timeout=60) == 143
    lab.cluster.wait_for(
        lambda _: {state for states in arrays(lab).values() for state in states} == {"CANCELLED"}, "not cancelled"
    )


def by_hand(lab):
    """Start the race without Snakemake, which would look for what a killed one has left on this machine."""
    environment = {**os.environ, **lab.cluster.environment}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline.contrib.slurm", "study=few"],
        cwd=lab.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lab.started.append(running)
    return running
