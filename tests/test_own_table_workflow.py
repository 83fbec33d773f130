"""The workflow on a table of one's own: what is run, what is left out and said, and the report at its end."""

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from repository import ROOT

from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.lab.config import load_study
from pipeline.lab.paths import CONF
from pipeline.workflow.inputs import Inputs
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings

pytestmark = pytest.mark.slow

OWN = ["data=table", "data.path=mine.csv", "data.target=y"]


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    """A table of 200 rows in the working folder."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(200, 3)).round(3), columns=["a", "b", "c"])
    frame["colour"] = draw.choice(["red", "green"], size=200)
    frame["y"] = (frame.a - frame.b + (frame.colour == "red") + draw.normal(size=200) / 2).round(3)
    frame.to_csv("mine.csv", index=False)
    return frame


def planned(*overrides, **more):
    settings = read_settings({"overrides": list(overrides), **more})
    return Jobs(settings), Inputs(settings)


def test_studies_about_other_data_are_left_out_and_that_is_said(capsys):
    jobs, _ = planned(*OWN)
    assert jobs.default_studies == ["sweep"]
    assert jobs.default_studies == ["sweep"]
    said = capsys.readouterr().err
    for name in ("textbook", "siblings", "exercises"):
        assert said.count(f"left out on this data: study {name}: it is about airfoil") == 1


def test_a_study_that_is_named_is_not_left_out():
    jobs, _ = planned(*OWN, studies=["textbook"])
    with pytest.raises(SystemExit):
        jobs.of("textbook")


def test_nothing_is_left_out_of_the_textbooks_data_and_its_twin(capsys):
    everything = planned()[0].default_studies
    assert everything == planned("data=airfoil_twin")[0].default_studies
    assert everything[:2] == ["textbook", "siblings"]
    assert "left out" not in capsys.readouterr().err


def test_a_batch_larger_than_the_table_is_its_full_batch_once(capsys):
    study = load_study("sweep", [*OWN, "data.rows=150"])
    assert sorted({cell.config.batch_size for cell in study.cells}) == [1, 10, 32, 100, 150]
    assert len(study.cells) == 10 * 13 * 5
    assert "batch_size=1500 is the full batch here, 150 examples" in capsys.readouterr().err


def test_data_that_cannot_be_used_end_the_workflow_in_their_own_words(capsys):
    jobs, _ = planned("data=table", "data.path=other.csv", "data.target=y")
    with pytest.raises(SystemExit, match="2"):
        _ = jobs.default_studies
    assert capsys.readouterr().err.startswith("error: data.path=")


def test_measurements_of_the_chapter_and_of_numbers_are_left_out_where_they_do_not_apply(table):
    assert "epoch_metric" in planned()[1].measurements
    of_numbers = set(planned(*OWN)[1].measurements)
    assert {"step_cost", "memory"} <= of_numbers and "epoch_metric" not in of_numbers
    table.assign(y=table.colour).to_csv("mine.csv", index=False)
    _, inputs = planned(*OWN, "model=mlp")
    assert set(inputs.measurements) == {"memory", "step_cost", "vectorisation"}
    assert inputs.also("step_cost") == [f"--also=model=mlp {' '.join(OWN)}"]
    assert inputs.also("memory") == []


@pytest.mark.parametrize("data", ["wine", "breast_cancer", "diabetes", "digits_table"])
def test_the_data_sets_of_scikit_learn_have_a_study_and_a_licence(data):
    study = load_study(f"{data}_sweep")
    facts = study.cells[0].config.data
    assert (facts.name, facts.path) == (data, f"scikit_learn:{'digits' if data == 'digits_table' else data}")
    assert facts.licence != "unknown" and "scikit-learn" in facts.credit
    assert study.config.opt_in and not study.config.about
    task = {"wine": "classification", "breast_cancer": "binary", "diabetes": "regression"}.get(data, "classification")
    assert facts.task == task


def test_a_job_is_told_what_the_file_was(table):
    jobs, _ = planned(*OWN)
    wildcards = SimpleNamespace(study="sweep", job="all")
    promised = jobs.places(wildcards, SimpleNamespace(runs="results/sweep/jobs/all/runs.parquet"))[-2:]
    (file,) = jobs.data(wildcards)
    data, digest = re.fullmatch(r"results/data/(\w+)-(\w{10})\.parquet", file).groups()
    prepared = SimpleNamespace(data=data, digest=digest)
    assert jobs.own_files(prepared) == [str(Path("mine.csv").absolute())]
    assert jobs.own_overrides(prepared) == [*OWN, *promised]
    assert planned(*OWN)[0].own_overrides(prepared) == [*OWN, *promised]  # in a process that knows no job
    table.assign(a=1.5 * table.a).to_csv("mine.csv", index=False)
    with pytest.raises(SystemExit):
        planned(*OWN, *promised)[0].of("sweep")


def test_claims_that_do_not_apply_are_not_listed(tmp_path):
    decided = decide_all(read_ledger(CONF / "claims.yaml"), Evidence(tmp_path), "mine")
    assert (decided["claims"], decided["not_applicable"]) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("learnt", ["a number", "a class"])
def test_a_project_elsewhere_comes_from_its_file_to_its_report(run, tmp_path, table, learnt):
    if learnt == "a class":
        table["y"] = np.where(table.y > 0, "up", "down")
        table.to_csv("mine.csv", index=False)
    (tmp_path / "conf" / "study").mkdir(parents=True)
    (tmp_path / "conf" / "study" / "small.yaml").write_text(
        "name: small\ntitle: Two optimizers\nengine: stacked\nseeds: 2\ncommon: {epochs: 2}\nlr_points: 3\n"
        "grid: {optimizer: [sgd, adam], batch_size: [10, 1000]}\n"
    )
    command = ["snakemake", "-s", str(ROOT / "Snakefile"), "--directory", ".", "--cores", "2", "--config"]
    command += [f"overrides=[{','.join(OWN)}]", "studies=[small]", "measurements=[]"]
    done = run(*command, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = html.unescape((tmp_path / "results" / "report.html").read_text())
    for words in (
        "mine.csv: y from 4 features, 160 rows to train on and 40 held out",
        "unknown",
        "a local copy, mine.csv",
    ):
        assert words in page, words
    assert re.search(r"Licence</\w+>\s*<\w+[^>]*>\s*unknown", page)
    assert str(tmp_path) not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    runs = pd.read_parquet(tmp_path / "results" / "small" / "runs.parquet")
    assert set(runs.status) <= {"ok", "diverged"} and set(runs.batch_size) == {10, 160}
    assert json.loads((tmp_path / "results" / "claims.json").read_text())["not_applicable"] == []
    again = run(*command, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert "Nothing to be done" in again.stdout + again.stderr
    (tmp_path / "mine.csv").touch()
    again = run(*command, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert "Nothing to be done" in again.stdout + again.stderr
