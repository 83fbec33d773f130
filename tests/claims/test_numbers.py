"""Each number of a claim against one worked out by hand, where a wrong formula would still give a plausible one."""

import copy
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from omegaconf import OmegaConf
from scipy.stats import linregress
from tables_for_tests import cell as study_cell
from tables_for_tests import study as tables_of

from pipeline.claims.decide import DEPENDS, FAILS, GIVEN, HOLDS, OPEN, decide, decide_all, find, judge
from pipeline.claims.effect import (
    Effect,
    bootstrapped,
    geometric_mean,
    limits,
    mean_difference,
    quotient,
    ratio_of_medians,
)
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.ledger import Claim, Ledger, Rule, Test, parse_ledger, read_ledger
from pipeline.claims.statistics import curves, measured, sweeps
from pipeline.contrib.machine.statistic import epoch_metric, loading
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table

from .synthetic import above, curve_rows, loading_row, measurement, run_rows, study

#: Student's t at 0.975, of 1, 2 and 4 degrees of freedom: from any table.
T = {1: 12.7062047364, 2: 4.3026527299, 4: 2.7764451052}
CONTENT = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "claims.yaml"))


def effect_is(effect, value, low, high, n, of):
    assert (effect.value, effect.low, effect.high) == pytest.approx((value, low, high), rel=1e-9)
    assert (effect.n, effect.of) == (n, of)


# -- intervals


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_geometric_mean_has_students_interval_on_the_logarithms(n):
    logs = np.arange(1.0, n + 1)
    half = T[n - 1] * math.sqrt(sum((x - logs.mean()) ** 2 for x in logs) / (n - 1) / n)
    middle = math.exp(logs.mean())
    effect_is(
        geometric_mean(np.exp(logs), "rounds"), middle, middle / math.exp(half), middle * math.exp(half), n, "rounds"
    )


def test_one_ratio_says_nothing_of_its_spread():
    effect_is(geometric_mean(np.array([2.0]), "processes"), 2.0, 0.0, math.inf, 1, "processes")


def test_statistics_of_samples_are_over_the_last_axis():
    a, b = np.array([[1.0, 2.0, 9.0], [8.0, 4.0, 6.0]]), np.array([[2.0, 2.0, 4.0], [1.0, 3.0, 9.0]])
    assert ratio_of_medians(a, b).tolist() == [1.0, 2.0]
    assert mean_difference(a, b).tolist() == [4 / 3, 5 / 3]


def test_a_bootstrap_says_what_it_counted():
    sample = np.array([1.0, 2.0, 3.0])
    assert (bootstrapped(np.mean, np.array([])).of, bootstrapped(np.mean, np.array([]), of="rows").of) == (
        "seeds",
        "rows",
    )
    of = [bootstrapped(lambda x: np.mean(x, axis=-1), sample, **more).of for more in ({}, {"of": "rows"})]
    assert of == ["seeds", "rows"]
    assert all(map(math.isnan, limits(np.array([1.0, np.nan]))))


def test_a_quotient_is_as_wide_as_both_allow():
    effect_is(quotient((6.0, 4.0, 8.0), (2.0, 1.0, 4.0), 7, "rows"), 3.0, 1.0, 8.0, 7, "rows")
    assert quotient((1.0, 0.0, 1.0), (0.0, 0.0, 0.0), 1, "rows").value == math.inf
    assert math.isnan(quotient((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), 1, "rows").value)


# -- measurements


@pytest.mark.parametrize("n", [3, 6])
def test_a_slope_and_its_error_are_those_of_least_squares(n):
    rng = np.random.default_rng(n)
    x, y = np.arange(1.0, n + 1), np.exp(rng.normal(size=n))
    rows = [{"k": "a", "x": i, "y": j} for i, j in zip(x, y, strict=True)] + [{"k": None, "x": 1.0, "y": 1.0}]
    found = linregress(np.log(x), np.log(y))
    effect = measured.log_slope(measurement("gradient_noise", rows), "gradient_noise", {"k": "a"}, "x", "y")
    half = 1.96 * found.stderr
    effect_is(effect, found.slope, found.slope - half, found.slope + half, n, "batch sizes")


def test_a_measured_number_has_the_interval_that_stands_beside_it():
    def value(column, **row):
        return measured.measured_value(measurement("m", [{"k": "a", "repeats": 5, **row}]), "m", {"k": "a"}, column)

    effect_is(value("ratio", ratio=3.0, low=2.0, high=5.0), 3.0, 2.0, 5.0, 5, "repeats")
    independent = value("ratio_to_independent", ratio_to_independent=6.0, ratio=3.0, low=2.0, high=5.0)
    effect_is(independent, 6.0, 4.0, 10.0, 5, "repeats")
    assert value("exact", exact=4.0).of == "processes"


def test_a_ratio_of_measurements_counts_the_smaller_sample_and_names_the_measurement():
    rows = [{"k": "a", "minibatches": 5, "v": 6.0}, {"k": "b", "minibatches": 3, "v": 2.0}]
    effect = measured.measured_ratio(measurement("m", rows), "m", {"k": "a"}, {"k": "b"}, "v", times=2.0)
    effect_is(effect, 6.0, 6.0, 6.0, 3, "minibatches")
    for a, b in (("a", "z"), ("z", "a")):
        with pytest.raises(NoData, match="^no data: m has 0 rows with k z, not one$"):
            measured.measured_ratio(measurement("m", rows), "m", {"k": a}, {"k": b}, "v")


def test_a_ratio_of_times_is_taken_in_each_process_and_the_processes_are_the_sample():
    """Everything is twice as slow in the second process: the ratio is not."""
    rows = []
    for process, slow, ratio in ((1, 1.0, 2.0), (2, 2.0, 4.0), (3, 1.0, 8.0)):
        rows += [{"k": "a", "process": process, "repeats": 9, "seconds": slow * ratio}]
        rows += [{"k": "b", "process": process, "repeats": 9, "seconds": slow}]
    effect = measured.measured_ratio(measurement("m", rows), "m", {"k": "a"}, {"k": "b"}, "seconds", times=0.5)
    half = T[2] * math.log(2) / math.sqrt(3)
    effect_is(effect, 2.0, 2.0 / math.exp(half), 2.0 * math.exp(half), 3, "processes")
    lacking = measurement("m", [row for row in rows if (row["k"], row["process"]) != ("b", 3)])
    assert measured.measured_ratio(lacking, "m", {"k": "a"}, {"k": "b"}, "seconds").n == 2, "those that have both"
    twice = measurement("m", [*rows, rows[0]])
    with pytest.raises(NoData, match="m has 4 rows with k a, not one"):
        measured.measured_value(twice, "m", {"k": "a"}, "seconds")


def chapter(**columns):
    """Three processes and three rounds of two runs; a column is (own, other), the n-th repeat n times as large."""
    rows = []
    for repeat in (1, 2, 3):
        for place, run in enumerate(("own", "other")):
            line = {"run": run, "garbage_collection": False} | {k: v[place] * repeat for k, v in columns.items()}
            rows += [line | {"process": repeat, "round": None}]
            rows += [line | {"process": process, "round": repeat} for process in (1, 2)]
    return measurement("epoch_metric", rows)


def test_the_chapters_runs_are_held_against_each_other_repeat_by_repeat():
    evidence = chapter(printed_seconds=(12.0, 4.0), seconds_per_epoch=(3.0, 2.0), collections=(6.0, 1.0))
    value = epoch_metric.epoch_metric_value
    effect_is(value(evidence, "own", "collections", False), 12.0, 6.0, 18.0, 3, "processes")
    effect_is(value(evidence, "own", "collections", False, rounds=True), 12.0, 6.0, 18.0, 6, "rounds")
    ratio = epoch_metric.epoch_metric_ratio(evidence, "own", "other", "collections", "seconds_per_epoch", False)
    effect_is(ratio, 3.0, 3.0, 3.0, 3, "processes")
    rounds = epoch_metric.epoch_metric_rounds(evidence, "own", "other", False)
    effect_is(rounds, 1.5, 1.5, 1.5, 2, "processes")


def test_a_disturbed_round_of_a_process_does_not_matter_and_a_process_that_differs_does():
    seconds = {0: (2.0, 2.0, 50.0), 1: (4.0, 4.0, 4.0)}
    rows = [
        {"run": run, "garbage_collection": False, "process": process, "round": number, "seconds_per_epoch": each}
        for process, own in seconds.items()
        for number, x in enumerate(own)
        for run, each in (("own", x), ("other", 1.0))
    ]
    effect = epoch_metric.epoch_metric_rounds(measurement("epoch_metric", rows), "own", "other", False)
    half = T[1] * math.log(2) / 2
    effect_is(effect, math.sqrt(8), math.sqrt(8) / math.exp(half), math.sqrt(8) * math.exp(half), 2, "processes")


def test_a_critical_batch_size_is_held_against_the_noise_scale_at_the_same_excess():
    rows = [{"kind": "critical", "run": "t", "excess": 0.1, "value": 12.0, "low": 6.0, "high": 24.0}]
    for excess, value in ((0.01, 9.0), (1.0, 1.0), (10.0, 1.0)):
        rows.append({"kind": "training", "run": "r", "excess": excess, "value": value, "low": value / 3, "high": value})
    effect = measured.critical_over_noise_scale(measurement("noise_scale", rows), "t", "r")
    effect_is(effect, 4.0, 2.0, 24.0, 3, "readings")
    with pytest.raises(NoData, match="run 'r' has no reading around an excess loss of 20"):
        far = [rows[0] | {"excess": 20.0}, *rows[1:]]
        measured.critical_over_noise_scale(measurement("noise_scale", far), "t", "r")
    with pytest.raises(NoData, match="noise_scale has 0 rows with kind critical, run z, not one"):
        measured.critical_over_noise_scale(measurement("noise_scale", rows), "z", "r")


# -- runs and curves


def test_losses_that_differ_are_compared_relatively_and_progress_as_a_share():
    rows = run_rows("a", lr=0.1) + run_rows("b", lr=0.2)
    readings = curve_rows("a", [{"epoch": 0, "loss": 9.0}, {"epoch": 1, "loss": 5.0}, {"epoch": 3, "loss": 3.0}])
    readings += curve_rows("b", [{"epoch": 0, "loss": 9.0}, {"epoch": 1, "loss": 4.0}], lr=0.2)
    evidence = study("s", rows, readings)
    effect_is(curves.loss_gap(evidence, "s", "a", "b", 1), 0.25, 0.25, 0.25, 10, "seeds")
    effect_is(curves.progress_ratio(evidence, "s", "a", 3, 1), 0.5, 0.5, 0.5, 10, "seeds")
    assert set(curves.loss_at(evidence, "s", "a", 1)) == {5.0}
    assert set(curves.loss_at(evidence, "s", "a", 3.5)) == {3.0}
    with pytest.raises(NoData, match="'a' is trained for 3 epochs, not 3.6"):
        curves.loss_at(evidence, "s", "a", 3.6)
    assert set(curves.costs(evidence, "s", "a", 5.0)["steps"]) == {1.0}  # the target itself is reached


def test_what_is_left_to_gain_is_counted_from_the_minimum():
    readings = [{"epoch": 0, "loss": 9.0}, {"epoch": 1, "loss": 5.0}, {"epoch": 3, "loss": 3.5}]
    evidence = above(study("s", run_rows("a"), curve_rows("a", readings)), 3.0)
    effect_is(curves.excess_ratio(evidence, "s", "a", 3, 1), 0.25, 0.25, 0.25, 10, "seeds")


def test_seconds_to_a_target_are_epochs_of_the_runs_times_a_measured_epoch():
    """750 of 1500 rows at two seconds an epoch, against twice the rows at three: half a second against six."""
    rows, readings = [], []
    for label, b, lr, spent in (("a", 10, 0.1, 750.0), ("b", 100, 0.2, 3000.0)):
        rows += run_rows(label, batch_size=b, lr=lr)
        own = [{"loss": 1.0, "examples": 0.0}, {"loss": 0.5, "examples": spent}]
        readings += curve_rows(label, own, batch_size=b, lr=lr)
    timed = [loading_row("training_seconds", x, b, "slices") for b, x in ((10, 2.0), (100, 3.0))]
    timed += [loading_row("training_seconds", 99.0, b, "DataLoader") for b in (10, 100)]
    evidence = Evidence(
        studies=study("s", rows, readings).studies, measurements=measurement("loading", timed).measurements
    )
    ratio = loading.seconds_to_target_ratio(evidence, "s", "a", "b", 0.5, "slices")
    effect_is(ratio, 1 / 6, 1 / 6, 1 / 6, 3, "processes")
    never = loading.seconds_to_target_ratio
    with pytest.raises(NoData, match="neither 'a' nor 'b' gets to a loss of 0.4"):
        never(evidence, "s", "a", "b", 0.4, "slices")
    with pytest.raises(NoData, match="loading has 0 rows with data airfoil, batch_size 10, loader rows, workers 0"):
        never(evidence, "s", "a", "b", 0.5, "rows")


def test_a_loss_that_is_not_finite_is_infinite_from_then_on():
    evidence = study("s", run_rows("a"), curve_rows("a", [{"loss": 1.0}, {"loss": np.nan}]))
    assert set(curves.loss_at(evidence, "s", "a", 1)) == {np.inf}


# -- sweeps


def sweep(cells):
    """Cells of (optimizer, batch size, lr, final loss, steps to it)."""
    rows, readings = [], []
    for optimizer, b, lr, loss, steps in cells:
        rows += run_rows("", optimizer, b, lr, final_loss=loss)
        readings += curve_rows("", [{"loss": 9.0, "step": 0}, {"loss": loss, "step": steps}], optimizer, b, lr)
    return study("s", rows, readings)


def test_steps_to_the_target_are_compared_between_sizes_and_between_optimizers():
    evidence = sweep(
        [("adam", 4, 1, 0.2, 300), ("adam", 8, 1, 0.2, 50), ("sgd", 4, 1, 0.2, 80), ("sgd", 8, 1, 0.2, 40)]
    )
    effect_is(sweeps.speedup_ratio(evidence, "s", "adam", "sgd", 4, 8), 3.0, 3.0, 3.0, 5, "seeds")
    effect_is(sweeps.examples_ratio(evidence, "s", "adam", 8, 4), 50 * 8 / 300 / 4, 1 / 3, 1 / 3, 5, "seeds")


def test_defaults_are_held_against_the_best_of_the_same_batch_size():
    cells = [("adam", 4, 0.1, 0.6, 9), ("adam", 4, 1.0, 0.1, 9), ("adam", 8, 0.12, 0.05, 9)]
    cells += [("sgd", 4, 0.1, 0.3, 9), ("sgd", 4, 1.0, 0.4, 9), ("sgd", 8, 0.1, 0.01, 9)]
    effect = sweeps.defaults_ratio(above(sweep(cells)), "s", {"adam": 0.12, "lion": 1.0}, "sgd", 4)
    effect_is(effect, 2.0, 2.0, 2.0, 5, "seeds")
    effect_is(sweeps.tuned_ratio(above(sweep(cells)), "s", "adam", "sgd"), 5.0, 5.0, 5.0, 5, "seeds")
    higher = sweeps.tuned_ratio(above(sweep(cells), 0.005), "s", "adam", "sgd")  # 0.05 over 0.01, both less the minimum
    effect_is(higher, 9.0, 9.0, 9.0, 5, "seeds")


def test_the_slope_of_the_best_rate_is_over_the_sizes_that_are_asked_for():
    cells = [("sgd", b, lr, 0.2 if lr == b else 0.4, 9) for b in (1, 2, 4, 8) for lr in (1, 2, 4, 8)]
    cells += [("sgd", 16, lr, 0.2 if lr == 1 else 0.4, 9) for lr in (1, 2)]
    slope = sweeps.lr_slope(sweep(cells), "s", "sgd", most=8)
    effect_is(slope, 1.0, 1.0, 1.0, 10, "seeds")
    assert sweeps.lr_slope(sweep(cells), "s", "sgd").value < 0.6
    with pytest.raises(NoData, match="sgd has 2 batch sizes"):
        sweeps.lr_slope(sweep(cells), "s", "sgd", least=4, most=8)


# -- verdicts


NOWHERE = Path("nowhere")


def decided(*tests, evidence):
    return decide(Claim("X1", "book", "text", "setting", "why", tests), evidence)


def ratio_test(name, kind, limit):
    arguments = {"study": "s", "cell": "a", "over": "b", "column": "final_loss"}
    return Test(name, "run_ratio", arguments, Rule(kind, (limit,)))


def two_cells(a, b):
    return study("s", run_rows("a", lr=1, final_loss=a) + run_rows("b", lr=2, final_loss=b))


def test_a_decision_has_all_its_facts():
    below, above = ratio_test("the ratio", "below", 3.0), ratio_test("again", "above", 1.0)
    found = decided(below, above, evidence=two_cells(4.0, 2.0))
    first = "The ratio: 2 (no spread, n = 10 seeds); the rule asks for below 3, and it is."
    second = "Again: 2 (no spread, n = 10 seeds); the rule asks for above 1, and it is."
    facts = {"effect": 2.0, "interval": [2.0, 2.0], "n": 10, "of": "seeds"}
    assert found == {
        **{"id": "X1", "text": "text", "source": "book", "setting": "setting", "why": "why"},
        **{"verdict": HOLDS, "reason": "", **facts, "threshold": "below 3", "sentence": f"{first} {second}"},
        **{"rests_on": "seeds", "tables": ["results/s/runs.parquet"], "data": ["airfoil"], "offline_twin": False},
        "stored": "",
        "tests": [
            {"name": "the ratio", "statistic": "run_ratio", "verdict": HOLDS, **facts, "threshold": "below 3"}
            | {"rests_on": "seeds", "sentence": first, "needed": 0, "boundary": ""}
            | {"points": [{"at": {}, "verdict": HOLDS, **facts}]},
            {"name": "again", "statistic": "run_ratio", "verdict": HOLDS, **facts, "threshold": "above 1"}
            | {"rests_on": "seeds", "sentence": second, "needed": 0, "boundary": ""}
            | {"points": [{"at": {}, "verdict": HOLDS, **facts}]},
        ],
    }


def test_infinity_and_what_is_not_defined_are_words_in_json():
    test = ratio_test("r", "above", 1.0)
    diverged = decided(test, evidence=two_cells(math.inf, 2.0))
    assert (diverged["effect"], diverged["interval"], diverged["reason"]) == ("infinite", ["infinite"] * 2, "")
    less = Test("d", "run_difference", {"study": "s", "cell": "b", "minus": "a"}, Rule("below", (0.0,)))
    assert decided(less, evidence=two_cells(math.inf, 2.0))["effect"] == "-infinite"
    both = decided(test, evidence=two_cells(math.inf, math.inf))
    assert (both["verdict"], both["effect"], both["interval"]) == (OPEN, None, [None, None])
    assert both["reason"] == "too few runs arrive for an interval"
    missing = decided(test, evidence=Evidence(NOWHERE))
    assert (missing["effect"], missing["interval"], missing["n"], missing["of"]) == (None, None, 0, "")
    assert missing["reason"] == "no data: make nowhere/s/runs.parquet with snakemake s"


def test_an_interval_on_both_sides_is_told():
    losses = [1.0, 1.0, 4.0, 4.0, 4.0]
    rows = run_rows("a", lr=1, seeds=range(5)) + run_rows("b", lr=2, seeds=range(5))
    rows = [row | {"final_loss": losses[row["seed"]] if row["lr"] == 1 else 2.0} for row in rows]
    found = decided(ratio_test("r", "above", 1.0), evidence=study("s", rows))
    assert (found["verdict"], found["reason"]) == (OPEN, "the interval is on both sides of the threshold")
    assert find(ratio_test("r", "above", 1.0), study("s", rows)).deciding.reason == ""


def test_the_limits_of_within_belong_to_it():
    rule = Rule("within", (1.0, 2.0))
    verdicts = [judge(Effect(low, low, high, 3), rule) for low, high in ((1, 2), (0, 1), (2, 3), (0, 0.9), (2.1, 3))]
    assert verdicts == [HOLDS, OPEN, OPEN, FAILS, FAILS]


def test_the_file_of_all_decisions_has_a_version_and_counts():
    test = ratio_test("r", "above", 1.0)
    ledger = Ledger({"book": "The book"}, (Claim("X1", "book", "t", "s", "w", (test,)),))
    found = decide_all(ledger, two_cells(4.0, 2.0))
    assert (found["version"], found["sources"], found["remarks"]) == (2, {"book": "The book"}, {})
    assert found["counts"] == {HOLDS: 1, FAILS: 0, DEPENDS: 0, OPEN: 0, GIVEN: 0}
    assert list(found) == ["version", "sources", "counts", "claims", "not_applicable", "remarks"]


# -- evidence and ledger


def test_evidence_is_read_from_the_folder_when_it_is_asked_for(tmp_path):
    tables = tables_of(study_cell("one"))
    for table, schema, name in ((tables.runs, RUNS, "runs"), (tables.curves, CURVES, "curves")):
        write_table(table, schema, tmp_path / "textbook" / f"{name}.parquet")
    evidence = Evidence(tmp_path)
    found = evidence.study("textbook")
    pd.testing.assert_frame_equal(found.runs, read_table(tmp_path / "textbook" / "runs.parquet", RUNS))
    assert evidence.study("textbook") is found and evidence.sweep("textbook") is evidence.sweep("textbook")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "runs.parquet").write_text("no table")
    with pytest.raises(UserError, match="runs.parquet cannot be read as a table"):
        evidence.study("sweep")


def test_what_is_asked_for_is_remembered_whether_it_is_there_or_not():
    evidence = Evidence(Path("elsewhere"))
    for ask in (lambda: evidence.study("s"), lambda: evidence.measurement("m"), lambda: evidence.minimum("s")):
        with pytest.raises(NoData, match="^no data: make elsewhere/"):
            ask()
    assert evidence.used == {"elsewhere/s/runs.parquet": "", "elsewhere/measure/m.parquet": ""}
    twin = study("s", run_rows("a", data="airfoil_twin")).about("airfoil")
    twin.study("s")
    assert twin.used == {"results/s/runs.parquet": "airfoil_twin"}
    assert twin.offline_twin and not twin.about("airfoil").offline_twin


def test_the_ledger_is_read_the_same_each_time_and_what_is_wrong_in_it_is_told_in_full(tmp_path):
    assert parse_ledger(CONTENT, "claims.yaml") == read_ledger(ROOT / "conf" / "claims.yaml")
    assert parse_ledger(CONTENT).claims[0].tests[0].rule.kind in ("above", "below", "within")

    def refused(change):
        content = copy.deepcopy(CONTENT)
        change(content["claims"][0])
        with pytest.raises(UserError) as caught:
            parse_ledger(content, "c.yaml")
        return str(caught.value)

    first = f"claim {CONTENT['claims'][0]['id']}"
    told = refused(lambda claim: claim.update(tests="none"))
    assert told == "c.yaml: claims[0].tests='none' is not allowed: it must be a list"
    told = refused(lambda claim: claim["tests"].insert(0, "none"))
    assert told == f"{first}: tests[0]='none' is not allowed: it must be a mapping"
    told = refused(lambda claim: claim.update(extra=1))
    assert told.endswith(
        "claims[0].extra is not allowed: the keys are id, source, text, setting, why, tests, data, by_construction, "
        "machine"
    )
    told = refused(lambda claim: claim.update(id="no word"))
    assert told.startswith("c.yaml: claims[0].id='no word' is not allowed")
    told = refused(lambda claim: claim["tests"][0].update(rule={"above": [1, 2]}))
    assert told == f"{first}: tests[0].rule.above=[1, 2] is not allowed: it must be 1 number"
    told = refused(lambda claim: claim["tests"][0].update(rule={"within": 1}))
    assert told == f"{first}: tests[0].rule.within=1 is not allowed: it must be 2 numbers"
    told = refused(
        lambda claim: claim["tests"][0].update(
            statistic="measured_value", vary={}, arguments={"measurement": "shuffling", "row": {}, "column": "x"}
        )
    )
    assert told.startswith(f"{first}: tests[0].arguments.measurement=shuffling is not allowed")
    (tmp_path / "broken.yaml").write_text("claims: [")
    with pytest.raises(UserError, match=r"broken.yaml is not YAML: while parsing a flow (node|sequence)$"):
        read_ledger(tmp_path / "broken.yaml")
    (tmp_path / "other.yaml").write_text("sources: {}\nclaims: 3\n")
    with pytest.raises(UserError, match="^other.yaml.claims=3 is not allowed: it must be a list$"):
        read_ledger(tmp_path / "other.yaml")
