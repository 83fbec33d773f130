"""The report in a browser without a network: nothing is asked for, nothing overflows, and everything answers."""

import json
import re
import shlex

import pytest

from pipeline.lab.config import Cell, compose_cell

pytestmark = pytest.mark.slow

looks = pytest.mark.parametrize("theme", ["light", "dark"])
widths = pytest.mark.parametrize("width", [390, 1440])
languages = pytest.mark.parametrize("lang", ["en", "pt"])

# Visible elements whose own text sticks out of the window, or out of a box that would cut it off.
CLIPPED = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!text || !element.checkVisibility({ visibilityProperty: true })) return false;
  if (element.closest(".skip, .tip, #contents")) return false;
  const box = element.getBoundingClientRect();
  if (!element.closest(".scroll") && (box.right > innerWidth + 1 || box.left < -1)) return true;
  const style = getComputedStyle(element);
  const cut = ["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1;
  return cut && !["OPTION", "SELECT"].includes(element.tagName);
}).map((element) => element.outerHTML.slice(0, 200))"""


@languages
@looks
@widths
def test_it_opens_without_a_network_an_error_or_anything_out_of_sight(opened, lang, theme, width):
    report = opened(lang, width, theme)
    report.page.evaluate("document.querySelectorAll('details').forEach((element) => (element.open = true))")
    report.page.wait_for_timeout(200)
    assert report.said == [] and report.asked == []
    assert report.page.evaluate("document.documentElement.scrollWidth") <= width
    assert report.page.evaluate(CLIPPED) == []
    assert report.page.evaluate("document.documentElement.lang") == lang


@pytest.mark.parametrize(("lang", "theme", "width"), [("en", "light", 1440), ("pt", "dark", 390)])
def test_axe_finds_nothing_serious(opened, lang, theme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    report = opened(lang, width, theme)
    report.page.evaluate("document.querySelectorAll('details').forEach((element) => (element.open = true))")
    found = axe.run(report.page).response["violations"]
    bad = [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:5])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert bad == []


def test_hostile_names_are_text_and_no_script_runs(opened):
    report = opened()
    text = report.page.inner_text("body")
    assert "<script>alert(1)</script>" in text
    assert report.page.evaluate("[...document.scripts].every((one) => !one.textContent.startsWith('alert'))")
    report.page.select_option("#curves-cell", label="<script>alert(1)</script>")
    assert "<script>alert(1)</script>" in report.page.inner_text("#curves-details")
    assert report.said == []


def test_the_policy_of_the_page_lets_no_other_script_in(opened):
    report = opened()
    report.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.in = 1'}))"
    )
    assert report.page.evaluate("window.in") is None
    assert any("Content Security Policy" in text for _, text in report.said)


def test_the_clock_redraws_every_curve_and_says_who_is_first(opened):
    report = opened()
    drawings, rankings = set(), set()
    for clock in ("epochs", "steps", "examples", "seconds"):
        report.page.check(f"#curves-clock-{clock}")
        report.drawn(clock)
        drawings.add(report.page.inner_html("#curves-chart"))
        rankings.add(report.page.inner_text("#curves-ranking"))
        titles = report.page.locator("#curves-chart text").all_text_contents()
        assert any("log scale" in title for title in titles)
        lines = report.page.locator("#curves-chart .mark-line path").count()
        assert lines == report.page.locator("#curves-cell option").count()
    assert len(drawings) == len(rankings) == 4
    assert report.said == []


def details(report):
    """The details of the chosen point: a term to its text."""
    terms = report.page.locator("#curves-details dt").all_inner_texts()
    return dict(zip(terms, report.page.locator("#curves-details dd").all_inner_texts(), strict=True))


def test_keys_alone_reach_cell_command_seed_and_mlflow_run(opened, studies):
    report = opened()
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
    cell_id = re.fullmatch(r'tags\.cell_id = "(.+)"', told["MLflow run"])[1]
    assert cell_id in set(studies["textbook"].runs["cell_id"])


def test_every_command_composes_to_its_cell(opened, studies):
    data = json.loads(opened().page.locator("#curves-data").text_content())
    seen = set()
    for study in data["studies"]:
        for cell in study["cells"]:
            python, m, module, *overrides = shlex.split(cell["command"])
            assert (python, m, module) == ("python", "-m", "pipeline.train")
            assert Cell(compose_cell(overrides)).id == cell["id"]
            assert compose_cell(overrides).seeds == 6
            seen.add(cell["id"])
    assert set(studies["textbook"].runs["cell_id"]) < seen


def a_point(report):
    """Where the ring around the chosen reading is on the screen."""
    report.page.locator("#curves-chart").scroll_into_view_if_needed()
    box = report.page.locator("#curves-chart .mark-symbol path").last.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_hovering_shows_the_point_and_leaving_hides_it(opened):
    report = opened()
    x, y = a_point(report)
    report.page.mouse.move(x, y)
    tip = report.page.locator("#curves-tip")
    assert tip.is_visible()
    assert "python -m pipeline.train" in tip.inner_text() and "tags.cell_id" in tip.inner_text()
    report.page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_a_tap_on_a_phone_chooses_the_point(opened):
    report = opened(width=390, touch=True)
    report.page.select_option("#curves-cell", index=2)
    wanted = details(report)
    x, y = a_point(report)
    report.page.select_option("#curves-cell", index=0)
    report.page.evaluate("window.scrollBy(0, 0)")
    report.page.touchscreen.tap(x, y)
    told = details(report)
    assert told["Reading"].split("·")[0] == wanted["Reading"].split("·")[0]
    assert report.page.inner_text("#curves-status") == told["Cell"]


def test_another_study_is_drawn_by_its_best_cells_and_says_what_is_left_out(opened, studies):
    report = opened()
    report.page.select_option("#curves-study", label=studies["sweep"].title)
    total = studies["sweep"].runs["cell_id"].nunique()
    report.page.locator("#curves-note", has_text=f"10 of {total} cells are drawn").wait_for()
    report.page.locator("#curves-chart .mark-line path").nth(9).wait_for(state="attached")
    report.page.check("input[name=curves-kind][value=log]")
    report.page.locator("#curves-chart text", has_text="above the minimum").wait_for(state="attached")
    assert report.page.is_disabled("#curves-clock-seconds")  # stacked, and no step was timed
    assert report.said == []


def test_headers_sort_by_number_up_and_down_and_say_so(opened):
    report = opened()
    report.page.evaluate("location.hash = 'table-1'")  # its study unfolds
    table = report.page.locator("#table-1")
    header = table.locator(
        "th:has(> button.sort):has-text('Final loss'), th:has(> button.sort):has-text('Mean ± sd')"
    ).last
    column = int(header.get_attribute("data-column"))
    original = table.locator("tbody th").all_inner_texts()

    def values():
        return [
            float(v)
            for v in table.locator("tbody tr").evaluate_all(f"rows => rows.map(r => r.cells[{column}].dataset.value)")
        ]

    header.locator("button").focus()
    report.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending" and values() == sorted(values())
    report.page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending" and values() == sorted(values(), reverse=True)
    assert sorted(table.locator("tbody th").all_inner_texts()) == sorted(original)
    assert report.page.locator("#table-1 [aria-sort]").count() == 1


def test_the_filter_keeps_the_lines_with_all_words_and_counts_them(opened):
    report = opened()
    report.page.evaluate("location.hash = 'table-1'")
    report.page.fill("#filter-1", "GD epochs")
    shown = report.page.locator("#table-1 tbody tr:visible th").all_inner_texts()
    assert shown == ["gd, 100 epochs", "gd lr 0.88, 100 epochs"]
    assert report.page.inner_text("#count-1") == "2 of 7 lines"


def test_a_verdict_leads_to_its_numbers_and_its_figure(opened):
    report = opened()
    report.page.click("#story ~ article a:text-is('A10a')")
    entry = report.page.locator("details.claim:has(strong:text-is('A10a'))")
    entry.locator("img.beside").wait_for(state="visible")
    assert entry.locator("li").count() > 0


def test_claims_are_filtered_by_verdict_source_and_words_and_the_address_remembers(opened):
    report = opened()
    total = report.page.locator("details.claim").count()
    report.page.check("#claim-filters [name=group][value=A]")
    report.page.check("#claim-filters [name=verdict][value=given]")
    shown = report.page.locator("details.claim:visible strong:first-child").all_inner_texts()
    assert shown == ["A1b", "A6", "A7", "A8"]
    assert report.page.inner_text("#claims-count") == f"4 of {total} claims"
    report.page.fill("#claim-filters [name=words]", "whitened MEAN")
    assert report.page.locator("details.claim:visible strong:first-child").all_inner_texts() == ["A7"]
    report.page.reload()
    assert report.page.locator("details.claim:visible strong:first-child").all_inner_texts() == ["A7"]
    report.page.click("#story ~ article a:text-is('A10a')")  # which the filters hide
    assert report.page.locator("details.claim:visible").count() == total


def test_a_theme_can_be_chosen_whatever_the_system_says(opened):
    report = opened(theme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = report.page.evaluate(paper)
    report.page.click("[data-theme-choice=dark]")
    assert report.page.evaluate(paper) != light
    report.page.click("[data-theme-choice=system]")
    assert report.page.evaluate(paper) == light


def test_portuguese_speaks_portuguese_in_the_page_in_the_chart_and_in_numbers(opened):
    report = opened("pt")
    assert "A resposta" in report.page.inner_text(".hero") and "O livro diz:" in report.page.inner_text("main")
    report.page.check("#curves-clock-seconds")
    report.drawn("seconds")
    labels = report.page.locator("#curves-chart text").all_text_contents()
    assert any(re.fullmatch(r"\d+ (µs|ms|s)", label) for label in labels)
    assert "Segundos de treino" in report.page.locator("#curves-chart").text_content()
    assert re.search(r"0,2\d", report.page.locator("#curves-chart").text_content())
    assert "perda de 0,25" in report.page.inner_text("#curves-ranking")
    told = details(report)
    assert told["Comando"].startswith("python -m pipeline.train") and "Semente" in told


def test_printing_shows_a_summary_on_white_whatever_is_unfolded(opened):
    report = opened(theme="dark")
    report.page.evaluate("document.querySelectorAll('details').forEach((element) => (element.open = true))")
    report.page.emulate_media(media="print")
    assert report.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert report.page.locator(".controls:visible, .filters:visible, .study:visible").count() == 0
    assert report.page.locator(".hero, .run, details.claim > summary").evaluate_all(
        "all => all.every((one) => one.checkVisibility())"
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", report.page.pdf(prefer_css_page_size=True)))
    assert 1 < pages <= 8
