"""The chart of loss curves: four clocks, what a reading says, one curve alone, and an address that keeps it all."""

import json
import re
import shlex

import pytest
from tables_for_tests import cell, study

from pipeline.lab.config import Cell, compose_cell
from pipeline.report.page import render

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def charted(opened):
    """Open the report with what belongs to the chart unfolded."""

    def open_chart(*args, **kwargs):
        report = opened(*args, **kwargs)
        report.page.evaluate("document.querySelectorAll('.curves details').forEach((element) => (element.open = true))")
        return report

    return open_chart


def texts(report, selector="text"):
    return report.page.locator(f"#curves-chart {selector}").all_text_contents()


def details(report):
    """The details of the chosen point: a term to its text."""
    terms = report.page.locator("#curves-details dt").all_inner_texts()
    return dict(zip(terms, report.page.locator("#curves-details dd").all_inner_texts(), strict=True))


def test_the_clock_redraws_every_curve_and_says_who_is_first(charted):
    report = charted()
    drawings, rankings = set(), set()
    for clock in ("epochs", "steps", "examples", "seconds"):
        report.page.check(f"#curves-clock-{clock}")
        report.drawn(clock)
        drawings.add(report.page.inner_html("#curves-chart"))
        rankings.add(report.page.inner_text("#curves-ranking"))
        assert any("log scale" in title for title in texts(report, ".title"))
        assert report.page.locator("#curves-chart .line").count() == report.page.locator("#curves-cell option").count()
    assert len(drawings) == len(rankings) == 4
    assert report.said == []


def test_curves_start_at_zero_and_end_in_their_names_beside_the_target(charted):
    report = charted()
    assert texts(report, "text[text-anchor=middle]")[0] == "0"
    starts = report.page.locator("#curves-chart .line").evaluate_all(
        "lines => lines.map((line) => line.getAttribute('d').match(/^M([\\d.]+)/)[1])"
    )
    assert len(set(starts)) == 1
    names = {text.strip(" ↑↓") for text in texts(report, ".label")}
    assert {"gd", "gd, 100 epochs", "minibatch 100"} <= names
    assert texts(report, "text.target") == ["to reach: 0.25"]
    assert report.page.locator("#curves-chart .band").count() == report.page.locator("#curves-chart .line").count()


def test_a_curve_that_another_one_repeats_is_broader_and_lies_below_it(charted):
    report = charted()
    order = report.page.locator("#curves-chart .line").evaluate_all(
        "lines => lines.map((l) => l.classList.contains('wide'))"
    )
    lengths = report.page.locator("#curves-chart .line").evaluate_all(
        "lines => lines.map((l) => Number(l.getAttribute('d').match(/L([\\d.]+) [-\\d.]+$/)[1]))"
    )
    assert order.count(True) == 1, "gd, 100 epochs, whose first ten are those of gd"
    assert lengths == sorted(lengths, reverse=True) and lengths[order.index(True)] == max(lengths)


def test_a_name_in_the_legend_keys_included_singles_a_curve_out_and_gives_it_back(charted):
    report = charted()
    button = report.page.locator("#curves-legend button", has_text=re.compile("^gd$"))
    button.focus()
    report.page.keyboard.press("Enter")
    lines = report.page.locator("#curves-chart .line")
    assert report.page.locator("#curves-chart .line:not(.faint)").count() == 1
    assert texts(report, ".label") == ["gd"] and lines.last.get_attribute("class") == "line"
    assert report.page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    report.page.keyboard.press("Enter")
    assert report.page.locator("#curves-chart .faint").count() == 0


def test_it_says_how_finely_the_loss_is_read(charted):
    note = charted().page.inner_text("#curves-note")
    assert "read after every 200 examples" in note and "fall evenly" in note


def test_keys_alone_reach_cell_command_seed_and_mlflow_run(charted, studies):
    report = charted()
    report.page.focus("#curves-cell")
    report.page.keyboard.press("ArrowDown")
    chosen = report.page.input_value("#curves-cell")
    report.page.focus("#curves-reading")
    before = details(report)["Reading"]
    report.page.keyboard.press("ArrowLeft")
    told = details(report)
    assert told["Reading"] != before
    assert told["Cell"] == report.page.locator(f"#curves-cell option[value='{chosen}']").inner_text()
    assert re.fullmatch(r"[0-5] is the run next to the median here; seeds 0–5", told["Seed"])
    cell_id = re.match(r'tags\.cell_id = "(.+)"', told["MLflow run"])[1]
    assert cell_id in set(studies["textbook"].runs["cell_id"])
    copied = report.page.locator("#curves-details button[data-copy]").evaluate_all(
        "all => all.map((b) => b.dataset.copy)"
    )
    assert told["Command"].startswith(copied[0]) and copied[1] == f'tags.cell_id = "{cell_id}"'


def test_every_command_composes_to_its_cell(opened, studies):
    data = json.loads(opened().page.locator("#curves-data").text_content())
    seen = set()
    for one in data["studies"]:
        for record in one["cells"][: one["drawn"]]:
            python, m, module, *overrides = shlex.split(record["command"])
            assert (python, m, module) == ("python", "-m", "pipeline.train")
            assert Cell(compose_cell(overrides)).id == record["id"]
            assert compose_cell(overrides).seeds == 6
            seen.add(record["id"])
    assert set(studies["textbook"].runs["cell_id"]) < seen


def a_point(report):
    """Where the ring around the chosen reading is on the screen."""
    report.page.select_option("#curves-cell", index=2)
    report.page.locator("#curves-chart").scroll_into_view_if_needed()
    box = report.page.locator("#curves-chart .ring").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_hovering_shows_the_point_and_leaving_hides_it(charted):
    report = charted()
    x, y = a_point(report)
    report.page.mouse.move(x, y)
    tip = report.page.locator("#curves-tip")
    assert tip.is_visible()
    assert "python -m pipeline.train" in tip.inner_text() and "tags.cell_id" in tip.inner_text()
    report.page.mouse.move(2, 2)
    assert tip.is_hidden()


@pytest.mark.parametrize(("width", "touch"), [(1440, False), (390, True)])
def test_a_click_or_a_tap_pins_the_card_beside_the_point_in_the_window_until_escape(charted, width, touch):
    report = charted(width=width, touch=touch)
    x, y = a_point(report)
    wanted = details(report)
    report.page.select_option("#curves-cell", index=0)
    report.page.touchscreen.tap(x, y) if touch else report.page.mouse.click(x, y)
    told, tip = details(report), report.page.locator("#curves-tip")
    assert told["Reading"].split("·")[0] == wanted["Reading"].split("·")[0]
    assert report.page.inner_text("#curves-status") == told["Cell"]
    box = tip.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] >= 0 and box["y"] + box["height"] <= 900
    assert min(abs(box["y"] - y), abs(box["y"] + box["height"] - y)) < 40 and tip.locator("[data-copy]").count() == 2
    report.page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_the_address_keeps_clock_scale_study_view_and_what_is_singled_out_and_brings_them_back(
    charted, studies, reports
):
    report = charted()
    report.page.select_option("#curves-study", label=studies["sweep"].title)
    report.page.check("#curves-clock-steps")
    report.page.check("input[name=curves-kind][value=linear]")
    report.page.locator("#curves-legend button").first.click()
    report.page.select_option("#curves-cell", index=1)
    drawing, address = report.page.inner_html("#curves-chart .line >> nth=-1"), report.page.evaluate("location.hash")
    assert "clock=steps" in address and "study=sweep" in address
    lines = report.page.locator("#curves-chart .line").evaluate_all("all => all.map((one) => one.outerHTML)")
    report.page.goto("about:blank")
    report.page.goto(reports["en"].as_uri() + address)
    report.drawn("steps")
    again = report.page.locator("#curves-chart .line").evaluate_all("all => all.map((one) => one.outerHTML)")
    assert again == lines and drawing == report.page.inner_html("#curves-chart .line >> nth=-1")
    report.page.evaluate("location.hash = '#clock=examples'")
    report.drawn("examples")
    assert report.page.input_value("#curves-study") == "0"


def test_an_address_that_names_nothing_known_opens_the_page_as_it_is(charted, reports):
    report = charted()
    report.page.goto("about:blank")
    report.page.goto(reports["en"].as_uri() + "#clock=sundial&study=none&cell=x&reading=-1&view=y&only=z&loss=q")
    report.drawn("epochs")
    assert report.said == []


def test_another_study_is_drawn_by_its_best_cells_and_says_what_is_left_out(charted, studies):
    report = charted()
    report.page.select_option("#curves-study", label=studies["sweep"].title)
    total = studies["sweep"].runs["cell_id"].nunique()
    report.page.locator("#curves-note", has_text=f"10 of {total} cells are drawn").wait_for()
    assert report.page.locator("#curves-chart .line").count() == 10
    assert any("above the minimum" in text for text in texts(report, ".title"))
    report.page.check("input[name=curves-kind][value=linear]")
    assert not any("above the minimum" in text for text in texts(report, ".title"))
    assert report.page.is_disabled("#curves-clock-seconds")  # stacked, and no step was timed
    assert report.said == []


def test_more_cells_than_can_be_told_apart_are_parted_and_each_is_in_a_group(charted, tmp_path):
    many = study(*[cell(f"cell {i}", lr=0.001 * (i + 1), seeds=1, batch_size=1 + i % 3) for i in range(40)])
    path = tmp_path / "many.html"
    path.write_text(render([many], []), encoding="utf-8")
    report = charted(path=path)
    seen = []
    for value in ("b = 1", "b = 2", "b = 3"):
        report.page.select_option("#curves-view", label=value)
        seen += report.page.locator("#curves-cell option").all_inner_texts()
    assert report.page.locator("#curves-view option").count() == 3
    assert sorted(seen) == sorted(f"cell {i}" for i in range(40))


def test_hostile_names_are_text_in_the_chart_and_beside_it(charted):
    report = charted()
    report.page.select_option("#curves-cell", label=EVIL)
    assert EVIL in report.page.inner_text("#curves-details") and EVIL in "".join(texts(report, ".label"))
    assert report.said == []


def test_portuguese_speaks_portuguese_in_the_chart_and_in_numbers(charted):
    report = charted("pt")
    report.page.check("#curves-clock-seconds")
    report.drawn("seconds")
    assert any(re.fullmatch(r"\d+\s(µs|ms|s)", label) for label in texts(report))
    assert any("Segundos de treino" in label for label in texts(report))
    assert "a atingir: 0,25" in texts(report) and "perda de 0,25" in report.page.inner_text("#curves-ranking")
    told = details(report)
    assert told["Comando"].startswith("python -m pipeline.train") and "Semente" in told
