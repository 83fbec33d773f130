"""The last lines of a run of the workflow name the cells that failed."""

import json
from types import SimpleNamespace

from tables_for_tests import cell, study

from pipeline.lab.tables import RUNS, write_table
from pipeline.workflow.ending import answers, earlier_runs, failed_cells, failed_jobs, mlflow_pages


def test_a_good_and_a_bad_cell_give_one_line_with_the_log_of_the_bad_one(tmp_path):
    made = study(cell("good", lr=0.1), cell("bad", lr=0.3, error=range(2)))
    write_table(made.runs, RUNS, tmp_path / "mine" / "runs.parquet")
    good, bad = made.runs.cell_id.unique()
    jobs = {"one": [SimpleNamespace(id=good, name="good")], "two": [SimpleNamespace(id=bad, name="bad")]}
    runs = (made.runs.cell_id == bad).sum()
    lines = failed_cells(["mine", "not made"], str(tmp_path), lambda name: jobs)
    assert lines == [f"failed: cell bad of mine: 2 of {runs} runs ({tmp_path}/logs/train/mine/two.log)"]


def test_a_job_that_failed_is_named_with_its_last_error(tmp_path):
    log = tmp_path / "all.log"
    log.write_text("training\nerror: optimizer=mine is not allowed: it changes nothing\n")
    job = SimpleNamespace(rule=SimpleNamespace(name="train"), wildcards=["duo", "all"], log=[str(log)])
    silent = SimpleNamespace(rule=SimpleNamespace(name="report"), wildcards=[], log=[str(tmp_path / "none.log")])
    assert failed_jobs([job, silent]) == [
        "failed: report",
        f"failed: train duo all: error: optimizer=mine is not allowed: it changes nothing ({log})",
    ]


def test_runs_of_a_removed_folder_that_remain_in_mlflow_are_counted_with_the_command_that_removes_them(tmp_path):
    done = tmp_path / "runs.json"
    assert earlier_runs([done], str(tmp_path)) == []
    counts = {"logged": 8, "unchanged": 0, "removed": 0}
    done.write_text(json.dumps({"a": counts | {"left": 9}, "b": counts | {"left": 0}, "c": counts | {"left": 1}}))
    assert earlier_runs([done], str(tmp_path)) == [
        "MLflow: 10 runs of an earlier folder at the same path remain beside these; if it is gone, remove them: "
        f"python -m pipeline.track --replace {tmp_path}/a {tmp_path}/c"
    ]


def test_the_largest_study_is_what_mlflow_is_opened_on(tmp_path):
    done = tmp_path / "runs.json"
    assert mlflow_pages([done]) == []
    counts = {"a": (3, 0), "b": (1, 4), "c": (0, 0)}
    each = {name: {"logged": n, "unchanged": m, "address": f"http://x/{name}"} for name, (n, m) in counts.items()}
    done.write_text(json.dumps(each))
    assert mlflow_pages([tmp_path / "none.json", done]) == ["Browse the runs: mlflow ui, then http://x/b"]
    done.write_text(json.dumps({"a": {"logged": 3, "unchanged": 0}}))  # of an earlier version
    assert mlflow_pages([done]) == []


def test_the_answers_are_those_that_the_report_has_printed_with_what_says_how_sure_the_last_is(tmp_path):
    assert answers(str(tmp_path)) == []
    said = ["b-2: a loss of 1 is reached by no cell", "sweep: a loss of 0.25 is reached in 3 steps by “gd” and “sgd”"]
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "report.log"
    log.write_text("\n".join(["a warning: a loss of time", "results/report.html", *said]), encoding="utf-8")
    sure = f"How sure that is: python -m pipeline.analysis.advise --study {tmp_path}/sweep"
    assert answers(str(tmp_path)) == [*said, sure]
    log.write_text("error: no figures")
    assert answers(str(tmp_path)) == []
