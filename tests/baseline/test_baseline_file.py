"""A baseline is made from results, keeps every number as a file, and refuses what is no baseline."""

import json
import math

import pandas as pd
import pytest
from tables_for_tests import cell, study

from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.contrib.baseline.__main__ import main
from pipeline.contrib.baseline.table import (
    VERSION,
    digest,
    from_text,
    rows_of_benchmarks,
    rows_of_steps,
    rows_of_study,
    to_text,
)
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.measure.table import Measured, write_measured

pytestmark = pytest.mark.slow

CLAIMS = CONF / "claims.yaml"
NUMBER = {"part": "number", "name": "A1: a over b", "value": 2.5, "low": -math.inf, "high": math.inf, "n": 3}
NUMBER |= {"state": "inconclusive", "rule": "above 1"}
VERDICT = {"part": "verdict", "name": "A1", "state": "holds", "text": "“Quoted”.", "n": 0, "twin": True}
LOSS = {"part": "loss", "name": "s, label, airfoil", "value": math.inf, "low": 0.25, "high": math.inf, "digest": "ab"}
BASELINE = {"version": VERSION, "made_with": {"CPU": "a – b", "torch": "2.13.0"}, "rows": [VERDICT, NUMBER, LOSS]}
EMPTY = {"version": VERSION, "made_with": {}, "rows": []}


def test_a_baseline_survives_the_disk_with_a_line_for_each_row():
    assert from_text(to_text(BASELINE), "x") == BASELINE
    assert from_text(to_text(EMPTY), "x") == EMPTY
    lines = to_text(BASELINE).splitlines()
    assert [sum(f'"name": "{row["name"]}"' in line for line in lines) for row in BASELINE["rows"]] == [1, 1, 1]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', "nothing", json.dumps({"version": VERSION, "rows": [1]})]
)
def test_what_is_no_baseline_is_refused(text):
    with pytest.raises(UserError, match=r"^old\.json is no baseline"):
        from_text(text, "old.json")


def test_a_baseline_of_another_version_is_refused():
    text = to_text(BASELINE).replace(f'"version": {VERSION}', '"version": 99')
    with pytest.raises(UserError, match=r"old\.json is a baseline of version 99"):
        from_text(text, "old.json")


def test_a_digest_changes_with_any_bit_of_a_loss_and_with_a_status_and_not_with_the_order():
    runs = study(cell("gd", diverged=(1,))).runs
    original = digest(runs)
    assert digest(runs.iloc[::-1]) == original
    nudged = runs.copy()
    nudged.loc[0, "final_loss"] = math.nextafter(runs.loc[0, "final_loss"], 1)
    assert digest(nudged) != original
    assert digest(runs.assign(status="ok")) != original
    assert digest(runs.iloc[:-1]) != original


def test_the_losses_of_a_cell_are_its_median_and_range_those_that_diverged_infinite():
    tables = study(cell("fine"), cell("edge", lr=1.0, diverged=(3,)), cell("gone", lr=2.0, error=range(4)))
    fine, edge, gone = rows_of_study(StudyResults(tables.runs, tables.curves))
    own = tables.runs[tables.runs.cell_id == tables.runs.cell_id.iloc[0]].final_loss
    assert (fine["name"], fine["steps"], fine["state"]) == ("textbook, fine, airfoil", 300, "4 ok")
    assert (fine["value"], fine["low"], fine["high"]) == pytest.approx((own.median(), own.min(), own.max()))
    assert edge["state"] == "3 ok, 1 diverged" and edge["high"] == math.inf and math.isfinite(edge["value"])
    assert (gone["value"], gone["low"], gone["high"]) == (None, None, None)


def test_steps_are_compared_where_both_implementations_were_timed():
    row = {"batch_size": 10, "part": "step", "us_per_step_q25": 9.0, "us_per_step_q75": 11.0, "repeats": 400}
    row |= {"model": "linear", "data": "airfoil", "sampling": "without_replacement"}
    timed = [
        row | {"implementation": "scratch", "optimizer": "sgd", "us_per_step": 10.0},
        row | {"implementation": "torch", "optimizer": "sgd", "us_per_step": 20.0},
        row | {"implementation": "torch", "optimizer": "sgd", "us_per_step": 99.0, "part": "whole"},
        row | {"implementation": "scratch", "optimizer": "lion", "us_per_step": 10.0},
        row | {"implementation": "torch", "optimizer": "sgd", "us_per_step": 99.0, "model": "mlp"},
    ]
    # All is slower in a later process, and torch's a little more or less so.
    steps = pd.DataFrame(
        [
            one | {"process": process, "us_per_step": one["us_per_step"] * slower * (own if i == 1 else 1)}
            for process, slower, own in ((0, 1.0, 1.0), (1, 1.5, 1.02), (2, 2.0, 1 / 1.02))
            for i, one in enumerate(timed)
        ]
    )
    (ratio,) = rows_of_steps(steps)
    assert ratio["name"] == "seconds of a step with torch.optim over from scratch, sgd, b 10"
    assert ratio["value"] == pytest.approx(2.0)
    # Student's t of three logarithms, 0 and plus and minus that of 1.02.
    reach = 1.02 ** (4.302653 / 3**0.5)
    assert (ratio["low"], ratio["high"]) == pytest.approx((2 / reach, 2 * reach), rel=1e-6)
    assert (ratio["n"], ratio["of"]) == (3, "processes")


def test_benchmarks_are_ratios_to_the_plain_loops_as_wide_as_their_timings():
    solo = [
        {"batch_size": 10, "contender": name, "ms_per_epoch": middle, "ms_min": low, "ms_max": high, "repeats": 11}
        for name, middle, low, high in (("DataLoader", 9, 8, 10), ("slicing", 4, 2, 5), ("scratch", 2, 1, 3))
    ]
    stacks = [
        {
            "batch_size": 10,
            "contender": name,
            "us_per_run_epoch": middle,
            "us_min": middle,
            "us_max": middle,
            "repeats": 3,
        }
        for name, middle in (("DataLoader", 100), ("130 sgd", 5))
    ]
    ratios = rows_of_benchmarks({"solo": solo, "stacks": stacks})
    assert [tuple(r[key] for key in ("name", "value", "low", "high", "n")) for r in ratios] == [
        ("seconds of scratch over a plain loop (slicing), b 10", 0.5, 0.2, 1.5, 11),
        ("seconds of 130 sgd over a plain loop (DataLoader), b 10", 0.05, 0.05, 0.05, 3),
    ]
    assert rows_of_benchmarks({}) == []


# -- the command


@pytest.fixture
def results(tmp_path):
    """A folder of results with the textbook's runs and the verdicts on them."""
    tables = study(
        cell("gd", batch_size=1500, lr=1.0, epochs=10),
        cell("gd, 100 epochs", batch_size=1500, lr=1.0, epochs=100),
        cell("sgd", batch_size=1, lr=0.005),
        cell("minibatch 100", batch_size=100),
    )
    folder = tmp_path / "results"
    write_table(tables.runs, RUNS, folder / "textbook" / "runs.parquet")
    write_table(tables.curves, CURVES, folder / "textbook" / "curves.parquet")
    claims = decide_all(read_ledger(CLAIMS), Evidence(folder))
    (folder / "claims.json").write_text(json.dumps(claims))
    return folder


@pytest.fixture
def baseline(results, tmp_path, capsys):
    """The baseline of those results."""
    path = tmp_path / "baselines" / "mine.json"
    main(["store", "--results", str(results), "--baseline", str(path)])
    assert f"{len(read_ledger(CLAIMS).claims)} verdicts, 4 cells, 0 ratios" in capsys.readouterr().out
    return path


def compared(results, baseline, *more):
    """The exit status of a comparison."""
    try:
        main(["compare", "--results", str(results), "--baseline", str(baseline), *map(str, more)])
    except SystemExit as end:
        return end.code
    return 0


def test_results_are_as_their_own_baseline_says(results, baseline, capsys):
    assert compared(results, baseline) == 0
    said = capsys.readouterr().out
    assert "no conclusion changed" in said
    assert "final losses: 4 bit for bit" in said
    assert "there are no data in the baseline" in said  # of the claims on measurements


def test_a_changed_conclusion_is_told_with_status_1_and_written_down(results, baseline, tmp_path, capsys):
    claims = json.loads((results / "claims.json").read_text())
    turned = next(
        claim for claim in claims["claims"] if claim["verdict"] == "holds" and all(t["n"] for t in claim["tests"])
    )
    turned["verdict"] = "does not hold"
    (results / "claims.json").write_text(json.dumps(claims))
    assert compared(results, baseline, "--out", tmp_path / "found.json") == 1
    said = capsys.readouterr().out
    assert "1 conclusion changed" in said
    assert f"{turned['id']}: {turned['text']} Was “holds”, is “does not hold” (reversed)." in said
    found = json.loads((tmp_path / "found.json").read_text())
    assert [change["outcome"] for change in found["changed"]] == ["reversed"]
    assert found["changed"][0]["sentence"] in said


def test_a_number_that_moved_leaves_status_0(results, baseline, capsys):
    stored = from_text(baseline.read_text(), "mine")
    loss = next(row for row in stored["rows"] if row["part"] == "loss")
    loss |= {"value": loss["value"] + 1e-4, "digest": "other"}
    baseline.write_text(to_text(stored))
    assert compared(results, baseline) == 0
    assert "Numbers that moved and changed no conclusion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("claims.json", "claims.json is no JSON: make it again with snakemake"),
        ("bench.json", "bench.json is no JSON: make it again with make bench"),
        ("textbook/runs.parquet", "runs.parquet cannot be read as a table"),
    ],
)
def test_results_that_cannot_be_read_end_with_a_sentence_and_status_2(results, baseline, capsys, broken, told):
    (results / broken).write_text("{")
    assert compared(results, baseline) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.startswith("error: ")


def test_a_bench_of_an_older_lab_is_refused(results, baseline, capsys):
    (results / "bench.json").write_text('{"solo": [{"contender": "scratch", "batch_size": 1}]}')
    assert compared(results, baseline) == 2
    assert "bench.json is of another version of the lab: make it again with make bench" in capsys.readouterr().err


def test_missing_files_end_with_a_sentence_and_status_2(results, baseline, tmp_path, capsys):
    assert compared(results, tmp_path / "none.json") == 2
    assert "none.json cannot be read: No such file or directory" in capsys.readouterr().err
    (results / "claims.json").unlink()
    assert compared(results, baseline) == 2
    assert "make it with snakemake" in capsys.readouterr().err


def test_nothing_in_common_is_no_success(results, baseline, tmp_path, capsys):
    empty = tmp_path / "empty.json"
    empty.write_text(to_text(EMPTY))
    assert compared(results, empty, "--out", tmp_path / "found.json") == 2
    assert "has nothing in common with" in capsys.readouterr().err
    assert not (tmp_path / "found.json").exists()


def test_a_number_that_is_not_defined_is_stored_as_nothing():
    undefined = {"part": "ratio", "name": "0 over 0", "value": math.nan, "low": 0.0, "high": math.inf}
    (back,) = from_text(to_text(EMPTY | {"rows": [undefined]}), "x")["rows"]
    assert (back["value"], back["low"], back["high"]) == (None, 0.0, math.inf)


def test_the_ratios_of_a_measured_step_are_in_the_baseline(results, tmp_path, capsys):
    row = {"optimizer": "sgd", "batch_size": 10, "part": "step", "us_per_step": 10.0, "per": "step", "steps": 9}
    row |= {"us_per_step_q25": 9.0, "us_per_step_q75": 11.0, "repeats": 4, "microseconds": 10.0}
    row |= {"model": "linear", "data": "airfoil", "sampling": "without_replacement"}
    table = pd.DataFrame(
        [row | {"implementation": name, "process": n} for name in ("scratch", "torch") for n in range(3)]
    )
    write_measured(Measured("step_cost", table, {"machine": {}}), results / "measure" / "step_cost.parquet")
    main(["store", "--results", str(results), "--baseline", str(tmp_path / "b.json")])
    assert "4 cells, 1 ratios" in capsys.readouterr().out
    assert compared(results, tmp_path / "b.json") == 0
    assert "1 within their spread" in capsys.readouterr().out
