"""What should I use? The page answers with the words of ``advise``, or of a race, and with nothing of its own."""

import math
import re
from html import unescape

import pytest
from tables_for_tests import cell, study

from pipeline.analysis.advise import advise
from pipeline.analysis.best import PARTING
from pipeline.report.choose import DISTANCES, choosers, targets
from pipeline.report.language import ENGLISH, language
from pipeline.report.page import render


def a_sweep(**changes):
    """Two batch sizes at three learning rates each; the last one diverges."""
    return study(
        cell("a", batch_size=10, lr=0.01, final=0.2450),
        cell("b", batch_size=10, lr=0.05, final=0.2430),
        cell("c", batch_size=10, lr=0.5, diverged=range(4)),
        cell("d", batch_size=100, lr=0.01, final=0.2460),
        cell("e", batch_size=100, lr=0.05, final=0.2440),
        cell("f", batch_size=100, lr=0.5, final=0.2435),
        **{"kind": "sweep", "name": "grid", "title": "A grid", **changes},
    )


def test_only_studies_that_compare_are_asked_and_one_without_a_comparison_is_not():
    (found,) = choosers([study(cell("gd")), a_sweep()], ENGLISH)
    assert (found["name"], found["title"], found["optimizers"]) == ("grid", "A grid", ["sgd"])


@pytest.mark.parametrize("optimizer", ["", "sgd"])
def test_every_answer_is_the_advice_for_that_optimizer_and_that_target(optimizer):
    tables = a_sweep()
    (found,) = choosers([tables], ENGLISH)
    for number, loss in enumerate(targets(tables.sweep)):
        for one in advise(tables.sweep, optimizer or None, loss):
            answer = found["answers"][f"{optimizer}|{number}|{one.measure}"]
            if not one.known:
                assert answer == {"why": "Half of the seeds or more miss this loss."}
                continue
            assert answer["cell"] == one.best.cell.id
            assert f"b = {one.best.cell.batch_size}, lr {one.best.cell.lr:g}" in answer["who"]
            assert answer["who"].endswith("(border of its range)") == one.best.at_edge
            assert answer["sure"].startswith("Sure" if one.comparison.low > 0.5 else "Not sure")
            assert answer["decided"] == (one.comparison.low > 0.5)


def test_the_targets_lie_around_the_studys_own_and_above_the_lowest_loss():
    sweep = a_sweep().sweep
    found = targets(sweep)
    assert found == sorted(found) and len(found) == len(DISTANCES)
    assert sweep.target.loss in found and found[0] > sweep.grid.medians.min()
    assert all(loss == sweep.target.loss or loss == float(f"{loss:.5g}") for loss in found)


def test_a_stated_target_that_no_cell_reaches_is_the_only_one_and_has_no_answer():
    tables = a_sweep(target={"loss": 0.2})
    assert targets(tables.sweep) == [0.2]
    (found,) = choosers([tables], ENGLISH)
    assert found["answers"]["|0|steps"] == {"why": "Half of the seeds or more miss this loss."}
    assert "why" not in found["answers"]["|0|loss"]


def test_a_target_above_the_first_reading_costs_nothing_and_says_so():
    (found,) = choosers([a_sweep(target={"loss": 0.6})], ENGLISH)
    own = found["target"]
    assert "before their first step" in found["answers"][f"|{own}|steps"]["why"]


def test_numbers_are_written_as_the_language_writes_them():
    (english,), (portuguese,) = (choosers([a_sweep()], language(code)) for code in ("en", "pt"))
    line, other = english["answers"]["|2|loss"], portuguese["answers"]["|2|loss"]
    assert line["cost"].replace(".", ",").replace(",\xa0", ";\xa0") == other["cost"]
    assert "0,05" in other["who"] and other["sure"] != line["sure"]


def test_a_race_answers_with_its_claims_and_no_other():
    tables = a_sweep()
    ids = {one.name: one.id for one in tables.cells.values()}
    raced = {
        "target": 0.25,
        "runs": 100,
        "settings": {"alpha": 0.05, "report": 40},
        "cells": {
            ids["b"]: {"series": "sgd", "batch_size": 10, "lr": 0.05, "seeds": 60},
            "joined": {"series": "sgd", "batch_size": 10, "lr": 0.07, "seeds": 60},
        },
        "claims": [
            {
                "measure": "steps",
                "field": "",
                "outcome": "separated",
                "leader": ids["b"],
                "rivals": [],
                "seeds_left": 0.0,
            },
            {
                "measure": "steps",
                "field": "sgd",
                "outcome": "undecided",
                "leader": "joined",
                "rivals": [ids["b"]],
                "seeds_left": math.nan,
            },
        ],
        "reported": [{"measure": "steps", "cell": ids["b"], "median": 70.0, "low": 65.0, "high": 75.0}],
    }
    (found,) = choosers([a_sweep(answer=raced)], ENGLISH)
    assert set(found["answers"]) == {"|0|steps", "sgd|0|steps"} and found["optimizers"] == ["sgd"]
    sure, open_question = found["answers"].values()
    assert sure["cost"] == "70 [65,\xa075]" and sure["sure"] == "separated from all others" and sure["decided"]
    assert sure["cell"] == ids["b"] and open_question["cell"] == "joined" and not open_question["decided"]
    assert [target["text"] for target in found["targets"]] == ["0.25000"]
    assert found["parting"] == "", "no seed that chose has measured"
    first = first_screen([a_sweep(answer=raced)])
    assert "The answer, to a loss of 0.25000 Fewest steps: sgd at b = 10, lr 0.05, 70 [65, 75]. separated from" in first
    assert "Fewest examples" not in first and "Lowest final loss" not in first, "the race was not asked"


def first_screen(studies):
    """What the page says before its chart, as text."""
    html = render(studies, [])
    text = re.sub(r"<[^>]+>", " ", html[html.index('<section class="hero"') : html.index('<section class="curves"')])
    return re.sub(r"\s+", " ", unescape(text)).replace(" ,", ",")


def test_the_first_screen_has_the_answers_of_the_widget_on_what_the_study_was_trained_on():
    tables = a_sweep()
    first = first_screen([study(cell("gd")), tables])
    (found,) = choosers([tables], ENGLISH)
    assert f"The answer, to a loss of {found['targets'][found['target']]['text']} Fewest examples:" in first
    for measure in ("examples", "steps", "loss"):  # no seconds: the time of a step is not known
        line = found["answers"][f"|{found['target']}|{measure}"]
        cost, sure = line["cost"].replace("\xa0", " "), line["sure"].replace("\xa0", " ")
        assert f"{line['who']}, {cost}. {sure} Runner-up: {line['runner']}.".replace("\xa0", " ") in first
    assert "28 runs (model: linear) on Airfoil, trained on" in first


@pytest.mark.parametrize("seeds", [3, 4])
def test_it_is_said_which_seeds_choose_and_which_measure_as_the_terminal_does(seeds):
    cells = [cell(name, batch_size=10, lr=lr, seeds=seeds) for name, lr in (("a", 0.01), ("b", 0.05))]
    tables = study(*cells, kind="sweep", name="grid", title="A grid")
    (found,) = choosers([tables], ENGLISH)
    assert found["parting"] == PARTING[seeds <= 3]
    assert PARTING[seeds <= 3] in first_screen([tables]) and PARTING[seeds > 3] not in first_screen([tables])


def test_the_first_screen_of_a_study_without_a_comparison_is_its_summary():
    first = first_screen([study(cell("gd"), cell("slow", final=0.2499))])
    assert "The answer “gd” is the first to reach a loss of 0.25" in first and "Runner-up" not in first
