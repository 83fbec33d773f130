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


def cost(curve, target):
    """Steps and examples of a run until its loss is at the target, between the readings."""
    below = np.flatnonzero(curve["loss"] <= target)
    if not len(below):
        return np.inf, np.inf
    before, at = curve.iloc[below[0] - 1], curve.iloc[below[0]]
    part = (before["loss"] - target) / (before["loss"] - at["loss"])
    return tuple(before[name] + part * (at[name] - before[name]) for name in ("step", "examples"))


def brute_force(sweep, optimizer, target):
    """What every cell costs the seeds that choose and those that measure, in a loop over runs."""
    costs = {}
    runs = sweep.study.runs
    curves, runs = sweep.study.curves, runs[runs["optimizer"] == optimizer]
    for cell_id, own in runs.groupby("cell_id", sort=False):
        readings = curves[curves["cell_id"] == cell_id]
        spent = np.array([cost(readings[readings["seed"] == seed], target) for seed in own["seed"]], dtype=float)
        b = int(own["batch_size"].iloc[0])
        lines = []
        for half in (spent[::2], spent[1::2]):
            steps, examples = np.median(half, axis=0)
            seconds = steps * sweep.costs.of(sweep.study.cells[cell_id].config, b)
            lines.append({"steps": steps, "examples": examples, "epochs": examples / ROWS, "seconds": seconds})
        costs[b, float(own["lr"].iloc[0])] = lines
    return costs


def test_the_best_cell_of_every_clock_against_a_loop(sweep):
    found, costs = by_measure(sweep, "adam", TARGET), brute_force(sweep, "adam", TARGET)
    assert list(found) == ["epochs", "steps", "examples", "seconds", "loss"]
    for clock in ("epochs", "steps", "examples", "seconds"):
        ordered = sorted(chosen[clock] for chosen, _ in costs.values())
        for place, one in enumerate((found[clock].best, found[clock].runner_up)):
            chosen, measured = costs[one.cell.batch_size, one.cell.lr]
            assert chosen[clock] == pytest.approx(ordered[place])
            assert one.value == pytest.approx(measured[clock])
            assert one.low <= one.value <= one.high
    losses = sweep.grid.losses[sweep.grid.rows("adam")]
    best = np.argmin(np.median(losses[:, ::2], axis=1))
    assert found["loss"].best.value == pytest.approx(np.median(losses[best, 1::2]))
    assert found["steps"].best.cell.batch_size == 100


def test_the_best_cell_of_all_optimizers_against_a_loop(sweep):
    found = by_measure(sweep, None, TARGET)
    assert len(sweep.grid.optimizers) > 1
    for clock in ("epochs", "steps", "examples"):
        least = {
            name: min(brute_force(sweep, name, TARGET).values(), key=lambda halves: halves[0][clock])
            for name in sweep.grid.optimizers
        }
        name = min(least, key=lambda name: least[name][0][clock])
        assert found[clock].best.cell.optimizer == name
        assert found[clock].best.value == pytest.approx(least[name][1][clock])
    words = words_of(sweep)
    assert "optimizer  batch size" in words and f"lowest final loss  {found['loss'].best.cell.optimizer}" in words


@pytest.mark.slow
def test_the_number_of_a_chosen_cell_is_not_flattered_by_its_choice():
    """Of 27 cells that are all alike the best looks better than they are, to the seeds that chose it."""
    rng = np.random.default_rng(0)
    alike = bowl(optimizers=("sgd",), sizes=(10,), lrs=tuple(np.geomspace(1e-3, 1, 27)))
    noise = lambda o, b, lr, seed: 0.25 + rng.normal(0, 0.003)  # noqa: E731
    noise.grid = alike.grid
    chosen, measured, covered = [], [], []
    for _ in range(60):
        sweep = sweep_tables(noise, seeds=20).sweep
        best = by_measure(sweep, "sgd", 0.3)["loss"].best
        chosen.append(np.median(best.cell.losses[::2]))
        measured.append(best.value)
        covered.append(best.low <= 0.25 <= best.high)
    assert np.mean(chosen) < 0.249 and abs(np.mean(measured) - 0.25) < 4 * 0.0012 / np.sqrt(60)
    assert np.mean(covered) >= 0.9


def test_a_single_seed_chooses_and_measures_and_that_is_said(sweep):
    one = sweep_tables(bowl(), seeds=1).sweep
    assert by_measure(one, "adam")["loss"].best.value == one.grid.medians[one.grid.rows("adam")].min()
    assert "which flatters it" in words_of(one, "adam") and "the others measure it" in words_of(sweep, "adam")


def test_seconds_have_the_error_of_the_step_that_was_measured_in_several_processes():
    sure, unsure = (1e-4, 1.01e-4, 0.99e-4), (1e-4, 2e-4, 0.5e-4)
    tables = {
        name: sweep_tables(bowl(), seeds=20, costs=costs_of({("adam", 1): near, ("adam", 10): far, ("adam", 100): far}))
        for name, near, far in (("sure", sure, sure), ("unsure", unsure, unsure))
    }
    found = {name: by_measure(one.sweep, "adam", TARGET)["seconds"] for name, one in tables.items()}
    steps = by_measure(tables["sure"].sweep, "adam", TARGET)["steps"].best
    narrow, wide = found["sure"].best, found["unsure"].best
    factor = tables["unsure"].sweep.costs.error(wide.cell.config, wide.cell.batch_size)
    assert narrow.cell.id == wide.cell.id == steps.cell.id and narrow.value == pytest.approx(wide.value)
    assert (wide.low, wide.high) == pytest.approx((steps.low * 1e-4 / factor, steps.high * 1e-4 * factor))
    assert wide.high / wide.low > 4 * narrow.high / narrow.low


def test_two_steps_that_are_hardly_known_do_not_rank_two_batch_sizes():
    both = bowl(optimizers=("adam",), sizes=(1, 100), lrs=(0.1,))
    for seconds, ranked in (((1e-4, 1.01e-4, 0.99e-4), True), ((1e-5, 1e-4, 1e-3), False)):
        costs = costs_of({("adam", 1): seconds, ("adam", 100): seconds})
        found = by_measure(sweep_tables(both, seeds=20, costs=costs).sweep, "adam", 0.26)
        assert found["steps"].comparison.low > 0.5, "of steps there is no doubt"
        assert (found["seconds"].comparison.low > 0.5) is ranked


def test_the_runner_up_is_ranked_below_only_where_the_seeds_agree(sweep):
    assert by_measure(sweep, "adam")["loss"].comparison.low > 0.5
    few = by_measure(sweep_tables(bowl(), seeds=8).sweep, "adam")["loss"]
    assert few.comparison.seeds == 4, "those that measure"
    assert few.comparison.probability == 1 and few.comparison.low <= 0.5

    level = bowl(optimizers=("sgd",))
    noisy = lambda o, b, lr, seed: 0.243 + 1e-4 * ((seed * 7 + int(1e4 * lr)) % 10)  # noqa: E731
    noisy.grid = level.grid
    assert not by_measure(sweep_tables(noisy, seeds=10).sweep, "sgd")["loss"].comparison.low > 0.5


def test_a_target_that_nobody_reaches_is_no_advice(sweep):
    found = by_measure(sweep, "adam", 0.2)
    assert not found["steps"].known and found["steps"].comparison is None and found["loss"].known
    assert "missed by half of the seeds or more  " in words_of(sweep, "adam", 0.2)


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
