"""What should I use? What the page answers is what ``python -m pipeline.analysis.advise``, or a race, prints."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from pipeline.analysis.advise import advise, table_of
from pipeline.analysis.best import PARTING
from pipeline.analysis.study import read_studies
from pipeline.lab.config.study import RACE
from pipeline.report.choose import SCARCE
from pipeline.report.page import render

pytestmark = pytest.mark.slow

#: A line of a race's table: what is scarce, optimizer, batch size, learning rate, median with its interval, how sure.
ROW = re.compile(r"^(final loss|examples, epochs|steps|seconds) +(\S+) +(\d+) +(\S+) +(\S.*?\]) +(\w.*)$", re.MULTILINE)
NUMBER = re.compile(r"(?:\d[\d,]*(?:\.\d+)?|∞)(?:\s?×\s?10[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")


def numbers(text):
    """The numbers of an interval."""
    return [float(one.replace(",", "").replace("∞", "inf")) for one in NUMBER.findall(text.replace("\xa0", " "))]


def test_every_optimizer_and_every_scarce_thing_has_the_cell_and_the_interval_that_advise_prints(opened, studies):
    report, sweep = opened(), studies["sweep"].sweep
    for optimizer in [None, *sweep.grid.optimizers]:
        report.page.select_option("#choose-optimizer", optimizer or "")
        printed = table_of(advise(sweep, optimizer), lambda one: studies["sweep"].series[one.id])[1:]
        assert len(printed) == 4, "no seconds: these runs have no clock"
        for measure, name, b, lr, interval, runner, ranked in printed:
            report.page.select_option("#choose-scarce", "loss" if measure == "lowest final loss" else measure)
            told = report.page.inner_text("#choose-answer")
            if interval.startswith("missed"):
                assert "miss this loss" in told
                continue
            assert report.page.inner_text("#choose-best") == f"{name} at b = {b}, lr {lr}"
            # Of the same interval the page writes up to four digits, and the terminal three.
            assert numbers(report.page.inner_text("#choose-cost")) == pytest.approx(numbers(interval), rel=0.0051)
            assert runner.split(":")[0].replace(" b ", " at b = ") in told
            assert ("Not sure" in told) == ranked.startswith("no,")
            assert PARTING[0] in told


def test_the_answer_is_spoken_and_its_command_can_be_copied_and_its_curve_seen(opened):
    report = opened()
    assert report.page.get_attribute("#choose-answer", "role") == "status"
    command = report.page.locator("#choose-answer [data-copy]").get_attribute("data-copy")
    assert command in report.page.inner_text("#choose-answer") and command.startswith("python -m pipeline.train")
    report.page.click("#choose-answer button:not([data-copy])")
    assert command in report.page.text_content("#curves-details")
    assert report.page.locator("#curves-chart").evaluate("(one) => one.getBoundingClientRect().top < innerHeight")


def test_keys_alone_change_the_question_and_the_address_asks_it_again(opened, reports):
    report = opened()
    report.page.focus("#choose-target")
    report.page.keyboard.press("ArrowDown")
    report.page.focus("#choose-scarce")
    report.page.keyboard.press("ArrowDown")
    told, address = report.page.inner_text("#choose-answer"), report.page.evaluate("location.hash")
    assert "scarce=steps" in address and "target=" in address
    report.page.goto("about:blank")
    report.page.goto(reports["en"].as_uri() + address)
    report.drawn("epochs")
    assert report.page.inner_text("#choose-answer") == told


def test_what_was_not_measured_cannot_be_asked(opened):
    report = opened()
    assert report.page.locator("#choose-scarce option[value=seconds]").is_disabled()


def test_a_final_loss_has_no_loss_to_reach(opened):
    report = opened()
    report.page.select_option("#choose-scarce", "loss")
    assert report.page.locator("#choose-target-field").is_hidden()


@pytest.mark.parametrize("lang", ["en", "pt"])
def test_without_a_script_a_table_of_the_defaults_stands_there(chromium, reports, lang):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(reports[lang].as_uri())
    rows = page.locator("#choose-answer tbody tr")
    answers = json.loads(page.locator("#choose-data").text_content())["studies"][0]
    assert rows.count() == len(SCARCE) - 1
    own = f"|{answers['target']}|steps"
    assert answers["answers"][own]["who"] in rows.nth(1).inner_text()
    context.close()


STUDY = """
defaults: [base_study, _self_]
name: few
title: Few cells
search: race
race: {budget: 400runs, report: 8}
engine: stacked
common: {data: airfoil_twin, epochs: 1}
grid: {optimizer: [sgd, adam], batch_size: [50, 100], lr: [0.02, 0.1, 0.5]}
"""


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """A race as it is run: its report, and what it has printed."""
    folder = tmp_path_factory.mktemp("race")
    (folder / "conf" / "study").mkdir(parents=True)
    (folder / "conf" / "study" / "few.yaml").write_text(STUDY)
    few = folder / "results" / "few"

    def python(*words):
        environment, command = os.environ | {"PYTHONPATH": str(ROOT)}, [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    jobs = f"{few}/jobs/{RACE}"
    printed = python("pipeline.answer", "study=few", "cores=1", f"out={jobs}/kept", f"tables={jobs}")
    python("pipeline.collect", "--study", "few", "--out", str(few))
    path = folder / "race.html"
    path.write_text(render(read_studies([few]), []), encoding="utf-8")
    return path, printed


def test_after_a_race_the_widget_says_of_every_question_what_the_race_has_printed(opened, race):
    path, printed = race
    whole, own = printed.split("Each optimizer's own best:")
    rows = [("", row) for row in ROW.findall(whole)] + [(row[1], row) for row in ROW.findall(own)]
    assert len(rows) == 12, printed  # four things that may be scarce, among all cells, sgd's and adam's
    report = opened(path=path)
    for optimizer, (scarce, name, b, lr, interval, sure) in rows:
        report.page.select_option("#choose-optimizer", optimizer)
        report.page.select_option("#choose-scarce", scarce.removeprefix("final ").removesuffix(", epochs"))
        assert report.page.inner_text("#choose-best") == f"{name} at b = {b}, lr {lr}"
        assert numbers(report.page.inner_text("#choose-cost")) == numbers(interval)
        told = report.page.inner_text("#choose-answer")
        assert sure.split()[0] in told and ("undecided" in sure) == (
            report.page.locator("#choose-answer .unsure").count() == 1
        )
