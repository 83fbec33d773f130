"""Whole runs are held against each other: verdicts that differ, and intervals of seconds that do not meet."""

import json
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import ROOT

from benchmarks.repeat_runs import busy, counted, fresh_copy, main, overlaps, read, run_all, verdicts, words

CLOCK = "this machine's clock"


def point(effect, low, high, **at):
    return {"at": at, "effect": effect, "interval": [low, high]}


def claim(name, verdict, *points, rests_on=CLOCK, reason=""):
    tests = [{"name": "ratio", "rests_on": rests_on, "points": list(points)}]
    return {"id": name, "verdict": verdict, "reason": reason, "tests": tests}


def run_of(*claims):
    return {"claims": list(claims)}


RUNS = [
    run_of(claim("A1", "holds", point(2.0, 1.5, 2.5, loader="slices")), claim("F1", "holds", rests_on="seeds")),
    run_of(claim("A1", "holds", point(2.2, 2.0, "infinite", loader="slices")), claim("F1", "holds", rests_on="seeds")),
    run_of(claim("A1", "inconclusive", point(1.1, 0.5, 1.7, loader="slices")), claim("F1", "holds", rests_on="seeds")),
]


def test_verdicts_that_differ_are_counted_and_the_others_are_the_same():
    first, second = verdicts(RUNS)
    assert (first.claim, dict(first.counts)) == ("A1", {"holds": 2, "inconclusive": 1})
    assert (second.claim, dict(second.counts)) == ("F1", {"holds": 3})
    text = "\n".join(words(RUNS))
    assert "3 runs: 1 of 2 verdicts are the same in all" in text
    assert "| A1 | holds in 2, inconclusive in 1 |" in text and "| F1 |" not in text


def test_counts_are_kept_with_the_machine_and_the_day(tmp_path):
    for number, one in enumerate(RUNS):
        (tmp_path / f"run{number}.json").write_text(json.dumps(one))
    assert main([str(tmp_path), "--store", str(tmp_path / "kept" / "repeats.json")]) == 1
    kept = json.loads((tmp_path / "kept" / "repeats.json").read_text())
    assert kept == counted(RUNS)
    assert kept["claims"] == {"A1": {"holds": 2, "inconclusive": 1}, "F1": {"holds": 3}}
    assert kept["runs"] == 3 and "core" in kept["machine"] and kept["date"].count("-") == 2


def test_pairs_of_intervals_that_meet_are_counted_where_a_number_rests_on_the_clock():
    (one,) = overlaps(RUNS)
    assert (one.name, one.meet, one.pairs) == ("A1: ratio, loader slices", 2, 3)
    assert (one.lowest, one.highest) == (1.1, 2.2)
    text = "\n".join(words(RUNS))
    assert "2 of 3 pairs meet, 66.7% (nominal: 95% or more)" in text
    assert "| A1: ratio, loader slices | 2 of 3 | 1.1" in text


def test_what_is_not_defined_is_in_no_pair_and_what_meets_is_in_no_table():
    runs = [run_of(claim("A1", "holds", point(2.0, 1.0, 3.0), point(None, None, None, b=1))) for _ in range(2)]
    runs += [run_of(claim("A1", "holds", {"at": {}, "effect": None, "interval": None}))]
    (one,) = overlaps(runs)
    assert (one.meet, one.pairs) == (1, 1)
    assert not any(line.startswith("| A1") for line in words(runs))


def test_a_claim_that_is_marked_beforehand_is_named():
    marked = claim("A13b", "depends", point(1.4, 1.0, 2.0), reason="this machine: runs have differed")
    assert verdicts([run_of(marked)] * 2)[0].marked and not verdicts(RUNS)[0].marked
    assert "depending on this machine: A13b." in words([run_of(marked)] * 2)[0]


def test_intervals_with_their_nominal_coverage_meet_at_their_nominal_rate_and_others_do_not():
    """Ten runs of a hundred numbers, of which three processes are the sample; and intervals half as wide."""
    rng = np.random.default_rng(0)
    rate = {}
    for width in (1.0, 0.2):
        runs = []
        for _ in range(10):
            logs = rng.normal(0, 0.1, (100, 3))
            half = width * 4.303 * logs.std(axis=1, ddof=1) / np.sqrt(3)
            ends = zip(logs.mean(axis=1), half, strict=True)
            runs.append(run_of(*(claim(f"X{i}", "holds", point(m, m - h, m + h)) for i, (m, h) in enumerate(ends))))
        found = overlaps(runs)
        rate[width] = sum(one.meet for one in found) / sum(one.pairs for one in found)
    assert rate[1.0] >= 0.95 > 0.8 > rate[0.2]


def test_files_and_folders_are_read_and_a_difference_is_the_status(tmp_path, capsys):
    for number, one in enumerate(RUNS):
        (tmp_path / f"run{number}.json").write_text(json.dumps(one))
    assert len(read([tmp_path])) == 3
    assert main([str(tmp_path)]) == 1 and "1 of 2 verdicts" in capsys.readouterr().out
    assert main([str(tmp_path / "run0.json"), str(tmp_path / "run1.json")]) == 0
    capsys.readouterr()
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        ([str(tmp_path / "none.json")], "none.json cannot be read: No such file or directory"),
        ([str(tmp_path / "bad.json")], "bad.json is no list of verdicts"),
        ([str(tmp_path / "empty")], "empty has no claims.json"),
        ([str(tmp_path / "run0.json")], "1 run is not enough"),
        (["--runs", "3"], "--runs and --out go together"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2 and sentence in capsys.readouterr().err


def test_a_fresh_copy_has_what_git_knows_and_no_results(tmp_path):
    fresh_copy(tmp_path)
    assert (tmp_path / "Snakefile").read_bytes() == (ROOT / "Snakefile").read_bytes()
    assert not (tmp_path / "results").exists() and not (tmp_path / ".git").exists()


def test_cores_are_held_for_as_long_as_it_is_asked_and_no_longer():
    with busy(1) as (pid,):
        assert psutil.Process(pid).is_running()
    assert not psutil.pid_exists(pid)


def test_a_run_that_fails_is_told_with_its_log_and_those_that_are_kept_are_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.repeat_runs.fresh_copy", lambda folder: folder.mkdir())  # no Snakefile in it
    (tmp_path / "run1.json").write_text("{}")
    run_all(tmp_path, 1, 1)
    with pytest.raises(SystemExit):
        main(["--runs", "2", "--out", str(tmp_path), "--cores", "1"])
    assert Path(tmp_path, "run2.log").read_text()
