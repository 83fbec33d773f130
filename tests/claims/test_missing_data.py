"""What a statistic lacks is named in full: the study or measurement, and what it was looked for by."""

import math
from pathlib import Path

import pytest

from pipeline.claims.decide import interval_words, number_words
from pipeline.claims.effect import Effect, quotient
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.ledger import read_ledger
from pipeline.claims.statistics import curves, measured, runs, sweeps
from pipeline.contrib.machine.statistic import epoch_metric
from pipeline.lab.errors import UserError

from .synthetic import above, curve_rows, measurement, run_rows, study

A, B = run_rows("a", lr=1, seeds=range(3)), run_rows("b", lr=2, seeds=range(3))
READINGS = [{"loss": 1.0}, {"loss": 0.2}]
CURVES = curve_rows("a", READINGS, lr=1, seeds=range(3)) + curve_rows("b", READINGS, lr=2, seeds=range(3))
GRID = [row for b in (1, 4) for row in run_rows("", "adam", b, steps=20)]
NOISE = [{"kind": "critical", "run": "1 %", "excess": 0.5, "value": 1.0, "low": 1.0, "high": 1.0}]
EPOCH = {"garbage_collection": True, "round": None, "printed_seconds": 1.0, "seconds_per_epoch": 1.0}


def lacks(expected, statistic, evidence, *arguments, **keywords):
    with pytest.raises(NoData) as missing:
        statistic(evidence, *arguments, **keywords)
    assert str(missing.value) == f"no data: {expected}"


def test_runs_that_are_missing():
    elsewhere = study("s", A + run_rows("b", lr=2, seeds=range(5, 8)))
    lacks("'a' and 'b' of study s share no seed", runs.run_ratio, elsewhere, "s", "a", "b", "steps")
    unmeasured = study("s", A + run_rows("b", lr=2, seeds=range(3), seconds_per_epoch=None))
    lacks(
        "seconds_per_epoch was not measured in study s", runs.run_ratio, unmeasured, "s", "a", "b", "seconds_per_epoch"
    )
    lacks("study s has 0 cells called 'c', not one", runs.final_over_initial, study("s", A), "s", "c")
    lacks("make elsewhere/t/runs.parquet with snakemake t", runs.run_gap, Evidence(Path("elsewhere")), "t", "a", "b")


def test_readings_that_are_missing():
    elsewhere = study("s", A + run_rows("b", lr=2, seeds=[7]), CURVES)
    lacks("'a' and 'b' of study s share no seed", curves.target_ratio, elsewhere, "s", "a", "b", "steps", 0.5)
    lacks("'a' is trained for 1 epochs, not 4", curves.progress_ratio, study("s", A, CURVES), "s", "a", 4, 1)


def test_cells_of_a_sweep_that_are_missing():
    evidence = study("s", GRID)
    one = study("s", run_rows("", "adam", 1, seeds=[0]) + run_rows("", "sgd", 1, seeds=[0]))
    lacks("one seed cannot both choose a cell and measure it", sweeps.tuned_ratio, above(one), "s", "adam", "sgd")
    lacks("the study has no cell of lion", sweeps.tuned_ratio, evidence, "s", "adam", "lion")
    lacks("the study has no cell of lion", sweeps.tuned_ratio, evidence, "s", "lion", "adam")
    few = "adam has 2 batch sizes with ten updates or more; a slope takes three"
    lacks(few, sweeps.lr_slope, evidence, "s", "adam")
    lacks(few.replace("2", "1"), sweeps.lr_slope, evidence, "s", "adam", least=2)
    lacks(few.replace("2", "1"), sweeps.lr_slope, evidence, "s", "adam", most=2)
    short = study("s", [row for b in (1, 2, 4, 8) for row in run_rows("", "adam", b, steps=9)])
    lacks(few.replace("2", "0"), sweeps.lr_slope, short, "s", "adam")
    none = "study s has none of the optimizers at a batch size of 1"
    lacks(none, sweeps.defaults_ratio, evidence, "s", {"lion": 1.0}, "adam", 1)


@pytest.mark.parametrize(("small", "large"), [(1, 99), (99, 4)])
def test_batch_sizes_of_a_sweep_that_are_missing(small, large):
    evidence = study("s", GRID, [row for b in (1, 4) for row in curve_rows("", READINGS, "adam", b)])
    words = "the study has no cell of adam at batch size 99"
    lacks(words, sweeps.speedup_ratio, evidence, "s", "adam", "sgd", small, large)
    lacks(words, sweeps.examples_ratio, evidence, "s", "adam", 99, 4)
    lacks(words.replace("adam", "sgd").replace("99", "1"), sweeps.speedup_ratio, evidence, "s", "adam", "sgd", 1, 4)


def test_seeds_of_two_cells_that_differ_have_no_gap():
    elsewhere = study("s", A + run_rows("b", lr=2, seeds=[7]), CURVES)
    lacks("'a' and 'b' of study s have different seeds", curves.loss_gap, elsewhere, "s", "a", "b", 1)


def test_rows_of_a_measurement_that_are_missing():
    two = measurement("gradient_noise", [{"k": "a", "x": x, "y": 1.0} for x in (1, 2)])
    slope = "gradient_noise has 2 rows with k a; a slope takes three"
    lacks(slope, measured.log_slope, two, "gradient_noise", {"k": "a"}, "x", "y")
    value = "gradient_noise has 0 rows with k b, x 1, not one"
    lacks(value, measured.measured_value, two, "gradient_noise", {"k": "b", "x": 1}, "y")
    untrained = measurement("loading", [{"data": "d", "seconds": 1.0, "load_share": math.nan}])
    lacks("load_share was not measured", measured.measured_value, untrained, "loading", {"data": "d"}, "load_share")
    around = "run 'sgd' has no reading around an excess loss of 0.5"
    lacks(around, measured.critical_over_noise_scale, measurement("noise_scale", NOISE), "1 %", "sgd")
    below = [{"kind": "training", "run": "sgd", "excess": x, "value": 1.0, "low": 1.0, "high": 1.0} for x in (0.1, 0.4)]
    above = [row | {"excess": row["excess"] + 0.5} for row in below]
    for rows in (below, above):
        lacks(around, measured.critical_over_noise_scale, measurement("noise_scale", NOISE + rows), "1 %", "sgd")


def test_processes_of_the_epoch_metric_that_are_missing():
    rows = [EPOCH | {"run": "gd", "process": 0}, EPOCH | {"run": "sgd", "process": 1}]
    evidence = measurement("epoch_metric", rows)
    ratio = ("printed_seconds", "seconds_per_epoch", True)
    words = "epoch_metric has no row with run adam, garbage_collection True"
    lacks(words, epoch_metric.epoch_metric_ratio, evidence, "gd", "adam", *ratio)
    lacks(words, epoch_metric.epoch_metric_value, evidence, "adam", "printed_seconds", True)
    lacks("epoch_metric has no process with both runs", epoch_metric.epoch_metric_ratio, evidence, "gd", "sgd", *ratio)
    lacks(words.replace("True", "False"), epoch_metric.epoch_metric_rounds, evidence, "adam", "gd", True)
    rounds = [EPOCH | {"run": "gd", "process": 0, "round": 0}]
    rounds += [EPOCH | {"run": "sgd", "process": 0, "round": 1, "garbage_collection": False}]
    evidence = measurement("epoch_metric", rounds)
    lacks("epoch_metric has no process with both runs", epoch_metric.epoch_metric_rounds, evidence, "sgd", "gd", True)


# -- values at the edges


def test_a_critical_batch_size_is_read_at_the_ends_of_the_curve_too():
    ends = [
        {"kind": "training", "run": "sgd", "excess": x, "value": y, "low": y, "high": y} for x, y in ((0.5, 2), (2, 8))
    ]
    for excess, scale in ((0.5, 2), (1.0, 4), (2.0, 8)):
        critical = [NOISE[0] | {"excess": excess, "value": 4.0, "low": 2.0, "high": 8.0}]
        effect = measured.critical_over_noise_scale(measurement("noise_scale", critical + ends), "1 %", "sgd")
        assert (effect.value, effect.low, effect.high) == pytest.approx((4 / scale, 2 / scale, 8 / scale))
        assert (effect.n, effect.of) == (2, "readings")


def test_a_number_comes_with_the_interval_that_stands_beside_it_or_that_of_its_processes():
    def value(column, **row):
        return measured.measured_value(measurement("memory", [{"k": 1, **row}]), "memory", {"k": 1}, column)

    beside = value("value", value=2.0, low=1.0, high=5.0, minibatches=9)
    assert (beside.value, beside.low, beside.high, beside.n, beside.of) == (2, 1, 5, 9, "minibatches")
    exact = value("value", value=2.0, q25=None, repeats=None, minibatches=None)
    assert (exact.low, exact.high, exact.n, exact.of) == (2, 2, 1, "rows")
    scaled = value("ratio_to_independent", ratio_to_independent=3.0, ratio=1.5, low=1.0, high=2.0)
    assert (scaled.low, scaled.high) == (2.0, 4.0)
    for column in ("gigaflops", "seconds", "value"):
        alone = value(column, **{column: 10.0, "repeats": 7, "process": 1})
        assert (alone.value, alone.low, alone.high) == (pytest.approx(10), 0.0, math.inf), "one process says nothing"
        assert (alone.n, alone.of) == (1, "processes")
    counted = value("flops_per_byte", flops_per_byte=2.0, repeats=7, process=1)
    assert (counted.low, counted.high) == (2, 2), "what is counted is exact, by one process too"


def test_a_ratio_of_numbers_is_as_wide_as_both_allow_and_as_often_as_the_lesser():
    table = [{"k": k, "value": v, "low": v / 2, "high": 2 * v, "repeats": n} for k, v, n in ((1, 6.0, 9), (2, 3.0, 4))]
    effect = measured.measured_ratio(measurement("memory", table), "memory", {"k": 1}, {"k": 2}, "value", times=10)
    assert (effect.value, effect.low, effect.high, effect.n) == (20, 5, 80, 4)
    nothing = quotient((0.0, 0.0, 1.0), (0.0, 0.0, 2.0), 3, "repeats")
    assert math.isnan(nothing.value) and nothing.low == 0 and nothing.high == math.inf


def test_an_effect_is_told_with_as_many_digits_as_its_decision_takes():
    assert [number_words(value) for value in (0.96001, 1.0, 1.04999, 0.95, 1.05, 2.0)] == [
        "0.96001",
        "1",
        "1.0500",
        "0.950",
        "1.05",
        "2",
    ]
    assert interval_words(Effect(2.0, 2.0, 2.0, 1500, "rows")) == "(exact, n = 1,500 rows)"
    assert interval_words(Effect(2.0, 2.0, 2.0, 3, "runs")) == "(exact, n = 3 runs)"
    assert interval_words(Effect(2.0, 2.0, 2.0, 3, "seeds")) == "(no spread, n = 3 seeds)"
    assert interval_words(Effect(2.0, 2.0, 3.0, 3, "rows")) == "[2, 3] (n = 3 rows)"


# -- files


def test_a_ledger_that_cannot_be_read_or_is_no_yaml_is_told_by_its_name(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml cannot be read: No such file or directory$"):
        read_ledger(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("claims: [")
    with pytest.raises(UserError, match=r"bad\.yaml is not YAML: "):
        read_ledger(tmp_path / "bad.yaml")
