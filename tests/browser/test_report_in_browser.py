"""The report in a browser without a network: nothing is asked for, nothing overflows, and everything answers."""

import re

import pytest

from pipeline.analysis.advise import advise

pytestmark = pytest.mark.slow

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


#: The lowest end of what the first screen says, and what of it a reader would look for in vain.
HERO = """() => Math.max(...[...document.querySelectorAll(".hero *")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(".tip"))
  .map((element) => element.getBoundingClientRect().bottom))"""
WORDS = "document.body.innerText.split(/\\s+/).filter(Boolean).length"
#: Everything that answers to a hand, and does not take the focus of a keyboard; a grid takes it in one cell, and arrow
#: keys go from there.
UNREACHED = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled)
  .filter((element) => !element.closest("[role=grid]:has([tabindex='0'])"))
  .filter((element) => (element.focus(), document.activeElement !== element || element.tabIndex < 0))
  .map((element) => element.outerHTML.slice(0, 120))"""


def serious(report):
    """What axe finds that keeps people out."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:5])
        for one in axe.run(report.page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("lang", ["en", "pt"])
def test_on_every_screen_it_fits_is_accessible_and_asks_for_nothing(opened, lang, record_property):
    report = opened(lang, unfolded=False)
    timing = "(({ domInteractive, responseStart }) => domInteractive - responseStart)(performance.getEntries()[0])"
    record_property("milliseconds until interactive", report.page.evaluate(timing))
    assert report.page.evaluate("document.documentElement.lang") == lang
    for folded in (True, False):
        if not folded:
            report.unfold()
        for width, theme in (
            (1440, "light"),
            (820, "dark"),
            (390, "light"),
            (390, "dark"),
            (820, "light"),
            (1440, "dark"),
        ):
            report.page.set_viewport_size({"width": width, "height": 900})
            report.page.emulate_media(color_scheme=theme)
            report.page.wait_for_timeout(200)  # charts are drawn anew
            where = f"{width} px, {theme}, folded {folded}"
            assert report.page.evaluate("document.documentElement.scrollWidth") <= width, where
            assert report.page.evaluate(CLIPPED) == [], where
            if folded or width != 820:
                assert serious(report) == [], where
    assert report.said == [] and report.asked == []


@pytest.mark.parametrize("lang", ["en", "pt"])
def test_the_first_screen_is_whole_and_the_page_short_until_it_is_unfolded(opened, lang):
    report = opened(lang, unfolded=False)
    assert report.page.locator(".hero .answer, .hero #curves-chart svg, .hero .card").count() == 5
    banner = report.page.evaluate("document.querySelector('.banner').offsetHeight")  # of the twin; else there is none
    assert report.page.evaluate(HERO) <= 900 + banner
    assert report.page.evaluate("document.documentElement.scrollHeight") <= 8 * 900
    assert report.page.evaluate(WORDS) <= 5000
    assert report.page.locator("details[open]").count() == 0


def test_the_first_screen_says_what_to_use_how_sure_and_what_the_book_has_wrong(opened, studies):
    report = opened(unfolded=False)
    (first, *_) = report.page.locator(".answer p").all_inner_texts()
    best = next(one for one in advise(studies["sweep"].sweep) if one.measure == "examples").best.cell
    assert f"{best.optimizer} at b = {best.batch_size}, lr {best.lr:.4g}" in first
    assert re.search(r"\d \[\d[\d.,]*,\s[\d.,∞]+\]\. (Sure|Not sure): better than the runner-up in \d+ %", first), first
    cards = [" ".join(text.split()) for text in report.page.locator(".hero .card").all_inner_texts()]
    assert [re.search(r"[A-Z]\d+\w?$", card)[0] for card in cards] == ["A10a", "A13b", "A16a"], (
        "documents before the field"
    )
    assert "Dive into Deep Learning says: Full-batch descent at lr 1 makes little progress." in cards[0]
    assert "after six steps, 0.0172 [0.0133, 0.0193] of the loss above the minimum is left." in cards[0]
    assert "it depends on target: of 2 cases it holds in 1 and does not in 1." in cards[2]
    what = report.page.inner_text(".what")
    runs = sum(len(study.runs) for study in studies.values())
    assert f"{runs:,} runs (model: linear) on" in what and "Dive into Deep Learning, section" in what


def test_everything_that_answers_to_a_hand_takes_the_focus_of_a_keyboard(opened):
    report = opened()
    assert report.page.evaluate(UNREACHED) == []
    report.page.reload()
    report.drawn("epochs")
    reached = []
    for _ in range(8):
        report.page.keyboard.press("Tab")
        reached.append(report.page.evaluate("document.activeElement.textContent.trim()"))
    contents = report.page.locator("#contents a").all_inner_texts()
    assert reached[: 1 + len(contents)] == ["Skip to the content", *contents]


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
    report = opened(unfolded=False)
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

    header.wait_for(state="visible")
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
    report = opened(unfolded=False)
    report.page.click("#story ~ article a:text-is('A10a')")
    entry = report.page.locator("details.claim:has(strong:text-is('A10a'))")
    entry.locator("img.beside").wait_for(state="visible")
    assert entry.locator("li").count() > 0


def test_claims_are_filtered_by_verdict_source_and_words_and_the_address_remembers(opened):
    report = opened(unfolded=False)
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
    report.page.locator("details.claim:not([hidden])").nth(total - 1).wait_for(state="attached")  # after a moment
    assert report.page.locator("details.claim:not([hidden])").count() == total


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
    report.page.emulate_media(media="print")
    assert report.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert report.page.locator(".controls:visible, .filters:visible, .study:visible").count() == 0
    assert report.page.locator(".hero, .run, .claim-group > .claim > summary").evaluate_all(
        "all => all.every((one) => one.checkVisibility())"
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", report.page.pdf(prefer_css_page_size=True)))
    assert 1 < pages <= 8
