"""Which batch size and learning rate: the cheapest cell on each clock, its rival, and the command that trains it."""

import shlex

import numpy as np
import pytest
from sweeps import ROWS, bowl, costs_of, sweep_tables

from pipeline.analysis.advise import advise, main, report
from pipeline.lab.config import Cell, compose_cell, load_study
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared

COSTS = costs_of({("adam", 1): 1e-4, ("adam", 100): 2e-4})

OTHER_STUDIES = ("textbook", "siblings", "sweep", "digits")
#: Above what the best cells of either optimizer come to.
TARGET = 0.249


@pytest.fixture(scope="module")
def sweep():
    return sweep_tables(bowl(), seeds=10, costs=COSTS).sweep


def by_measure(*arguments):
    return {one.measure: one for one in advise(*arguments)}


def words_of(sweep, *arguments):
    return report(sweep.study, *arguments, costs=sweep.costs)


def brute_force(sweep, optimizer, target):
    """Median cost of every cell, in a loop over runs: the first reading at or below the target."""
    costs = {}
    runs = sweep.study.runs
    curves, runs = sweep.study.curves, runs[runs["optimizer"] == optimizer]
    for cell_id, own in runs.groupby("cell_id", sort=False):
        spent = []
        for seed in own["seed"]:
            one = curves[(curves["cell_id"] == cell_id) & (curves["seed"] == seed) & (curves["loss"] <= target)]
            spent.append((one["step"].min(), one["examples"].min()) if len(one) else (np.inf, np.inf))
        steps, examples = np.median(np.array(spent, dtype=float), axis=0)
        b = int(own["batch_size"].iloc[0])
        costs[b, float(own["lr"].iloc[0])] = {"steps": steps, "examples": examples, "epochs": examples / ROWS}
        costs[b, float(own["lr"].iloc[0])]["seconds"] = steps * sweep.costs.of(sweep.study.cells[cell_id].config, b)
    return costs


def test_the_best_cell_of_every_clock_against_a_loop(sweep):
    found, costs = by_measure(sweep, "adam", TARGET), brute_force(sweep, "adam", TARGET)
    assert list(found) == ["epochs", "steps", "examples", "seconds", "loss"]
    for clock in ("epochs", "steps", "examples", "seconds"):
        ordered = sorted(cost[clock] for cost in costs.values())
        best, other = found[clock].best, found[clock].runner_up
        assert (
            best.value == pytest.approx(ordered[0]) == pytest.approx(costs[best.cell.batch_size, best.cell.lr][clock])
        )
        assert (
            other.value
            == pytest.approx(ordered[1])
            == pytest.approx(costs[other.cell.batch_size, other.cell.lr][clock])
        )
        assert best.low <= best.value <= best.high
    assert found["steps"].best.cell.batch_size == 100 and found["loss"].best.value == pytest.approx(
        sweep.grid.medians[sweep.grid.rows("adam")].min()
    )


def test_the_best_cell_of_all_optimizers_against_a_loop(sweep):
    found = by_measure(sweep, None, TARGET)
    assert len(sweep.grid.optimizers) > 1
    for clock in ("epochs", "steps", "examples"):
        least = {
            name: min(cost[clock] for cost in brute_force(sweep, name, TARGET).values())
            for name in sweep.grid.optimizers
        }
        assert found[clock].best.value == pytest.approx(min(least.values()))
        assert least[found[clock].best.cell.optimizer] == pytest.approx(min(least.values()))
    words = words_of(sweep)
    assert "optimizer  batch size" in words and f"lowest final loss  {found['loss'].best.cell.optimizer}" in words


def test_the_runner_up_is_ranked_below_only_where_the_seeds_agree(sweep):
    assert by_measure(sweep, "adam")["loss"].comparison.low > 0.5
    few = by_measure(sweep_tables(bowl(), seeds=5).sweep, "adam")["loss"]
    assert few.comparison.probability == 1 and few.comparison.low <= 0.5

    level = bowl(optimizers=("sgd",))
    noisy = lambda o, b, lr, seed: 0.243 + 1e-4 * ((seed * 7 + int(1e4 * lr)) % 10)  # noqa: E731
    noisy.grid = level.grid
    assert not by_measure(sweep_tables(noisy, seeds=10).sweep, "sgd")["loss"].comparison.low > 0.5


def test_a_target_that_nobody_reaches_is_no_advice(sweep):
    found = by_measure(sweep, "adam", 0.2)
    assert not found["steps"].known and found["steps"].comparison is None and found["loss"].known
    assert "missed by half of the seeds or more in every cell" in words_of(sweep, "adam", 0.2)


def test_a_target_that_runs_begin_at_is_no_advice_either(sweep):
    words = words_of(sweep, "adam", 10.0)
    assert "Runs are at the target before their first step" in words and "python -m" not in words


def test_an_interval_that_is_open_upwards_ends_in_infinity(sweep):
    found = by_measure(sweep, "adam", float(np.sort(sweep.grid.losses[sweep.grid.rows("adam")].min(axis=0))[6]))
    assert found["seconds"].known and np.isinf(found["seconds"].best.high)
    words = words_of(sweep, "adam", float(np.sort(sweep.grid.losses[sweep.grid.rows("adam")].min(axis=0))[6]))
    assert ", ∞]" in words and "inf" not in words


def test_without_the_time_of_a_step_there_are_no_seconds():
    sweep = sweep_tables(bowl(), seeds=6).sweep
    assert "seconds" not in by_measure(sweep, "adam")
    assert "Seconds are not measured" in words_of(sweep, "adam")


def test_a_rate_on_the_border_of_its_range_is_marked():
    at_the_top = bowl(best=lambda optimizer, b: 10.0)
    words = words_of(sweep_tables(at_the_top, seeds=6).sweep, "sgd")
    assert "1 (border of its range)" in words


def test_the_report_says_where_seeds_are_too_few_and_where_the_twin_was_used():
    assert "too few seeds to rank" in words_of(sweep_tables(bowl(), seeds=4).sweep, "adam")
    assert "offline twin" in words_of(sweep_tables(bowl(), data="airfoil_twin").sweep, "adam")


# -- studies that vary more than batch size and learning rate


def trained(cells, dataset, datasets=None):
    return StudyResults(*train_cells(cells, datasets or {dataset.name: dataset}))


def commands_in(words):
    """The arguments of each command that was printed."""
    return [shlex.split(line.split(": ", 1)[1])[3:] for line in words.splitlines() if "pipeline.train" in line]


def test_models_have_a_table_each_with_a_target_and_a_command_of_their_own(dataset):
    common = ["data=airfoil_twin", "engine=stacked", "seeds=6", "batch_size=100", "epochs=1"]
    cells = [
        Cell(compose_cell([*common, f"model={model}", f"lr={lr}"]), "mine")
        for model in ("linear", "mlp")
        for lr in (0.03, 0.1, 0.3)
    ]
    study = trained(cells, dataset)
    words = report(study, "sgd")
    linear, mlp = words.split("\n\nsgd on ")
    assert linear.startswith("sgd on airfoil_twin (offline twin: generated data) (linear): 3 cells, 6 seeds, 1 epoch.")
    assert mlp.startswith("airfoil_twin (offline twin: generated data) (mlp): 3 cells, 6 seeds, 1 epoch.")
    targets = {part.splitlines()[1] for part in (linear, mlp)}
    assert len(targets) == 2
    for part, model in ((linear, "linear"), (mlp, "mlp")):
        printed = commands_in(part)
        assert printed and all(Cell(compose_cell(given)).id in study.cells for given in printed)
        assert {compose_cell(given).model.name for given in printed} == {model}


def test_hyperparameters_and_epochs_are_kept_apart_and_named(dataset):
    common = ["data=airfoil_twin", "engine=stacked", "seeds=2", "optimizer=momentum", "batch_size=300", "lr=0.02"]
    varied = [["optimizer.hyperparams.momentum=0.5"], [], ["epochs=1"]]
    words = report(trained([Cell(compose_cell([*common, *own])) for own in varied], dataset), "momentum")
    heads = [line for line in words.splitlines() if line.startswith("momentum") and ": 1 cell" in line]
    assert [head.split(": 1 cell")[0].replace(" (offline twin: generated data)", "") for head in heads] == [
        "momentum, momentum 0.5 on airfoil_twin (epochs 2)",
        "momentum, momentum 0.9 on airfoil_twin (epochs 2)",
        "momentum on airfoil_twin (epochs 1)",
    ]


@pytest.mark.parametrize("name", ["exercises", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_STUDIES)])
def test_the_printed_command_trains_the_cell_again_to_the_last_bit(name, dataset, tmp_path):
    """Of a cell that is its own stack; tests/test_command.py has those that are stacked beside others."""
    own = ["epochs=1", "seeds=2"] if name == "digits" else ["data=airfoil_twin", "seeds=2"]
    cells = sorted(load_study(name, own).cells, key=lambda cell: cell.steps)
    for cell in cells[:: max(len(cells) // 8, 1)][:2]:
        datasets = {cell.config.data.name: prepared(cell.config.data, tmp_path)}
        study = trained([cell], None, datasets)
        optimizer = cell.config.optimizer.name
        for given in commands_in(report(study, optimizer, target=10.0)):
            again = Cell(compose_cell(given))
            assert again.id == cell.id
            runs, curves = train_cells([again], datasets)
            assert runs["final_loss"].tolist() == study.runs["final_loss"].tolist()
            assert curves["loss"].tolist() == study.curves["loss"].tolist()


def test_the_command_reads_tables_and_refuses_what_it_does_not_know(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no results of the lab's own lie
    tables = sweep_tables(bowl(), seeds=4)
    folder = tmp_path / "sweep"
    folder.mkdir()
    write_table(tables.runs, RUNS, folder / "runs.parquet")
    write_table(tables.curves, CURVES, folder / "curves.parquet")
    options = ["--study", str(folder)]
    main(["adam", "--target", str(TARGET), *options])
    by_folder = capsys.readouterr().out
    assert "The clocks differ" in by_folder
    main(["adam", "--target", str(TARGET), "--results", str(tmp_path)])
    assert capsys.readouterr().out == by_folder
    for arguments, words in (
        (["adm", *options], "did you mean adam?"),
        (["adam", "--target", "nan", *options], "--target=nan is not allowed"),
        (["adam", "--step-cost", str(tmp_path / "none.parquet"), *options], "none.parquet cannot be read"),
        (
            ["adam", "--study", "mine", "--results", str(tmp_path)],
            "mine/runs.parquet does not exist: make it with snakemake --cores 2 mine",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        error = capsys.readouterr().err
        assert ended.value.code == 2 and words in error and "Traceback" not in error
