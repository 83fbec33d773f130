"""The map of a sweep: every cell has a place, a loss that can be read and heard, a curve, and its own command."""

import json
import re
import shlex

import pytest

from pipeline.lab.config import Cell, compose_cell

pytestmark = pytest.mark.slow


def places(report):
    """A cell's id to what its place says, for screen readers and for the eye."""
    return dict(
        report.page.locator("#map-grid button").evaluate_all(
            "all => all.map((b) => [b.dataset.cell, [b.getAttribute('aria-label'), b.textContent, b.className]])"
        )
    )


def test_every_cell_of_every_optimizer_has_a_place_with_its_median_loss(opened, studies):
    report, grid = opened(), studies["sweep"].sweep.grid
    seen = {}
    for optimizer in grid.optimizers:
        report.page.select_option("#map-series", optimizer)
        seen |= places(report)
    medians = dict(zip(grid.cells["cell_id"], grid.medians, strict=True))
    assert seen.keys() == medians.keys()
    for cell, (heard, shown, _) in seen.items():
        if medians[cell] < 10:
            told = re.search(r"Median final loss ([\d.]+)", heard)[1]
            assert float(told) == pytest.approx(medians[cell], rel=1e-4)
            assert float(shown.strip("★")) == pytest.approx(medians[cell], abs=5.1e-5)
        elif medians[cell] == float("inf"):
            assert shown == "×" and "diverged" in heard


def test_the_lowest_loss_is_marked_for_the_optimizer_and_for_each_batch_size(opened, studies):
    report, sweep = opened(), studies["sweep"].sweep
    best = sweep.best.set_index("optimizer")
    for optimizer in sweep.grid.optimizers:
        report.page.select_option("#map-series", optimizer)
        found = places(report)
        (first,) = [cell for cell, (_, shown, _) in found.items() if "★" in shown]
        assert first == sweep.grid.cells["cell_id"].iloc[int(best.loc[optimizer, "row"])]
        marked = {cell for cell, (_, _, looks) in found.items() if {"first", "line"} & set(looks.split())}
        rows = sweep.best_by_batch_size.query("optimizer == @optimizer and row >= 0")["row"]
        assert marked == set(sweep.grid.cells["cell_id"].iloc[rows])


def test_the_command_of_every_cell_composes_to_it(opened, studies):
    report = opened()
    for optimizer in studies["sweep"].sweep.grid.optimizers:
        report.page.select_option("#map-series", optimizer)
        for button in report.page.locator("#map-grid button").all():
            button.click()
            command = report.page.locator("#map-cell [data-copy]").first.get_attribute("data-copy")
            overrides = [word for word in shlex.split(command)[3:] if not word.startswith("stack=")]
            assert Cell(compose_cell(overrides)).id == button.get_attribute("data-cell")
            assert compose_cell(overrides).seeds == 6


def test_arrow_keys_walk_over_the_map_and_enter_opens_a_cell(opened):
    report = opened()
    report.page.locator("#map-grid button[aria-pressed=true]").focus()
    for key in ("ArrowUp",) * 9 + ("ArrowLeft",) * 9:
        report.page.keyboard.press(key)
    corner = report.page.locator("#map-grid tbody tr").first.locator("button").first
    assert corner.evaluate("(one) => one === document.activeElement")
    report.page.keyboard.press("ArrowRight")
    report.page.keyboard.press("ArrowDown")
    report.page.keyboard.press("Enter")
    chosen = report.page.locator("#map-grid button[aria-pressed=true]")
    assert chosen.count() == 1 and chosen.evaluate("(one) => one.tabIndex") == 0
    assert chosen.get_attribute("data-cell") in report.page.text_content("#map-cell")
    assert report.page.locator("#map-grid button[tabindex='0']").count() == 1
    assert report.page.get_attribute("#map-cell", "role") == "status"
    assert report.page.locator("#map-cell .line").count() in (1, 2)


def test_a_cell_goes_from_the_map_into_the_chart_and_into_the_address_and_comes_back(opened, reports):
    report = opened()
    report.page.locator("#map-grid button").last.click()
    cell = report.page.locator("#map-grid button[aria-pressed=true]").get_attribute("data-cell")
    report.page.click("#map-cell button:not([data-copy])")
    assert cell in report.page.text_content("#curves-details")
    lines = report.page.locator("#curves-chart .line").count()
    assert lines == report.page.locator("#curves-cell option").count()
    address = report.page.evaluate("location.hash")
    report.page.goto("about:blank")
    report.page.goto(reports["en"].as_uri() + address)
    report.drawn("epochs")
    assert report.page.locator("#map-grid button[aria-pressed=true]").get_attribute("data-cell") == cell
    assert cell in report.page.text_content("#curves-details")
    assert report.said == []


def test_on_a_phone_learning_rates_go_down_and_nothing_is_cut_off(opened):
    report = opened(width=390, touch=True)
    assert report.page.locator("#map-grid thead th").first.inner_text() == "lr \\ b"
    box = report.page.locator("#map-grid").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert report.page.locator("#map-grid button").evaluate_all("all => all.every((one) => one.offsetWidth >= 24)")


def test_a_report_without_a_sweep_has_no_map(opened, studies, tmp_path):
    from pipeline.report.page import render

    path = tmp_path / "textbook.html"
    path.write_text(render([studies["textbook"]], []), encoding="utf-8")
    report = opened(path=path)
    assert report.page.locator("#map-grid, #choose-answer").count() == 0 and report.said == []


def test_losses_are_written_in_portuguese(opened):
    report = opened("pt")
    heard = report.page.locator("#map-grid button").first.get_attribute("aria-label")
    assert "Perda final mediana" in heard or "divergiu" in heard
    text = json.dumps(places(report), ensure_ascii=False)
    assert re.search(r"0,2\d{3}", text) and not re.search(r"0\.2\d{3}", text)
