"""The report is one page that loads nothing, hides no run and runs no script."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tables_for_tests import cell, mixed, study
from test_figures import write_study

from pipeline.lab.published import PUBLISHED, published_for
from pipeline.report.__main__ import main
from pipeline.report.assets import assets
from pipeline.report.facts import public_source
from pipeline.report.page import render
from pipeline.report.pictures import InlinedFigure, read_figures
from pipeline.report.rows import table_rows
from pipeline.report.summary import summarise

PROVENANCE = {
    "title": "Airfoil <i>",
    "credit": "Ada & Co",
    "licence": "CC BY 4.0",
    "source": "/home/ada/secret/airfoil.dat",
    "sha1": "76e5",
    "offline_twin": False,
}
FIGURE = InlinedFigure('A "title"', 'see <b> & "this"', "textbook", "data:image/svg+xml;base64,AAAA")


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.scripts = [], "", []
        self._script = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._script = dict(attributes).get("type", "text/javascript") if tag == "script" else None

    def handle_endtag(self, tag):
        self._script = None if tag == "script" else self._script

    def handle_data(self, data):
        if self._script == "text/javascript":
            self.scripts.append(data)
        elif self._script is None:
            self.text += data

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def html():
    return render({"textbook": mixed()}, [FIGURE], PROVENANCE)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_nothing_is_loaded(html, page):
    assert not page.all("iframe", "object", "embed", "audio", "video", "base")
    for attributes in page.all("img", "link", "source", "use", "image"):
        for name in ("src", "href", "srcset"):
            assert attributes.get(name, "data:").startswith("data:")
    own = html
    for script in assets().scripts:
        own = own.replace(script, "")
    assert "@import" not in own and not re.search(r"url\(", own)


def test_the_only_scripts_are_the_pages_own_and_the_policy_names_them(page):
    (policy,) = (meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    allowed = set(rules["script-src"].split())
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in page.scripts}
    assert len(page.scripts) == 2 and allowed == hashes  # no 'unsafe-inline', and no 'unsafe-eval'
    assert all("src" not in attributes for attributes in page.all("script"))


def test_everything_from_the_data_is_escaped(html, page):
    assert html.count("<script") == render({"textbook": study(cell("gd"))}, []).count("<script") == 3
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in page.text
    assert "Airfoil <i>" in page.text and not page.all("i")


def test_the_page_is_semantic(page):
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("scope") for attributes in page.all("th"))
    (image,) = page.all("img")
    assert image["alt"] == FIGURE.caption
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.all("a"):
        assert attributes["href"].removeprefix("#") in ids
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", ids[0]) in ids
    assert any(attributes.get("class") == "scroll" and attributes["tabindex"] == "0" for attributes in page.all("div"))
    for level in ("h1", "main", "header", "footer", "title"):
        assert len(page.all(level)) == 1


def test_dark_and_print(html):
    assert "prefers-color-scheme: dark" in html and "@media print" in html


def test_no_run_vanishes(page):
    for label in ("gd", "torch $x_1^2$ & co", "_some diverge", "all diverge", "all fail", "once"):
        assert label in page.text
    assert "15 ok, 6 diverged, 4 error" in page.text
    rows = {row.label: row for row in table_rows(mixed().cells)}
    assert rows["_some diverge"].statuses == {"ok": 2, "diverged": 2}
    assert rows["_some diverge"].mean == "∞"
    assert rows["all diverge"].median == "∞ [∞,\xa0∞]"
    assert rows["all fail"].median == "–" and rows["all fail"].seconds == "no clock"
    assert "±" not in rows["once"].mean


def test_the_credit_is_given_and_no_folder_of_this_machine(page):
    for value in ("Ada & Co", "CC BY 4.0", "76e5", "a local copy, airfoil.dat"):
        assert value in page.text
    assert "/home/ada" not in page.text
    assert public_source("http://example.org/a.dat") == "http://example.org/a.dat"
    assert public_source("generated: offline twin") == "generated: offline twin"


def test_without_provenance_the_configuration_gives_the_credit():
    text = Page(render({"textbook": study(cell("gd"))}, [])).text
    assert "Ada & Co" in text and "CC BY 4.0" in text


@pytest.mark.parametrize(
    ("data", "provenance", "loud"),
    [
        ("airfoil", PROVENANCE, False),
        ("airfoil_twin", None, True),
        ("airfoil", PROVENANCE | {"offline_twin": True}, True),
    ],
)
def test_the_offline_twin_is_loud(data, provenance, loud):
    html = render({"textbook": study(cell("gd", data=data))}, [], provenance)
    assert ("OFFLINE TWIN" in html) is loud


def published_cell(**changes):
    return cell("minibatch 10", **({"seeds": 20} | changes))


def test_published_values_stand_beside_the_runs_they_belong_to():
    (row,) = table_rows(study(published_cell(final=0.2404)).cells)
    assert row.published is not None and row.published.renders == "0.2450"
    assert row.comparison.inside is True
    text = Page(render({"textbook": study(published_cell(final=0.2404))}, [])).text
    assert "0.246; 0.090 s" in text and "0.24512\xa0±\xa00.00251" in text
    (far,) = table_rows(study(published_cell(final=0.26)).cells)
    assert far.comparison.inside is False and far.comparison.text.startswith("no: ")


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 3}, {"lr": 0.051}, {"batch_size": 11}, {"implementation": "torch"}, {"data": "other"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_cell_of_the_same_label_has_nothing_published(changes):
    assert table_rows(study(published_cell(**changes)).cells)[0].published is None


def test_the_twin_and_cells_with_trouble_are_not_compared():
    for changes in ({"data": "airfoil_twin"}, {"diverged": (3,)}, {"error": (0,)}):
        comparison = table_rows(study(published_cell(**changes)).cells)[0].comparison
        assert comparison.inside is None


def test_every_published_entry_is_found_by_its_own_configuration():
    for entry in PUBLISHED:
        config: dict = {}
        for path, value in entry.where.items():
            *groups, last = path.split(".")
            target = config
            for group in groups:
                target = target.setdefault(group, {})
            target[last] = value
        assert published_for(config) is entry


def test_the_summary_is_three_sentences_computed_from_the_tables():
    tables = study(published_cell(final=0.2404), cell("late", batch_size=1, lr=0.5, final=0.2404))
    first, second, third = summarise(tables, table_rows(tables.cells), "Airfoil")
    assert first == "24 runs of 2 cells trained on Airfoil, and all of them ended with status ok."
    assert "“minibatch 10” is the first" in second and "9.2 times as long" in second
    assert "“late”" not in third and "three standard errors" in third


def test_a_rising_loss_with_status_ok_is_said():
    rising = cell("rising")
    for run in rising[0]:
        run["final_loss"] = 149564.3
    html = render({"textbook": study(rising)}, [])
    assert "1.50\xa0×\xa010⁵" in html
    assert "“rising” has status ok and yet its loss rises" in html


def test_studies_without_a_clock_are_summed_up_by_examples():
    tables = study(cell("a", engine="stacked"), cell("b", batch_size=1, engine="stacked"))
    text = Page(render({"textbook": tables}, [])).text
    assert "examples" in text and "None of the 8 runs has a clock" in text


def test_the_command_inlines_the_figures(tmp_path: Path, capsys):
    folder = write_study(mixed(), tmp_path / "textbook")
    (tmp_path / "figures").mkdir()
    caption = {"name": "a", "title": "A", "study": "textbook", "caption": "C", "svg": "a.svg", "png": "a.png"}
    (tmp_path / "figures" / "captions.json").write_text(json.dumps([caption]))
    (tmp_path / "figures" / "a.svg").write_text("<svg/>")
    out = tmp_path / "report.html"
    main(["--out", str(out), "--figures", str(tmp_path / "figures"), str(folder)])
    images = Page(out.read_text()).all("img")
    assert len(images) == len(read_figures(tmp_path / "figures")) == 1
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in images)
    assert capsys.readouterr().out.strip() == str(out)
    assert str(tmp_path) not in out.read_text()


def test_missing_or_broken_figures_are_told(tmp_path, capsys):
    folder = write_study(study(cell("gd")), tmp_path / "textbook")
    arguments = ["--out", str(tmp_path / "r.html"), "--figures", str(tmp_path / "figures"), str(folder)]
    with pytest.raises(SystemExit):
        main(arguments)
    assert "captions.json cannot be read" in capsys.readouterr().err
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "captions.json").write_text(json.dumps([{"title": "?"}]))
    with pytest.raises(SystemExit):
        main(arguments)
    assert "is not a list of captions" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
