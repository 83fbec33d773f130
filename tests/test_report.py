"""The report is one page that loads nothing, hides no run and runs no script."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables_for_tests import ROWS, cell, mixed, study, write_study

from pipeline.analysis.study import read_studies
from pipeline.figures.__main__ import main as draw
from pipeline.figures.registry import figures_of
from pipeline.lab.published import PUBLISHED, published_for
from pipeline.report.__main__ import main
from pipeline.report.assets import InlinedFigure, assets, read_figures
from pipeline.report.facts import public_source, summarise
from pipeline.report.page import render
from pipeline.report.rows import table_rows
from pipeline.report.verdicts import Verdicts

FIGURE = InlinedFigure("a", 'A "title"', 'see <b> & "this"', "textbook", "data:image/svg+xml;base64,AAAA")


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
    return render([mixed(title="Study <i>")], [FIGURE])


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
    assert len(page.scripts) == len(assets().scripts) and allowed == hashes  # no 'unsafe-inline', and no 'unsafe-eval'
    assert all("src" not in attributes for attributes in page.all("script"))


def test_everything_from_the_data_is_escaped(html, page):
    assert html.count("<script") == render([study(cell("gd"))], []).count("<script") == len(assets().scripts) + 1
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script>alert(1)</script>" in page.text
    assert "Study <i>" in page.text and not page.all("i")


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
    rows = {row.label: row for row in table_rows(mixed())}
    assert rows["_some diverge"].statuses == {"ok": 2, "diverged": 2}
    assert rows["_some diverge"].mean == "∞"
    assert rows["all diverge"].median == "∞ [∞,\xa0∞]"
    assert rows["all fail"].median == "–" and rows["all fail"].seconds == "no clock"
    assert "±" not in rows["once"].mean


DIABETES = {"diabetes": {"title": "Diabetes <i>", "credit": "Efron & Co", "licence": "BSD"}}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The results of a study on two whitened tables: the lab's own, and one that a user added."""
    results = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    (results / "data").mkdir()
    for name, noise in (("airfoil", 0.5), ("diabetes", 2.0)):
        x = generator.normal(size=ROWS)
        table = pa.table({"x": x, "y": x + noise * generator.normal(size=ROWS)})
        provenance = {"name": name, "source": f"/home/ada/secret/{name}.dat", "sha1": f"sha1 of {name}"}
        whitened = table.replace_schema_metadata({b"provenance": json.dumps(provenance | {"offline_twin": False})})
        pq.write_table(whitened, results / "data" / f"{name}-standardize.parquet")
        (results / "data" / f"{name}.json").write_text(json.dumps(provenance))
    runs, curves = cell("sgd", batch_size=1500, data="diabetes")
    for run in runs:
        config = json.loads(run["config"])
        config["data"] |= {"whiten": "standardize", "copies": 1}
        run["config"] = json.dumps(config)
    write_study(study((runs, curves), name="mine", title="My study", data=DIABETES), results / "mine")
    return results


def test_a_study_is_drawn_and_reported_with_its_own_data(own, tmp_path):
    (mine,) = read_studies([own / "mine"])
    table = pq.read_table(own / "data" / "diabetes-standardize.parquet").to_pandas()
    residuals = table["y"] - np.polynomial.Polynomial.fit(table["x"], table["y"], 1)(table["x"])
    assert mine.minimum == pytest.approx(0.5 * np.mean(residuals**2), rel=1e-5), "the minimum of its own table"
    assert [entry.name for entry in figures_of(mine)][-1] == "theory_curves", "and what theory expects on it"
    draw([f"--out={tmp_path / 'figures'}", str(own / "mine")])
    main([f"--out={tmp_path / 'report.html'}", f"--figures={tmp_path / 'figures'}", str(own / "mine")])
    text = Page((tmp_path / "report.html").read_text()).text
    assert "4 runs of 1 cell trained on Diabetes <i>, and all of them" in text and "My study" in text
    for words in ("Efron & Co", "BSD", "sha1 of diabetes", "a local copy, diabetes.dat"):
        assert words in text
    for words in ("airfoil", "Airfoil", "Ada & Co", "/home/ada"):
        assert words not in text


def test_a_source_is_named_without_the_folders_of_this_machine():
    assert public_source("http://example.org/a.dat") == "http://example.org/a.dat"
    assert public_source("generated: offline twin") == "generated: offline twin"


def test_without_provenance_the_configuration_gives_the_credit():
    text = Page(render([study(cell("gd"))], [])).text
    assert "Ada & Co" in text and "CC BY 4.0" in text


@pytest.mark.parametrize(("data", "loud"), [("airfoil", False), ("airfoil_twin", True)])
def test_the_offline_twin_is_loud(data, loud):
    html = render([study(cell("gd", data=data))], [])
    assert ("OFFLINE TWIN" in html) is loud


def test_a_classifiers_loss_is_no_squared_error():
    images = study(cell("a"))
    images.runs["accuracy"] = 0.9
    text = Page(render([images], [])).text
    assert "The loss (mean cross-entropy)" in text and "squared error" not in text


def published_cell(**changes):
    return cell("minibatch 10", **({"seeds": 20} | changes))


def test_published_values_stand_beside_the_runs_they_belong_to():
    (row,) = table_rows(study(published_cell(final=0.2404)))
    assert row.published is not None and row.published.renders == "0.2450"
    assert row.comparison.inside is True
    text = Page(render([study(published_cell(final=0.2404))], [])).text
    assert "0.246; 0.090 s" in text and "0.24512\xa0±\xa00.00251" in text
    (far,) = table_rows(study(published_cell(final=0.26)))
    assert far.comparison.inside is False and far.comparison.text.startswith("no: ")


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 3}, {"lr": 0.051}, {"batch_size": 11}, {"implementation": "torch"}, {"data": "other"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_cell_of_the_same_label_has_nothing_published(changes):
    assert table_rows(study(published_cell(**changes)))[0].published is None


def test_the_twin_and_cells_with_trouble_are_not_compared():
    for changes in ({"data": "airfoil_twin"}, {"diverged": (3,)}, {"error": (0,)}):
        comparison = table_rows(study(published_cell(**changes)))[0].comparison
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
    first, second, third = summarise(tables, table_rows(tables))
    assert first == "24 runs of 2 cells trained on Airfoil, and all of them ended with status ok."
    assert "“minibatch 10” is the first" in second and "8.5 times as long" in second
    assert "“late”" not in third and "three standard errors" in third


def test_a_rising_loss_with_status_ok_is_said():
    rising = cell("rising")
    for run in rising[0]:
        run["final_loss"] = 149564.3
    html = render([study(rising)], [])
    assert "1.50\xa0×\xa010⁵" in html
    assert "“rising” has status ok and yet its loss rises" in html


def test_studies_without_a_clock_are_summed_up_by_examples():
    tables = study(cell("a", engine="stacked"), cell("b", batch_size=1, engine="stacked"))
    text = Page(render([tables], [])).text
    assert "examples" in text and "None of the 8 runs has a clock" in text


def test_the_command_inlines_the_figures(tmp_path: Path, capsys):
    folder = write_study(mixed(), tmp_path / "textbook")
    (tmp_path / "figures" / "textbook").mkdir(parents=True)
    caption = {"name": "a", "title": "A", "study": "textbook", "caption": "C", "svg": "textbook/a.svg"}
    (tmp_path / "figures" / "captions.json").write_text(json.dumps([caption]))
    (tmp_path / "figures" / "textbook" / "a.svg").write_text("<svg/>")
    out = tmp_path / "report.html"
    main(["--out", str(out), "--figures", str(tmp_path / "figures"), str(folder)])
    images = Page(out.read_text()).all("img")
    assert len(images) == len(read_figures(tmp_path / "figures")) == 1
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in images)
    path, *answers = capsys.readouterr().out.splitlines()
    assert path == str(out)
    assert answers == [
        "textbook: a loss of 0.25 is reached in 0.784 epochs and 1,176 examples by “once”; "
        "in 1 step and 50.0 µs by “gd”"
    ]
    assert str(tmp_path) not in out.read_text()


def test_missing_or_broken_figures_are_reported(tmp_path, capsys):
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


def test_a_page_without_a_verdict_has_no_table_of_claims():
    none = Verdicts(summary="", lines=[], sources=[], not_applicable="C1")
    assert 'id="claims"' not in render([], [], none)
