"""Which batch size and learning rate: the cheapest cell on each clock, its rival, and an honest "too few seeds"."""

import numpy as np
import pytest
from sweeps import ROWS, bowl, sweep_tables

from pipeline.analysis.advice import advise
from pipeline.analysis.advise import main, report
from pipeline.analysis.seconds import StepCosts
from pipeline.lab.tables import CURVES, RUNS, write_table

COSTS = StepCosts({("scratch", "adam", 1): 1e-4, ("scratch", "adam", 100): 2e-4}, "the measured time of a step")


#: Above what the best cells of either optimizer come to.
TARGET = 0.249


@pytest.fixture(scope="module")
def sweep():
    return sweep_tables(bowl(), seeds=10, costs=COSTS).sweep


def by_measure(*arguments):
    return {one.measure: one for one in advise(*arguments)}


def brute_force(sweep, optimizer, target):
    """Median cost of every cell, in a loop over runs: the first reading at or below the target."""
    costs = {}
    curves, runs = sweep.curves, sweep.runs[sweep.runs["optimizer"] == optimizer]
    for cell_id, own in runs.groupby("cell_id", sort=False):
        spent = []
        for seed in own["seed"]:
            one = curves[(curves["cell_id"] == cell_id) & (curves["seed"] == seed) & (curves["loss"] <= target)]
            spent.append((one["step"].min(), one["examples"].min()) if len(one) else (np.inf, np.inf))
        steps, examples = np.median(np.array(spent, dtype=float), axis=0)
        b = int(own["batch_size"].iloc[0])
        costs[b, float(own["lr"].iloc[0])] = {"steps": steps, "examples": examples, "epochs": examples / ROWS}
        costs[b, float(own["lr"].iloc[0])]["seconds"] = steps * COSTS.of(optimizer, b)
    return costs


def test_the_best_cell_of_every_clock_against_a_loop(sweep):
    found, costs = by_measure(sweep, "adam", ROWS, TARGET), brute_force(sweep, "adam", TARGET)
    assert list(found) == ["epochs", "steps", "examples", "seconds", "loss"]
    for clock in ("epochs", "steps", "examples", "seconds"):
        ordered = sorted(cost[clock] for cost in costs.values())
        best, other = found[clock].best, found[clock].runner_up
        assert best.value == pytest.approx(ordered[0]) == pytest.approx(costs[best.batch_size, best.lr][clock])
        assert other.value == pytest.approx(ordered[1]) == pytest.approx(costs[other.batch_size, other.lr][clock])
        assert best.low <= best.value <= best.high and best.arrived == 1
    assert found["steps"].best.batch_size == 100 and found["loss"].best.value == pytest.approx(
        sweep.grid.medians[sweep.grid.rows("adam")].min()
    )


def test_the_runner_up_is_ranked_below_only_where_the_seeds_agree(sweep):
    assert by_measure(sweep, "adam", ROWS)["loss"].ranked
    few = by_measure(sweep_tables(bowl(), seeds=5).sweep, "adam", ROWS)["loss"]
    assert few.comparison.probability == 1 and not few.ranked

    level = bowl(optimizers=("sgd",))
    noisy = lambda o, b, lr, seed: 0.243 + 1e-4 * ((seed * 7 + int(1e4 * lr)) % 10)  # noqa: E731
    noisy.grid = level.grid
    assert not by_measure(sweep_tables(noisy, seeds=10).sweep, "sgd", ROWS)["loss"].ranked


def test_a_target_that_nobody_reaches_is_no_advice(sweep):
    found = by_measure(sweep, "adam", ROWS, 0.2)
    assert not found["steps"].known and found["steps"].comparison is None and found["loss"].known
    assert "missed by half of the seeds or more in every cell" in report(sweep, "adam", 0.2)


def test_an_interval_that_is_open_upwards_ends_in_infinity(sweep):
    found = by_measure(sweep, "adam", ROWS, float(np.sort(sweep.grid.losses[sweep.grid.rows("adam")].min(axis=0))[6]))
    assert found["seconds"].known and np.isinf(found["seconds"].best.high)
    words = report(sweep, "adam", float(np.sort(sweep.grid.losses[sweep.grid.rows("adam")].min(axis=0))[6]))
    assert ", ∞]" in words and "inf" not in words


def test_without_the_time_of_a_step_there_are_no_seconds():
    sweep = sweep_tables(bowl(), seeds=6).sweep
    assert "seconds" not in by_measure(sweep, "adam", ROWS)
    assert "Seconds are not known" in report(sweep, "adam")


def test_a_rate_on_the_border_of_its_range_is_marked():
    at_the_top = bowl(best=lambda optimizer, b: 10.0)
    words = report(sweep_tables(at_the_top, seeds=6).sweep, "sgd")
    assert "1 (border of its range)" in words


def test_the_report_ends_with_the_commands_that_train_the_cells(sweep):
    words, found = report(sweep, "adam", TARGET), by_measure(sweep, "adam", ROWS, TARGET)
    for clock in ("examples", "steps"):
        best = found[clock].best
        assert f"python -m pipeline.train optimizer=adam batch_size={best.batch_size} lr={best.lr:g}" in words
    assert "too few seeds to rank" in report(sweep_tables(bowl(), seeds=4).sweep, "adam")
    assert "offline twin" in report(sweep_tables(bowl(), data="airfoil_twin").sweep, "adam")


def test_the_command_reads_tables_and_refuses_what_it_does_not_know(tmp_path, capsys):
    tables = sweep_tables(bowl(), seeds=4)
    folder = tmp_path / "sweep"
    folder.mkdir()
    write_table(tables.runs, RUNS, folder / "runs.parquet")
    write_table(tables.curves, CURVES, folder / "curves.parquet")
    options = ["--study", str(folder), "--step-cost", str(tmp_path / "none.parquet")]
    main(["adam", "--target", str(TARGET), *options])
    assert "The clocks differ" in capsys.readouterr().out
    for arguments, words in (
        (["adm", *options], "did you mean adam?"),
        (["adam", "--target", "nan", *options], "--target=nan is not allowed"),
        (["adam", "--study", str(tmp_path)], "runs.parquet"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        error = capsys.readouterr().err
        assert ended.value.code == 2 and words in error and "Traceback" not in error
