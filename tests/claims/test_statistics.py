"""Statistics against slow and obvious twins, their intervals against simulation, and what happens at their edges."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from pipeline.claims.__main__ import main
from pipeline.claims.effect import bootstrapped, geometric_mean, median_of_quartiles, ratio_of_medians
from pipeline.claims.evidence import NoData
from pipeline.claims.statistics import curves, measured, runs, sweeps

from .synthetic import curve_rows, measurement, run_rows, study, with_table


def noisy(label, lr, values, **columns):
    rows = run_rows(label, lr=lr, seeds=range(len(values)), **columns)
    return [row | {"final_loss": value} for row, value in zip(rows, values, strict=True)]


def test_ratio_and_difference_against_loops():
    rng = np.random.default_rng(1)
    a, b = rng.gamma(3, size=(2, 15))
    evidence = study("s", noisy("a", 1, a) + noisy("b", 2, b))
    ratio = runs.run_ratio(evidence, "s", "a", "b", "final_loss")
    assert ratio.value == pytest.approx(sorted(a)[7] / sorted(b)[7])
    difference = runs.run_difference(evidence, "s", "a", "b")
    assert difference.value == pytest.approx(sum(x - y for x, y in zip(a, b, strict=True)) / 15)
    draws = np.random.default_rng(0).integers(15, size=(2000, 15))
    means = sorted(np.mean([a[i] - b[i] for i in draw]) for draw in draws)
    assert (difference.low, difference.high) == (pytest.approx(means[50]), pytest.approx(means[-51]))
    assert difference.n == 15


def test_seeds_are_paired_whatever_the_order_of_the_rows():
    rows = noisy("a", 1, [1.0, 2.0, 3.0]) + noisy("b", 2, [1.0, 2.0, 3.0])[::-1]
    effect = runs.run_gap(study("s", rows), "s", "a", "b")
    assert (effect.value, effect.low, effect.high) == (0, 0, 0)


def test_a_diverged_run_counts_as_infinite():
    rows = noisy("a", 1, [0.2, 0.2, 0.2]) + noisy("b", 2, [0.1, 0.1, 0.1])
    for row in rows[:2]:
        row["status"] = "diverged"
    assert runs.run_ratio(study("s", rows), "s", "a", "b", "final_loss").value == np.inf


def test_the_cost_to_a_target_is_that_of_the_first_reading_below_it():
    readings = [{"loss": 0.4}, {"loss": 0.2}, {"loss": 0.3}, {"loss": 0.1}]
    evidence = study("s", run_rows("a"), curve_rows("a", readings))
    assert set(curves.costs(evidence, "s", "a", "examples", 0.25)) == {1.0}
    assert set(curves.costs(evidence, "s", "a", "examples", 0.05)) == {np.inf}
    assert set(curves.loss_at(evidence, "s", "a", 2.7)) == {0.3}
    with pytest.raises(NoData, match="trained for 3 epochs, not 9"):
        curves.loss_at(evidence, "s", "a", 9)


def test_the_slope_of_a_noisy_power_law_is_covered():
    rng = np.random.default_rng(2)
    x = np.array([1, 2, 4, 8, 16, 32, 64, 128])
    hits = 0
    for _ in range(200):
        rows = [{"k": "a", "x": i, "y": i**-0.5 * np.exp(rng.normal(0, 0.1))} for i in x]
        effect = measured.log_slope(measurement("gradient_noise", rows), "gradient_noise", {"k": "a"}, "x", "y")
        hits += effect.low <= -0.5 <= effect.high
    assert 170 <= hits <= 200


@pytest.mark.parametrize("n", [3, 5, 20])
def test_intervals_from_quartiles_and_from_few_processes_cover(n):
    rng = np.random.default_rng(n)
    covered = np.zeros(2)
    for _ in range(400):
        values = rng.normal(10, 1, n)
        low, high = median_of_quartiles(np.median(values), *np.quantile(values, [0.25, 0.75]), n)
        effect = geometric_mean(np.exp(values), "processes")
        covered += [low <= 10 <= high, effect.low <= np.exp(10) <= effect.high]
    assert (covered / 400 >= 0.88).all()
    assert geometric_mean(np.array([2.0]), "processes").high == np.inf
    assert median_of_quartiles(1, 1, 1, 1) == (0, np.inf)


def test_the_bootstrap_knows_nothing_where_ratios_are_not_defined():
    effect = bootstrapped(ratio_of_medians, np.full(9, np.inf), np.full(9, np.inf))
    assert np.isnan([effect.value, effect.low, effect.high]).all()
    assert bootstrapped(ratio_of_medians, np.array([]), np.array([])).n == 0


def test_the_best_of_a_sweep_against_loops():
    rng = np.random.default_rng(3)
    rows, finals = [], {}
    for optimizer in ("adam", "sgd"):
        for lr in (0.1, 0.2, 0.4):
            losses = finals[optimizer, lr] = rng.gamma(3, size=9)
            own = run_rows("", optimizer, lr=lr, seeds=range(9))
            rows += [row | {"final_loss": loss} for row, loss in zip(own, losses, strict=True)]
    effect = sweeps.tuned_ratio(study("s", rows), "s", "adam", "sgd")
    best = {o: min(np.median(finals[o, lr]) for lr in (0.1, 0.2, 0.4)) for o in ("adam", "sgd")}
    assert effect.value == pytest.approx(best["adam"] / best["sgd"])
    assert effect.low <= effect.value <= effect.high and effect.n == 9


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no results of the lab's own lie
    evidence = study("s", run_rows("a", lr=1) + run_rows("a", lr=2))
    with pytest.raises(NoData, match="study s has 2 cells called 'a', not one"):
        runs.run_ratio(evidence, "s", "a", "b", "steps")
    with pytest.raises(NoData, match="make results/textbook/runs.parquet with snakemake textbook"):
        runs.run_ratio(evidence, "textbook", "a", "b", "steps")
    with pytest.raises(NoData, match="make results/measure/loading.parquet with snakemake measure"):
        measured.measured_value(evidence, "loading", {"data": "airfoil"}, "load_share")
    with pytest.raises(NoData, match="loading has 2 rows with data airfoil, not one"):
        twice = measurement("loading", [{"data": "airfoil"}] * 2)
        measured.measured_value(twice, "loading", {"data": "airfoil"}, "load_share")
    with pytest.raises(NoData, match="load_share was not measured"):
        once = measurement("loading", [{"data": "airfoil", "load_share": float("nan")}])
        measured.measured_value(once, "loading", {"data": "airfoil"}, "load_share")
    stacked = study("s", run_rows("a", lr=1, seconds_per_epoch=None) + run_rows("b", lr=2))
    with pytest.raises(NoData, match="seconds_per_epoch was not measured"):
        runs.run_ratio(stacked, "s", "a", "b", "seconds_per_epoch")
    with pytest.raises(NoData, match="study s was not trained on one table"):
        runs.moment_error(study("s", run_rows("a")), "s", 1500)


def test_the_moments_of_the_whitened_table():
    table = pd.DataFrame({"x": [-1.0, 1.0, 3.0], "y": [1.0, -1.0, 0.0]})
    evidence = with_table("s", table, run_rows("a"))
    assert runs.moment_error(evidence, "s", 2).value == 0
    assert runs.moment_error(evidence, "s", 3).value == pytest.approx(8 / 3 - 1)


def test_the_command_writes_verdicts_without_any_table(tmp_path, capsys):
    out = tmp_path / "claims.json"
    main(["--out", str(out), "--results", str(tmp_path), "--ledger", str(ROOT / "conf" / "claims.yaml")])
    decided = json.loads(out.read_text())
    assert {claim["verdict"] for claim in decided["claims"]} == {"inconclusive"}
    assert "40 inconclusive" in capsys.readouterr().out
    (tmp_path / "measure").mkdir()
    (tmp_path / "measure" / "memory.parquet").write_text("no table")
    with pytest.raises(SystemExit) as stopped:
        main(["--out", str(out), "--results", str(tmp_path), "--ledger", str(ROOT / "conf" / "claims.yaml")])
    assert stopped.value.code == 2 and "memory.parquet is no measurement" in capsys.readouterr().err
