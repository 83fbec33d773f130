"""A study with ``search: race``: raced by the workflow, killed and gone on with, shown by the report for what it is."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from tables_for_tests import cell, study

from pipeline.answer.answer import answer
from pipeline.answer.question import read_question
from pipeline.answer.race import PILOT
from pipeline.answer.units import Steps, work_on
from pipeline.lab.config import load_study
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.config.limits import split_limits
from pipeline.lab.config.study import RACE
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.report.language import language
from pipeline.report.page import render
from pipeline.report.race import race_section
from pipeline.train.cells import train_cells
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings

STUDY = """
defaults: [base_study, _self_]
name: few
title: Few cells
search: race
race: {budget: 400runs, scarce: steps, report: 4, margin.cost: 0.02}
engine: stacked
pack_by: [optimizer]
seeds: 7
target: {loss: 0.26}
common: {data: airfoil_twin, epochs: 1}
grid: {optimizer: [sgd, adam], batch_size: [50, 100], lr: [0.02, 0.1, 0.5]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the study's file is found."""
    (tmp_path / "conf" / "study").mkdir(parents=True)
    (tmp_path / "conf" / "study" / "few.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_says_how_it_is_raced_and_words_say_otherwise():
    asked = read_question(["study=few"])
    assert len(asked.cells) == 12
    assert asked.settings.limits()[1] == 400
    assert (asked.settings.margin_cost, asked.settings.target, asked.settings.metric) == (0.02, 0.26, "auto")
    other = read_question(["study=few", "budget=5s", "race.margin.cost=0.1", "target=0.3", "search=race"])
    assert (other.settings.limits()[0], other.settings.margin_cost, other.settings.target) == (5, 0.1, 0.3)
    assert {one.id for one in other.cells} == {one.id for one in load_study("few", ["search=grid"]).cells}


def test_overrides_say_how_a_study_is_searched_and_reach_no_cell():
    given = ["lr=0.1", "search=race", "race.budget=9s", "race.margin.loss=0.01", "max_runs=5"]
    assert split_limits(given) == (
        ["lr=0.1"],
        {"search": "race", "max_runs": 5, "race": {"budget": "9s", "margin.loss": 0.01}},
    )
    assert load_study("few", ["race.budget=9s"]).config.race["budget"] == "9s"
    assert load_study("few", ["race.budget=9s"]).config.race["scarce"] == "steps"
    assert Jobs(read_settings({"overrides": given})).overrides == ["lr=0.1", "max_runs=5"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["search=rcae"], "few: search=rcae is not allowed: choose one of grid, race; did you mean race?"),
        (["race.bugdet=5s"], "study few: race: key=bugdet is not allowed: choose one of"),
        (["race.budget=soon"], "budget=soon is not allowed: write 60s, 5min, 2h or runs=20000"),
    ],
)
def test_a_wrong_key_or_value_of_a_race_is_refused_in_one_sentence(words, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        read_question(["study=few", *words])


@pytest.mark.slow
def test_cells_that_join_as_the_budget_ends_have_had_no_seed():
    found = answer(read_question(["study=few", "budget=160runs", "cores=1"]), time.monotonic())
    cells = decisions(found.question.folder)["cells"]
    assert len(cells) == len(found.cells) > 12
    seeds = [one["seeds"] for one in cells.values()]
    assert min(seeds[:12]) >= PILOT and not any(seeds[12:])


def test_a_race_is_one_job_and_a_grid_is_packed():
    assert list(load_study("few").jobs) == [RACE]
    assert list(load_study("few", ["search=grid"]).jobs) == ["sgd", "adam"]


@pytest.mark.slow
def test_a_race_is_not_trained_as_a_grid_by_hand(folder, run):
    ended = run("python", "-m", "pipeline.train", "study=few", "track=false", cwd=folder, PYTHONPATH=str(ROOT))
    assert ended.returncode == 2
    assert "study=few is not allowed: it is a race: start python -m pipeline.answer study=few" in ended.stderr
    assert not Path("results").exists() and not Path("outputs").exists()


def test_steps_of_two_machines_are_not_put_together(tmp_path):
    one = Cell(compose_cell(["data=airfoil_twin"]))
    with pytest.raises(UserError, match="this race has measured its steps on a mainframe, and the seconds of this"):
        work_on(Steps((one,), tmp_path, tmp_path / "steps.json", "a mainframe"))
    assert not (tmp_path / "steps.json").exists()


CELL = {"series": "sgd", "batch_size": 10, "lr": 0.1}
FOUND = {
    "target": 0.25,
    "metric": "loss",
    "runs": 1234,
    "settings": {"alpha": 0.05, "margin_loss": 0.001, "margin_cost": 0.05, "report": 40},
    "cells": {"a": {**CELL, "seeds": 60}, "b": {**CELL, "lr": 0.2, "seeds": 60}, "c": {**CELL, "lr": 9.0, "seeds": 4}},
    "reported": [{"measure": "examples", "cell": "a", "median": 750.0, "low": 700.0, "high": 800.0}],
}


def claim(measure, outcome, rivals=(), field="", left=0.0):
    return {"measure": measure, "field": field, "outcome": outcome, "leader": "a", "rivals": rivals, "seeds_left": left}


CLAIMS = [
    claim("examples", "separated"),
    claim("steps", "equivalent", ["b"]),
    claim("loss", "undecided", ["b", "c"], left=12.2),
    claim("seconds", "undecided", ["b"], field="sgd", left=float("nan")),
]


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "en",
            ["separated from all others", "equivalent within the margin to some", "about 13 more seeds would"],
        ),
        ("pt", ["separada de todas as outras", "equivalente a algumas, dentro da margem", "cerca de mais 13 sementes"]),
    ],
)
def test_the_report_says_how_sure_each_answer_is_and_how_many_seeds_each_cell_had(lang, said):
    raced = study(cell("gd"), cell("sgd", lr=0.3), answer={**FOUND, "claims": CLAIMS})
    section = race_section(raced, language(lang))
    for line, words in zip(section["lines"], said, strict=False):
        assert words in line["outcome"]
    assert [line["seeds"] for line in section["lines"]] == ["60"] * 4
    assert [line["median"] for line in section["lines"]][1:] == ["–"] * 3
    assert section["lines"][0]["median"].startswith("750 [700")
    assert "4 s" in section["seeds"] and "60 s" in section["seeds"]
    page = render([raced], [], lang=language(lang))
    assert said[0] in page and "1.234" in page.replace(",", ".")
    plain = render([study(cell("gd"), cell("sgd", lr=0.3))], [], lang=language(lang))
    assert not any(words in plain for words in said)


def decisions(folder):
    return json.loads((folder / "answer.json").read_text())


def started(folder):
    """The workflow on the study, in a process group of its own."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2", "few"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_race_in_the_workflow_that_is_killed_goes_on_to_the_same_decisions_and_has_a_grid_of_its_first_seeds(
    folder, dataset, run
):
    expected = answer(read_question(["study=few", "cores=1", "out=alone"]), time.monotonic())
    jobs = folder / "results" / "few" / "jobs" / RACE
    running = started(folder)
    while not list(jobs.glob("kept/*/runs/00000[1-9]*.parquet")):  # after the first round, while others are trained
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kept = {path: path.stat().st_mtime_ns for path in jobs.glob("kept/*/runs/*.parquet")}
    assert kept and not (jobs / "answer.json").exists()

    assert started(folder).wait() == 0
    assert decisions(jobs) == decisions(expected.question.folder)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # no run was trained twice

    found = StudyResults.read(jobs.parent.parent)
    assert found.words["answer"] == decisions(jobs)
    raced = [replace(one, config=replace(one.config, seeds=PILOT)) for one in load_study("few").cells]
    grid, _ = train_cells(raced, {"airfoil_twin": dataset})
    columns = ["cell_id", "seed", "status", "final_loss", "steps"]
    pd.testing.assert_frame_equal(
        *(table[columns].sort_values(columns[:2], ignore_index=True) for table in (found.runs, grid)), check_dtype=False
    )
    made = run(
        *("snakemake", "-s", ROOT / "Snakefile", "--directory", folder, "--cores", "2"),
        *("--config", "studies=[few]", "measurements=[]", "--", "report"),
        cwd=folder,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    page = (folder / "results" / "report.html").read_text()
    assert "The answer of the race" in page
    assert "(Rule: race)" not in made.stderr  # what is finished stays
