"""The audit of finders: regret is against the truth, a look-up is a training, and what fails is a row."""

import json
import sys
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.answer.costs import StepTimes
from pipeline.contrib.finders import halving, raced, rules, samplers
from pipeline.contrib.finders.__main__ import main
from pipeline.contrib.finders.audit import BEST, audit
from pipeline.contrib.finders.figure.finders import caption, finders, title
from pipeline.contrib.finders.judge import Judge, regret
from pipeline.contrib.finders.landscape import MEASURES, Landscape, Runs
from pipeline.contrib.finders.libraries import PINS, install, use, version_of
from pipeline.contrib.finders.method import Found, Method, NothingFound, for_all
from pipeline.contrib.finders.methods import every_method
from pipeline.contrib.finders.problems import problems
from pipeline.contrib.frameworks.environment import read_pins
from pipeline.figures import style
from pipeline.lab.config import compose_cell
from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import UserError
from pipeline.measure.table import Measured, read_measured, table_of, write_measured
from pipeline.train.cells import train_cells
from pipeline.workflow.jobs import Jobs
from pipeline.workflow.settings import read_settings

EPOCHS, START, FLOOR = 4, 1.0, 0.2
BATCH_SIZES = (16, 64, 256)
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


@cache
def grid(seeds=1, epochs=EPOCHS):
    """Cells of three optimizers, three batch sizes and five rates."""
    given = ["data=airfoil_twin", f"epochs={epochs}", "engine=stacked", f"seeds={seeds}", "read_every=0"]
    bases = [compose_cell([*given, f"optimizer={name}"]) for name in ("sgd", "momentum", "adam")]
    return [Cell(replace(base, batch_size=b, lr=lr)) for base in bases for b in BATCH_SIZES for lr in RATES]


def simulated(dataset, levels, noise=0.0, seeds=64):
    """A landscape where cell i ends at a loss of FLOOR + levels[i], and falls evenly to it."""
    cells = grid()
    random = np.random.default_rng(0)
    final = FLOOR + np.asarray(levels)[:, None] + noise * random.exponential(size=(len(cells), seeds))
    shares = np.arange(4 * EPOCHS + 1) / (4 * EPOCHS)
    at = pd.MultiIndex.from_product([[cell.id for cell in cells], range(seeds)], names=["cell_id", "seed"])
    runs = pd.DataFrame({"status": "ok", "final_loss": final.ravel()}, index=at).reset_index()
    curves = runs[["cell_id", "seed"]].loc[runs.index.repeat(len(shares))].reset_index(drop=True)
    share = np.tile(shares, len(runs))
    steps = np.repeat([cell.steps for cell in cells], seeds * len(shares))
    curves["epoch"], curves["step"] = share * EPOCHS, share * steps
    curves["examples"] = curves["epoch"] * 1500
    curves["loss"] = START + (np.repeat(final.ravel(), len(shares)) - START) * share
    times = StepTimes({StepTimes.kind(cell): [1e-4, 1e-4, 1e-4] for cell in cells})
    stacked = dict.fromkeys(times.samples, 1e-3)
    return Landscape(
        "airfoil linear", Runs(cells, range(seeds), runs, curves, "loss"), dataset, times=times, stacked=stacked
    )


@pytest.fixture
def steep(dataset):
    """The seventh cell is the best, and each other one a hundredth worse than the one before it."""
    order = np.argsort([i != 7 for i in range(len(grid()))], kind="stable")
    levels = np.empty(len(order))
    levels[order] = 0.01 * np.arange(len(order))
    return simulated(dataset, levels, noise=1e-4)


def always(cell, name="always the same"):
    return Method(name, "minibatch-lab", lambda landscape, repetition: Found(for_all(cell), [(cell, 4.0)]))


def test_there_are_ten_methods_and_four_problems_or_more():
    methods = every_method()
    assert len({method.name for method in methods}) == len(methods) >= 10
    assert len(problems()) >= 4
    assert set(read_pins(PINS)) >= {"optuna", "prodigyopt", "schedulefree", "dadaptation"}
    assert version_of("minibatch-lab") == "0.1.0"
    assert version_of("no-such-library") == ""


@pytest.mark.parametrize(("study", "promised"), [("landscape", False), ("wine_sweep", True)])
def test_a_table_is_promised_to_a_job_only_where_the_whole_study_is_about_it(study, promised):
    """An override reaches every cell of a study: those on fetched data would refuse it."""
    jobs = Jobs(read_settings({}))
    job = next(name for name in jobs.of(study) if "airfoil" not in name)
    places = jobs.places(SimpleNamespace(study=study, job=job), SimpleNamespace(runs="results/x/runs.parquet"))
    assert any("data.split" in override for override in places) == promised


def test_the_best_has_no_regret_and_another_has_as_much_as_it_is_worse(steep):
    best, other = steep.cells[7], steep.cells[20]
    assert {steep.best(measure).id for measure in ("loss",)} == {best.id}
    rows = {row["method"]: row for row in audit(steep, [always(best, "oracle"), always(other, "other")])}
    assert rows["oracle"]["regret_loss"] == rows[BEST]["regret_loss"] == 0
    worse = 0.20 / FLOOR  # 20 cells down, 0.01 each
    assert rows["other"]["regret_loss"] == pytest.approx(worse, rel=0.01)
    assert rows["other"]["regret_loss_low"] <= worse * 1.001
    assert rows["other"]["regret_loss_high"] >= worse * 0.999
    assert rows["other"]["regret_steps"] == np.inf  # its loss never gets to the target
    assert rows["oracle"]["cost_runs"] == 1
    assert rows["oracle"]["cost_epochs"] == 4
    assert rows["oracle"]["cost_seconds"] == pytest.approx(4 * best.steps_per_epoch * 1e-4)
    assert rows[BEST]["cost_runs"] == len(steep.cells) * steep.choosing


@pytest.mark.parametrize(("first", "last", "chosen"), [(0, 23, 7), (24, 43, 20), (44, 63, 7)])
def test_only_the_seeds_that_choose_say_which_cell_is_the_best(steep, first, last, chosen):
    """A cell may be lucky with the seeds that methods search with, or with those that judge."""
    assert (steep.searched, steep.choosing, steep.judged) == (24, 20, 20)
    runs = steep.all.runs.copy()
    runs.loc[(runs.cell_id == steep.cells[20].id) & runs.seed.between(first, last), "final_loss"] = FLOOR / 2
    assert replace(steep, all=replace(steep.all, runs=runs)).best("loss").id == steep.cells[chosen].id


def test_the_seeds_that_choose_do_not_judge(steep):
    """A cell that is best by the seeds that choose alone is found, and what it is worth is said."""
    lucky = steep.cells[20].id
    runs = steep.all.runs.copy()
    runs.loc[(runs.cell_id == lucky) & runs.seed.between(24, 43), "final_loss"] = FLOOR / 2
    landscape = replace(steep, all=replace(steep.all, runs=runs))
    assert landscape.best("loss").id == lucky
    (_, row) = audit(landscape, [always(steep.cells[7])])
    assert row["regret_loss"] < -0.4  # the setting that the audit takes for the best is worse than this one


def test_the_target_is_what_is_left_of_the_fall_of_the_best(steep):
    best = np.median(steep.all.final[7, 24:44])
    assert steep.target == pytest.approx(best + 0.05 * (START - best))
    # The loss falls evenly, so that it is there after 95 % of the updates.
    assert np.median(steep.steps[7]) == pytest.approx(0.95 * steep.cells[7].steps, rel=0.01)
    np.testing.assert_allclose(steep.all.by_epoch[1, 7], START + (steep.all.final[7] - START) / 2)


def test_the_fastest_cell_is_one_that_arrives_nearly_always(dataset):
    """A cell that is faster but gets to the target with two seeds of three is no measure for the others."""
    levels = np.full(len(grid()), 0.5)
    levels[[0, 10]] = 0.0, 0.01  # of b 16, and of b 256: fewer steps
    landscape = simulated(dataset, levels)
    assert landscape.best("steps").id == landscape.cells[10].id
    curves = landscape.all.curves.copy()
    curves.loc[(curves.cell_id == landscape.cells[10].id) & (curves.seed % 3 == 0), "loss"] = START
    patchy = replace(landscape, all=replace(landscape.all, curves=curves))
    assert np.isfinite(np.median(patchy.steps[10, 24:44]))
    assert patchy.best("steps").id == patchy.cells[0].id


def test_what_fails_is_a_row_that_says_why(steep):
    def breaks(landscape, repetition):
        raise ValueError("it does not like this\nat all")

    def sometimes(landscape, repetition, share):
        if repetition < share * 20:
            raise NothingFound("the finder suggested None")
        return Found(for_all(steep.cells[7]))

    methods = [
        Method("absent", "optuna", breaks),
        Method("broken", "minibatch-lab", breaks),
        Method("rarely", "minibatch-lab", lambda one, r: sometimes(one, r, 0.25)),
        Method("mostly", "minibatch-lab", lambda one, r: sometimes(one, r, 0.75)),
        Method("never", "minibatch-lab", lambda one, r: sometimes(one, r, 1.0)),
    ]
    _, *rows = audit(steep, methods, {"optuna": "the environment of optuna cannot be made: no wheel"})
    absent, broken, rarely, mostly, never = table_of("finders", rows).to_dict("records")
    assert (absent["status"], absent["message"]) == ("error", "the environment of optuna cannot be made: no wheel")
    assert (broken["status"], broken["message"]) == ("error", "ValueError: it does not like this")
    assert np.isnan(broken["regret_loss"])
    assert (rarely["status"], rarely["failed"], rarely["message"]) == ("ok", 5, "the finder suggested None")
    assert (rarely["regret_loss"], mostly["regret_loss"]) == (0, np.inf)
    assert (never["status"], never["failed"], never["regret_loss"]) == ("error", 20, pytest.approx(np.nan, nan_ok=True))


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """Settings of random quality, judged by few seeds: 95 % intervals cover the median regret nearly as often."""
    random = np.random.default_rng(1)
    truth = np.log(2)  # the median of the exponential distribution
    covered = 0
    for entropy in range(200):
        quality = 1 + random.exponential(size=20)
        common = random.normal(scale=0.05, size=20)  # a seed is good or bad for every setting
        values = quality[:, None] * np.exp(common + random.normal(scale=0.02, size=(20, 20)))
        best = np.exp(common + random.normal(scale=0.02, size=20))
        _, low, high = regret(values, best, entropy)
        covered += low <= truth <= high
    assert covered >= 180


def test_halving_finds_the_best_of_what_it_drew_and_counts_what_it_trained(steep, monkeypatch):
    monkeypatch.setattr(halving, "CELLS", len(steep.cells))
    found = halving.halve(steep, 3)
    assert found.settings["loss"].id == steep.cells[7].id
    n = len(steep.cells)
    assert sorted(epochs for _, epochs in found.trained) == [1.0] * (n - n // 2) + [2.0] * (n // 2 - n // 4) + [4.0] * (
        n // 4
    )


def test_rules_scale_the_rate_that_is_best_at_the_smallest_batch(dataset):
    levels = np.ones(len(grid()))
    levels[1] = 0  # sgd, b 16, lr 0.03
    landscape = simulated(dataset, levels)
    linear, root = (rules.scaled(landscape, 0, power=power) for power in (1.0, 0.5))
    for found, lr in ((linear, 0.03 * 16), (root, 0.03 * 4)):
        config = found.settings["steps"].config
        assert (config.optimizer.name, config.batch_size, config.lr) == ("sgd", 256, pytest.approx(lr))
        assert [cell.config.lr for cell, _ in found.trained] == list(RATES)


def test_the_race_finds_a_clear_leader_with_few_of_the_runs(steep):
    found = raced.race(steep, 0)
    assert {cell.id for cell in found.settings.values()} == {steep.cells[7].id}
    assert set(found.settings) == set(MEASURES)
    assert len(found.trained) < len(steep.cells) * steep.searched * 2 / 3
    assert found.stacked


@pytest.mark.parametrize("kind", ["random", "tpe", "asha"])
def test_samplers_look_up_a_run_a_trial(steep, kind):
    pytest.importorskip("optuna", reason="snakemake finders installs it; a slow test does, too")
    found = samplers.search(steep, 0, trials=30, kind=kind)
    assert len(found.trained) == 30
    whole = [cell.id for cell, epochs in found.trained if epochs == EPOCHS]
    finals = {cell: steep.all.final[steep.position[cell], 0] for cell in whole}
    assert found.settings["loss"].id == min(finals, key=finals.get)
    assert (len(whole) < 30) == (kind == "asha")


def test_too_few_seeds_are_refused(dataset):
    with pytest.raises(UserError, match="20 choose the best, 20 judge, and there must be some more to search with"):
        simulated(dataset, np.zeros(len(grid())), seeds=40)


def test_the_figure_says_what_was_found_and_what_failed(steep, tmp_path):
    def breaks(landscape, repetition):
        raise ValueError("no luck")

    methods = [always(steep.cells[7], "good"), always(steep.cells[30], "bad"), Method("ugly", "torch", breaks)]
    rows = audit(steep, methods)
    rows += [{**row, "problem": "digits mlp"} for row in rows]
    write_measured(Measured("finders", table_of("finders", rows), {"data": None}), tmp_path / "finders.parquet")
    main(["draw", str(tmp_path / "finders.parquet"), "--out", str(tmp_path)])
    measured = read_measured(tmp_path / "finders.parquet")
    assert title(measured).startswith("1 of 3 ways to choose a setting come within 5 %")
    assert "on every one of 2 problems" in title(measured)
    assert "ugly (airfoil linear): ValueError: no luck." in caption(measured)
    figure = finders(measured)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["good", "bad", "ugly"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["failed"]
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"airfoil linear", "digits mlp"}
    style.save(figure, tmp_path / "again")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "measure_finders.svg").read_bytes()


def test_a_problem_that_there_is_not_is_told_in_one_sentence(tmp_path, capsys):
    (tmp_path / "installed.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(
            ["audit", "airfoil", "--study", str(tmp_path), "--data-dir", str(tmp_path), "--libraries", str(tmp_path)]
            + ["--installed", str(tmp_path / "installed.json"), "--out", str(tmp_path / "out.json")]
        )
    assert ended.value.code == 2
    assert (
        "problem=airfoil is not allowed: the study landscape has airfoil linear, airfoil mlp" in capsys.readouterr().err
    )
    assert not (tmp_path / "out.json").exists()


def test_a_library_that_cannot_be_had_is_said_and_the_others_are_installed(tmp_path, monkeypatch):
    asked = []

    def run(name, command):
        asked.append(command[-1])
        return "no such library" if name == "first" else ""

    monkeypatch.setattr("pipeline.contrib.finders.libraries._run", run)
    (tmp_path / "pins.txt").write_text("first==1\nsecond==2\n")
    for _ in range(2):  # what failed is tried again
        assert install(tmp_path / "lib", tmp_path / "pins.txt") == {"first": "no such library"}
    assert asked == ["first==1", "second==2"] * 2
    monkeypatch.setattr("pipeline.contrib.finders.libraries._run", lambda name, command: "")
    assert install(tmp_path / "lib", tmp_path / "pins.txt") == {}
    monkeypatch.setattr("pipeline.contrib.finders.libraries._run", run)
    assert install(tmp_path / "lib", tmp_path / "pins.txt") == {}
    assert len(asked) == 4
    with pytest.raises(UserError, match="is no folder"):
        use(tmp_path / "nowhere")


@pytest.fixture(scope="module")
def real(dataset):
    """A small landscape that was trained."""
    cells = grid(seeds=26, epochs=2)
    tables = train_cells(cells, {"airfoil_twin": dataset})
    return Landscape("airfoil linear", Runs(cells, range(26), *tables, "loss"), dataset, judged=10, choosing=10)


@pytest.mark.slow
def test_a_look_up_is_a_training(real, dataset):
    """A cell that is trained alone with a seed has the readings that the landscape holds of it."""
    for cell in (real.cells[3], real.cells[20], real.cells[40]):
        config = replace(cell.config, engine="solo", seeds=2, first_seed=4)
        runs, curves = train_cells([replace(cell, config=config)], {"airfoil_twin": dataset})
        alone = Runs([cell], [4, 5], runs, curves, "loss")
        here = real.position[cell.id]
        np.testing.assert_allclose(alone.by_epoch[:, 0], real.all.by_epoch[:, here, 4:6], rtol=1e-4)
        np.testing.assert_allclose(alone.steps_to(real.target)[0], real.steps[here, 4:6], rtol=1e-2)


@pytest.mark.slow
def test_what_the_landscape_does_not_hold_is_trained_with_the_seeds_that_judge(real, dataset):
    known, new = real.cells[3], real.cell("sgd", 16, 0.31)
    judge = Judge(real, [known, new])
    np.testing.assert_array_equal(judge.values(known, "loss"), real.all.final[3, 16:])
    config = replace(new.config, engine="solo", seeds=10, first_seed=16)
    runs, _ = train_cells([replace(new, config=config)], {"airfoil_twin": dataset})
    np.testing.assert_allclose(judge.values(new, "loss"), runs.sort_values("seed").final_loss, rtol=1e-4)


@pytest.mark.slow
def test_every_method_is_a_row_for_real(real, tmp_path, monkeypatch):
    """With the libraries of the pins; one that cannot be installed here is a row that says why."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    reasons = install(tmp_path / "lib")
    use(tmp_path / "lib")
    monkeypatch.setattr("pipeline.contrib.finders.method.REPETITIONS", 3)
    methods = [replace(method, repetitions=min(method.repetitions, 3)) for method in every_method()]
    landscape = replace(real, times=StepTimes(), stacked={})
    (tmp_path / "rows.json").write_text(json.dumps({"offline_twin": True, "rows": audit(landscape, methods, reasons)}))
    main(["collect", str(tmp_path / "rows.json"), "--out", str(tmp_path / "finders.parquet")])
    measured = read_measured(tmp_path / "finders.parquet")
    table = measured.table.set_index("method")
    assert measured.offline_twin
    assert list(table.index) == [BEST, *(method.name for method in methods)]
    assert set(table[table.status != "ok"].library) <= set(reasons)
    good = table[table.status == "ok"]
    assert (good.version != "").all()
    assert (good.cost_seconds[good.cost_runs > 0] > 0).all()
    assert (good.regret_loss_low <= good.regret_loss).all()
    assert (good.regret_loss <= good.regret_loss_high).all()
    assert table.regret_loss["the race"] < 0.05
    # Lightning looks where the loss falls most steeply per unit of rate: of a full batch that is a rate that trains.
    assert 1e-4 < float(table.found["batch-size, then lr finder"].split("lr ")[1].split(",")[0]) < 1
    if "optuna" not in reasons:
        assert table.cost_runs["TPE, 60 trials"] == 60
        assert table.cost_epochs["ASHA, 60 trials"] < table.cost_epochs["random search, 60 trials"] == 120
