"""Statistics against slow and obvious twins, their intervals against simulation, and what happens at their edges."""

import json

import numpy as np
import pytest

from pipeline.claims.__main__ import main
from pipeline.claims.effect import bootstrapped, geometric_mean, median_of_quartiles, ratio_of_medians
from pipeline.claims.evidence import NoData
from pipeline.claims.statistics import curves, measured, runs, sweeps

from .synthetic import above, curve_rows, measurement, run_rows, study


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


def test_the_cost_to_a_target_is_that_of_the_first_reading_below_it_or_lies_between_two():
    readings = [{"loss": 0.4}, {"loss": 0.2}, {"loss": 0.3}, {"loss": 0.1}]
    evidence = study("s", run_rows("a"), curve_rows("a", readings))
    assert set(curves.costs(evidence, "s", "a", 0.25)["steps"]) == {1.0}
    assert set(curves.costs(evidence, "s", "a", 0.05)["steps"]) == {np.inf}
    assert set(curves.loss_at(evidence, "s", "a", 2.7)) == {0.3}
    rare = [reading | {"step": 10 * i, "examples": 30 * i} for i, reading in enumerate(readings)]
    evidence = study("s", run_rows("a"), curve_rows("a", rare))
    assert curves.costs(evidence, "s", "a", 0.25)["examples"].to_numpy() == pytest.approx(30 * 0.75)
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
            losses = finals[optimizer, lr] = 1 + rng.gamma(3, size=9)
            own = run_rows("", optimizer, lr=lr, seeds=range(9))
            rows += [row | {"final_loss": loss} for row, loss in zip(own, losses, strict=True)]
    effect = sweeps.tuned_ratio(above(study("s", rows), 1.0), "s", "adam", "sgd")
    excess = []
    for optimizer in ("adam", "sgd"):
        chosen = min((0.1, 0.2, 0.4), key=lambda lr: np.median([finals[optimizer, lr][k] for k in (0, 2, 4, 6, 8)]))
        excess.append(np.median([finals[optimizer, chosen][k] - 1 for k in (1, 3, 5, 7)]))
    assert effect.value == pytest.approx(excess[0] / excess[1])
    assert effect.low <= effect.value <= effect.high and effect.n == 4


@pytest.mark.slow
def test_the_interval_of_the_best_of_many_covers_though_it_was_chosen():
    """Twelve cells of one optimizer that are equally good, against one: the ratio of what is chosen is one."""
    rng = np.random.default_rng(4)
    covered, fair, flattered = 0, [], []
    for _ in range(200):
        losses = 1 + rng.gamma(4, size=(13, 100))
        rows = []
        for cell, values in enumerate(losses):
            own = run_rows("", "sgd" if cell == 12 else "adam", lr=0.1 + cell, seeds=range(100))
            rows += [row | {"final_loss": value} for row, value in zip(own, values, strict=True)]
        effect = sweeps.tuned_ratio(above(study("s", rows), 1.0), "s", "adam", "sgd")
        covered += effect.low <= 1 <= effect.high
        fair.append(effect.value)
        flattered.append(np.median(losses[:12] - 1, axis=1).min() / np.median(losses[12] - 1))
    assert 0.93 * 200 <= covered <= 200
    # The seeds that choose the lowest of twelve make it look better than it is; those that did not choose do not.
    assert np.mean(flattered) < 0.92 and np.mean(fair) == pytest.approx(1, abs=0.03)


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


def test_the_command_writes_verdicts_without_any_table(tmp_path, capsys):
    out = tmp_path / "claims.json"
    arguments = ["--out", str(out), "--results", str(tmp_path), "--stored", str(tmp_path / "none.json")]
    main(arguments)
    decided = json.loads(out.read_text())
    assert {claim["verdict"] for claim in decided["claims"] if claim["tests"]} == {"inconclusive"}
    assert f"{decided['counts']['inconclusive']} inconclusive" in capsys.readouterr().out
    (tmp_path / "measure").mkdir()
    (tmp_path / "measure" / "memory.parquet").write_text("no table")
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "memory.parquet is no measurement" in capsys.readouterr().err
