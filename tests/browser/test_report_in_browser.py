"""The report in a browser without a network: nothing is asked for, nothing overflows, and everything answers."""

import re

import pytest

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
    assert report.said == []


def test_the_policy_of_the_page_lets_no_other_script_in(opened):
    report = opened()
    report.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.in = 1'}))"
    )
    assert report.page.evaluate("window.in") is None
    assert any("Content Security Policy" in text for _, text in report.said)


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


def test_portuguese_speaks_portuguese(opened):
    report = opened("pt")
    assert "Que otimizador" in report.page.inner_text(".hero") and "O livro diz:" in report.page.inner_text("main")


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
