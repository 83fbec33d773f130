"""Statistics against slow and obvious twins, their intervals against simulation, and what happens at their edges."""

import json

import numpy as np
import pytest

from pipeline.claims.__main__ import main
from pipeline.claims.effect import Effect, bootstrapped, geometric_mean, product, ratio_of_medians
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


#: Standard deviations of the logarithm of a time: between processes, and between repeats in one.
BETWEEN, WITHIN = 0.1, 0.2


def timed_world(rng, processes, truth=1.0):
    """Seven repeats of two things in each process, and their medians; the first takes ``truth`` times as long."""
    logs = rng.normal(0, BETWEEN, (2, processes, 1)) + rng.normal(0, WITHIN, (2, processes, 7))
    return np.exp(np.log([[[truth]], [[1.0]]]) + logs)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [3, 4])
def test_the_interval_of_a_ratio_of_times_covers_where_processes_differ_and_repeats_do(processes):
    rng = np.random.default_rng(processes)
    covered, naive, worlds = 0, 0, 4000
    for _ in range(worlds):
        a, b = timed_world(rng, processes, truth=2.0)
        effect = geometric_mean(np.median(a, axis=1) / np.median(b, axis=1), "processes")
        covered += effect.low <= 2 <= effect.high
        alone = geometric_mean(a[0] / b[0], "repeats")  # as if the repeats of one process were all there is
        naive += alone.low <= 2 <= alone.high
    assert 0.93 <= covered / worlds <= 0.97
    assert naive / worlds < 0.85, "between-process variance is worth having"
    assert geometric_mean(np.array([2.0]), "processes").high == np.inf


def test_intervals_of_two_runs_overlap_as_often_as_their_level_says():
    """Two 95 % intervals that cover meet in more than 95 % of pairs: each covers the truth in all but 5 %."""
    rng = np.random.default_rng(5)
    effects = []
    for _ in range(400):
        a, b = timed_world(rng, 3)
        effects.append(geometric_mean(np.median(a, axis=1) / np.median(b, axis=1), "processes"))
    pairs = list(zip(effects[::2], effects[1::2], strict=True))
    assert np.mean([one.low <= other.high and other.low <= one.high for one, other in pairs]) >= 0.95


@pytest.mark.slow
def test_the_interval_of_a_product_covers():
    """Steps of twenty seeds, times the seconds of a step of three processes: somewhat too often, never too seldom."""
    rng = np.random.default_rng(6)
    covered, worlds = 0, 1500
    for _ in range(worlds):
        steps = np.exp(rng.normal(0, 0.3, (2, 20)))
        a, b = timed_world(rng, 3)
        seconds = geometric_mean(np.median(a, axis=1) / np.median(b, axis=1), "processes")
        effect = product(bootstrapped(ratio_of_medians, *steps), seconds)
        covered += effect.low <= 1 <= effect.high
    assert 0.93 <= covered / worlds <= 0.985


def test_a_product_with_nothing_or_infinity_has_the_ends_of_both():
    seconds = Effect(2.0, 1.0, 4.0, 3, "processes")
    never = product(Effect(np.inf, np.inf, np.inf, 20), seconds)
    assert (never.value, never.low, never.high, never.n, never.of) == (np.inf, np.inf, np.inf, 3, "processes")
    nothing = product(Effect(0.0, 0.0, 5.0, 20), seconds)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 20)
    open_ = product(Effect(1.0, 0.0, np.inf, 20), seconds)
    assert (open_.value, open_.low, open_.high) == (2, 0, np.inf)
    square = product(Effect(1.0, np.exp(-3), np.exp(3), 20), Effect(1.0, np.exp(-4), np.exp(4), 3, "processes"))
    assert (square.low, square.high) == pytest.approx((np.exp(-5), np.exp(5)))


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
