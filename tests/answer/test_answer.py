"""``python -m pipeline.answer``: from words to an answer, interrupted and gone on with, on real runs."""

import dataclasses
import json
import random
import re
import shutil
import time

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis.costs import costs
from pipeline.answer import units
from pipeline.answer.__main__ import main
from pipeline.answer.answer import answer
from pipeline.answer.contest import Contest
from pipeline.answer.costs import StepTimes
from pipeline.answer.question import Settings, read_question
from pipeline.answer.words import table_of
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.errors import UserError
from pipeline.train import cells
from pipeline.train.cells import train_cells
from pipeline.train.readings import Stop

DATA = "data=airfoil_twin"
WORDS = [DATA, "optimizer=sgd,adam", "batch_size=100,500", "lr=0.003,0.03,0.3", "epochs=1", "read_every=100", "cores=1"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_words_become_the_cells_of_a_product():
    question = read_question([*WORDS, "margin.loss=0.01", "scarce=steps", "budget=90s"])
    assert len(question.cells) == 12
    assert set(question.fields) == {"sgd", "adam"}
    assert [one.name for one in question.measures] == ["steps"]
    assert question.settings.limits() == (90, float("inf"))
    assert question.settings.margin_loss == 0.01


def test_a_budget_is_no_part_of_what_is_asked():
    names = {read_question([*WORDS, budget]).name for budget in ("budget=10s", "budget=runs=5")}
    assert len(names) == 1
    assert read_question([*WORDS, "target=0.3"]).name not in names


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("adam", "'adam' is not allowed: write KEY=VALUE"),
        ("budget=soon", "budget=soon is not allowed: write 60s, 5min, 2h or runs=20000"),
        ("budget=0s", "budget=0s is not allowed"),
        ("budget=20000", "budget=20000 is not allowed"),
        ("scarce=money", "scarce=money is not allowed: choose one of"),
        ("alpha=0", "alpha=0 is not allowed: it must be a finite number above 0"),
        ("margin.cost=2", "margin_cost=2 is not allowed"),
        ("target=-1", "target=-1 is not allowed"),
        ("optimizer=sdg,adam", "did you mean sgd?"),
        ("bach_size=8", "did you mean batch_size?"),
        ("study=nope", "nope is not allowed"),
        ("data=airfoil_twin,digits_table", "a race is about one data set"),
        ("lr=interval(0,1)", "give the values"),
    ],
)
def test_a_wrong_word_is_refused_in_one_sentence(word, sentence, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main([*[one for one in WORDS if one.split("=")[0] != word.split("=")[0]], word])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert sum(line.startswith("error: ") for line in error.splitlines()) == 1
    assert not (tmp_path / "results/answer").exists()


def test_a_target_of_held_out_loss_needs_examples_held_out():
    with pytest.raises(UserError, match="hold no examples out"):
        answer(read_question([*WORDS, "metric=validation_loss"]), time.monotonic())


def curve(*losses, step=1):
    steps = step * np.arange(len(losses))
    return pd.DataFrame({"cell_id": "a", "seed": 0, "step": steps, "examples": 10 * steps, "loss": losses})


def test_the_cost_of_single_updates_is_that_of_the_first_reading_at_the_target():
    (found,) = costs(curve(1.0, 0.6, 0.4, 0.7, 0.1), "loss", 0.5).itertuples()
    assert (found.steps, found.examples) == (2, 20)


def test_between_two_readings_the_loss_is_taken_to_fall_evenly():
    (found,) = costs(curve(1.0, 0.6, 0.4, 0.1, step=5), "loss", 0.5).itertuples()
    assert (found.steps, found.examples) == (pytest.approx(7.5), pytest.approx(75))


def test_a_run_that_never_arrives_costs_infinitely_much_and_one_that_is_there_nothing():
    assert costs(curve(1.0, 0.6), "loss", 0.5).steps.tolist() == [np.inf]
    assert costs(curve(0.4, 0.3), "loss", 0.5).steps.tolist() == [0]


def test_a_race_may_stop_a_run_at_its_target_and_finds_the_same_cost(dataset):
    config = compose_cell(["batch_size=10", "lr=0.05", "engine=stacked", "seeds=4", "read_every=20"])
    cells = [Cell(dataclasses.replace(config, lr=lr)) for lr in (0.02, 0.05)]
    whole = train_cells(cells, {config.data.name: dataset})
    stopped = train_cells(cells, {config.data.name: dataset}, stop=Stop("loss", 0.3))
    assert len(stopped[1]) < len(whole[1])
    pd.testing.assert_frame_equal(costs(whole[1], "loss", 0.3), costs(stopped[1], "loss", 0.3))


def test_a_step_is_measured_for_each_kind_of_cell(dataset):
    cells = [Cell(compose_cell([f"batch_size={b}", f"lr={lr}"])) for b, lr in ((1, 0.1), (1, 0.2), (100, 0.1))]
    times = StepTimes()
    assert np.isnan(times.seconds(cells[0]))
    times.measure([cells[0], cells[2]], dataset, rounds=3)
    assert times.samples.shape == (3, 2)
    assert times.seconds(cells[0]) == times.seconds(cells[1]) > 0


def test_the_error_of_a_ratio_of_seconds_counts_only_between_different_steps():
    one, same, other = (
        Cell(compose_cell([f"batch_size={b}", f"lr={lr}"])) for b, lr in ((1, 0.1), (1, 0.2), (100, 0.1))
    )
    samples = np.exp(np.random.default_rng(0).normal(0, 0.1, 400))
    times = StepTimes({StepTimes.kind(one): list(samples[:200]), StepTimes.kind(other): list(2 * samples[200:])})
    spread = times.spread(one, [one, same, other])
    assert spread[:2].tolist() == [0, 0]
    errors = np.sqrt((1 + 5 / 200) * np.log((1 + 200 / 5) / 0.01**2))  # 3.6, whenever one looks
    assert spread[2] == pytest.approx(errors * 1.2533 * 0.1 * np.sqrt(2 / 200), rel=0.2)


def slow_phases(rng, sweeps):
    """Logarithms of how much slower a machine is that others use, for ten sweeps or so at a time."""
    return np.repeat(np.log(2) * (rng.random(sweeps // 10 + 1) < 0.3), 10)[:sweeps]


def test_phases_in_which_the_machine_is_slow_do_not_widen_a_ratio_of_two_steps():
    one, other, late = (Cell(compose_cell([f"batch_size={b}"])) for b in (1, 100, 1000))
    rng = np.random.default_rng(0)
    calm = 0.03 * rng.normal(size=(3, 40)) + np.log([[1], [2], [3]])
    calm[2, :30] = np.nan  # what is measured in slow sweeps only is not slow
    found = []
    for slow in (np.zeros(40), np.repeat([0, 0, 0, np.log(2)], 10)):
        times = StepTimes(
            {StepTimes.kind(c): list(x) for c, x in zip((one, other, late), np.exp(calm + slow), strict=True)}
        )
        assert [times.seconds(c) for c in (one, other, late)] == pytest.approx([1, 2, 3], rel=0.05)
        found.append(times.spread(one, [other, late]))
    assert found[1] == pytest.approx(found[0], rel=0.2)
    assert found[1].max() < 0.15


def test_steps_that_were_never_measured_together_are_not_compared():
    one, other, late = (Cell(compose_cell([f"batch_size={b}"])) for b in (1, 100, 1000))
    times = StepTimes({StepTimes.kind(one): [1.0, 1.1, 0.9], StepTimes.kind(other): [1.0, 1.0, 1.2]})
    times.add({StepTimes.kind(one): [1.0] * 2, StepTimes.kind(late): [1.0] * 2})
    assert np.isfinite(times.spread(one, [other, late])).tolist() == [True, False]
    assert [times.count(cell) for cell in (one, other, late)] == [5, 3, 2]


@pytest.mark.parametrize("phases", [lambda rng, sweeps: np.zeros(sweeps), slow_phases])
def test_a_ratio_of_two_steps_stays_within_its_error_whenever_one_looks(phases):
    """Measured again until it looks well; heavy tails, as of a machine that is shared."""
    one, other = (Cell(compose_cell([f"batch_size={b}"])) for b in (1, 100))
    outside = 0
    for entropy in range(100):
        rng = np.random.default_rng(entropy)
        samples = np.exp(0.1 * rng.standard_t(3, (2, 160)) + phases(rng, 160))
        for count in (10, 20, 40, 80, 160):
            kinds = StepTimes.kind(one), StepTimes.kind(other)
            times = StepTimes({kind: list(own[:count]) for kind, own in zip(kinds, samples, strict=True)})
            if abs(np.log(times.seconds(one) / times.seconds(other))) > times.spread(one, [other])[0]:
                outside += 1
                break
    assert outside <= 3


def trained_units(monkeypatch, stop_after=lambda: None):
    """Count every unit that is trained; an interruption may come before each."""
    counted = []
    original = units.train_unit

    def train_unit(unit):
        stop_after()
        counted.append(unit.path)
        return original(unit)

    monkeypatch.setattr(units, "train_unit", train_unit)
    return counted


def decisions(found):
    return json.loads((found.question.folder / "answer.json").read_text())


@pytest.mark.slow
def test_a_race_interrupted_at_twenty_moments_comes_to_the_same_decisions_and_trains_no_run_twice(
    monkeypatch, tmp_path
):
    question = read_question([*WORDS[:2], "batch_size=500", *WORDS[3:], "budget=runs=150", "report=3"])
    counted = trained_units(monkeypatch)
    expected = decisions(answer(question, time.monotonic()))
    trained = len(counted)
    seconds = tmp_path / "seconds"  # of a clock, which no two races share
    shutil.copytree(question.folder / "seconds", seconds)
    rng = random.Random(0)
    for _ in range(20):
        shutil.rmtree(question.folder)
        shutil.copytree(seconds, question.folder / "seconds")
        left = iter([True] * rng.randrange(1, trained))

        def interrupt(left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt

        counted = trained_units(monkeypatch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            answer(question, time.monotonic())
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        again = trained_units(monkeypatch)
        assert decisions(answer(question, time.monotonic())) == expected
        assert len(counted) + len(again) == len({*counted, *again}) == trained
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["runs/*[0-9a-f].parquet", "seconds/*.json", "rounds.json"])
def test_a_damaged_file_is_named_with_what_mends_it(damaged):
    words = [*WORDS[:2], "batch_size=500", *WORDS[3:], "budget=runs=100", "report=0"]
    folder = answer(read_question(words), time.monotonic()).question.folder
    next(iter(sorted(folder.glob(damaged)))).write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match="cannot be read .* start again with the same words"):
        answer(read_question(words), time.monotonic())
    shutil.rmtree(folder)
    assert answer(read_question(words), time.monotonic()).runs > 0


@pytest.mark.slow
def test_two_processes_come_to_the_answer_of_one(tmp_path):
    words = [*WORDS[:-1], "budget=runs=300", "report=5", "scarce=steps"]
    one = decisions(answer(read_question([*words, "cores=1"]), time.monotonic()))
    shutil.rmtree(tmp_path / "results/answer")
    assert decisions(answer(read_question([*words, "cores=2"]), time.monotonic())) == one


@pytest.mark.slow
def test_the_answer_is_printed_with_commands_that_train(capsys):
    main([*WORDS, "budget=runs=400", "report=10"])
    said = capsys.readouterr().out
    assert re.search(r"1[2-9] cells on airfoil_twin: \d+ runs", said)
    assert "Medians are of 10 further seeds, which had no part in choosing." in said
    assert "examples, epochs" in said
    command = next(line for line in said.splitlines() if "python -m pipeline.train" in line)
    compose_cell([word for word in command.split("pipeline.train ")[1].split() if "=" in word])


@pytest.mark.slow
def test_a_best_rate_on_the_border_is_followed_beyond_it():
    words = [DATA, "optimizer=sgd", "batch_size=100", "lr=0.01,0.02,0.04", "epochs=1", "cores=1", "scarce=loss"]
    question = read_question(words)
    found = answer(question, time.monotonic())
    assert found.cells[found.claims[0].leader].config.lr > 0.04


def test_settings_have_the_defaults_that_the_page_says():
    assert (Settings().margin_loss, Settings().margin_cost, Settings().alpha) == (0.001, 0.05, 0.05)


@pytest.mark.slow
def test_cells_that_fail_are_told_and_the_race_goes_on(monkeypatch):
    right = cells.train_stacked

    def failing(stack, *rest):
        """Adam fails, whatever its batch size."""
        if stack[0].config.optimizer.name == "adam":
            raise RuntimeError("no such luck")
        return right(stack, *rest)

    monkeypatch.setattr(cells, "train_stacked", failing)
    found = answer(read_question([*WORDS, "budget=runs=300", "report=5", "scarce=loss"]), time.monotonic())
    assert {found.fields[claim.leader] for claim in found.claims if claim.field != "adam"} == {"sgd"}
    assert all(cell.startswith("adam-") for cell in found.failures) and found.failures
    said = table_of(found)
    assert "cells failed: RuntimeError: no such luck" in said
    assert "in no cell do more than half of the seeds get there" in said


@pytest.mark.slow
def test_a_network_of_ones_own_is_raced(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n\n\ndef Net(in_features, out_features):\n    return torch.nn.Linear(in_features, out_features)\n"
    )
    found = answer(read_question(["model=mine.py:Net", *WORDS, "budget=runs=200", "report=3"]), time.monotonic())
    assert not found.failures
    assert "model=mine.py:Net" in table_of(found)


def accuracies(*shares, step=1):
    return curve(*[0.5] * len(shares), step=step).assign(validation_accuracy=shares)


def test_the_cost_of_an_accuracy_is_that_of_the_first_reading_at_or_above_it():
    (found,) = costs(accuracies(0.1, 0.8, 0.9, 0.85), "validation_accuracy", 0.9).itertuples()
    assert found.steps == 2
    (found,) = costs(accuracies(0.1, 0.8, 0.9, step=5), "validation_accuracy", 0.85).itertuples()
    assert found.steps == pytest.approx(7.5)
    assert costs(accuracies(0.1, 0.8), "validation_accuracy", 0.85).steps.tolist() == [np.inf]


def test_an_accuracy_is_compared_in_points_and_equal_ones_bear_no_evidence():
    (final, *_) = read_question([*WORDS, "metric=validation_accuracy", "margin.accuracy=0.0025"]).measures
    contest = Contest(final, "", np.arange(3), needed=3.0)
    wrong = 1 - np.array([[390, 391, 392, 393], [390, 390, 394, 392], [300, 300, 300, 300]]) / 400  # right of 400
    contest.lead(wrong)
    contest.bet(wrong, range(4), lambda name, leader, cells: np.zeros(len(cells)))
    assert contest.leader == 0
    assert contest.sure[:, :2].T.tolist() == [[0, 2, 4], [0, 1, 0]]
    assert contest.sure[1, [2, 4]].tolist() == [4, 3]  # one of 400 is a quarter of a point, two are beyond the margin
    assert contest.sure[2, [3, 5]].tolist() == [4, 0]
    assert (contest.sure == contest.exact).all()


def test_an_accuracy_needs_examples_held_out_and_classes():
    with pytest.raises(UserError, match="hold no examples out"):
        answer(read_question([*WORDS, "metric=validation_accuracy"]), time.monotonic())
    with pytest.raises(UserError, match="where tables are written"):
        read_question([*WORDS, "metric=validation_accuracy", "tables=somewhere"])


DIGITS = ["data=digits_table", "model=mlp", "model.widths=[8]", "optimizer=sgd,adam", "batch_size=64", "lr=0.03,0.3"]


@pytest.mark.slow
def test_a_race_on_accuracy_says_it_in_per_cent_and_its_runs_stop_at_the_target():
    words = [*DIGITS, "epochs=2", "cores=1", "metric=validation_accuracy", "budget=runs=120", "report=5"]
    found = answer(read_question(words), time.monotonic())
    said = table_of(found)
    assert re.search(r"The target is a validation accuracy of 0\.\d+, a point below the best median", said)
    low, middle, high = (
        float(re.search(rf"final accuracy.*?{wanted}", said)[1])
        for wanted in (r"\[([\d.]+)%", r"([\d.]+)% \[", r", ([\d.]+)%\]")
    )
    assert 50 < low <= middle <= high < 100
    costly = answer(read_question([*words, "scarce=steps", "target=0.3"]), time.monotonic())
    assert costly.epochs < 2 * costly.runs


@pytest.mark.slow
def test_an_accuracy_of_what_knows_none_is_refused():
    words = [word for word in WORDS if word != DATA]
    with pytest.raises(UserError, match="data.task=regression knows no accuracy"):
        answer(read_question(["data=diabetes", *words, "metric=validation_accuracy"]), time.monotonic())
