"""The report shows every verdict as text and sign, escaped, with links that lead somewhere."""

import json
import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from conftest import ROOT
from tables_for_tests import cell
from tables_for_tests import study as report_study

from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.lab.errors import UserError
from pipeline.report.assets import InlinedFigure
from pipeline.report.page import render
from pipeline.report.verdicts import read_verdicts, verdicts_of

from .synthetic import loading_row, measurement, run_rows, study

#: An epoch of b 100 takes longer than one of the full batch in one loop, and less in the other.
TIMES = ((2.0, 100, "slices"), (1.0, 1500, "slices"), (1.0, 100, "DataLoader"), (2.0, 1500, "DataLoader"))
LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def decided():
    """Every verdict there is: H1 holds and H5 does not, and workers make one kind of data faster to load."""
    rows = run_rows("gd, 100 epochs", lr=1, final_loss=9.0) + run_rows("minibatch 10", lr=2)
    rows += run_rows("concise", lr=3, data="airfoil_twin")
    slower = [loading_row("seconds", x, 32, "DataLoader", n) for x, n in ((2.0, 2), (1.0, 0))]
    times = [loading_row("training_seconds", x, b, loader) for x, b, loader in TIMES]
    measured = measurement("loading", [row | {"load_share": math.nan} for row in slower + times])
    tables = {"measurements": measured.measurements}
    return decide_all(LEDGER, Evidence(Path("nowhere"), study("textbook", rows).studies, **tables))


def page(decided):
    return render([report_study(cell("gd"))], [], verdicts_of(decided))


@pytest.mark.slow
def test_every_claim_has_its_line_with_verdict_sign_and_link(decided):
    html = page(decided)
    summaries = re.findall(r'<details class="claim" id="claim-\d+".*?<summary>(.*?)</summary>', html, re.DOTALL)
    shown = [re.search("<strong>(.+?)</strong>.*?</span> ([a-z ]+)</span>", one).groups() for one in summaries]
    assert sorted(shown) == sorted((claim["id"], claim["verdict"]) for claim in decided["claims"])
    assert len(shown) == len(LEDGER.claims)
    text = re.sub(r"<[^>]+>", "", html)
    counted = sum(claim["verdict"] != "by construction" for claim in decided["claims"])
    words = ("✓ holds", "✗ does not hold", "± depends", "? inconclusive", "= by construction", "Claims and verdicts")
    for said in (*words, f"Verdicts on {counted} claims: ", "loader DataLoader", "more cannot be otherwise"):
        assert said in text
    for remark in LEDGER.remarks.values():
        assert remark in unescape(text)
    targets = set(re.findall(r'href="#([^"]+)"', html))
    assert targets <= set(re.findall(r'id="([^"]+)"', html))
    assert "OFFLINE TWIN" in html
    assert "The verdict rests on this machine&#39;s clock." in html and "The verdict rests on seeds." in html
    assert "without a verdict" not in html
    other = decided | {"not_applicable": [{"id": "A7", "text": "", "reason": ""}]}
    assert "About other data than these, and so without a verdict: A7." in page(other)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_what_depends_on_the_machine_alone_says_its_number_and_what_depends_on_its_cases_how_many_hold():
    cases = {"DataLoader": 0.5, "slices": 2.0}

    def decided_with(**ratios):
        times = [(ratio, b, loader) for loader, one in ratios.items() for ratio, b in ((one, 100), (1.0, 1500))]
        rows = [row | {"load_share": math.nan} for row in (loading_row("training_seconds", *time) for time in times)]
        found = decide_all(
            LEDGER, Evidence(Path("nowhere"), {}, measurements=measurement("loading", rows).measurements)
        )
        return next(line for line in verdicts_of(found).lines if line["id"] == "A13b")

    mixed, alike = decided_with(**cases), decided_with(**dict.fromkeys(cases, 2.0))
    assert mixed["cases"] == "it depends on loader: of 2 cases it holds in 1 and does not in 1."
    assert (alike["verdict"], alike["cases"]) == ("depends", "")
    assert alike["effect"] == "2"


def test_a_claim_says_in_how_many_whole_runs_of_the_lab_its_verdict_was_the_same(decided):
    counts = {"A1a": {"holds": 9, "inconclusive": 2}, "A5": {"does not hold": 11}, "H5": {"does not hold": 11}}
    repeats = {"runs": 11, "machine": "a processor, 2 cores", "date": "2026-11-27", "claims": counts}
    claims = [claim | {"stored": "2026-11-01" * (claim["id"] == "A5")} for claim in decided["claims"]]
    found = verdicts_of(decided | {"claims": claims}, repeats=repeats)
    lines = {line["id"]: line for line in found.lines}
    assert (lines["A1a"]["verdict"], lines["A1a"]["alike"]) == ("inconclusive", "the same in 2 of 11 runs")
    said = "Of 11 whole runs of the lab (a processor, 2 cores, 2026-11-27): holds in 9 and inconclusive in 2."
    assert lines["A1a"]["repeated"] == said
    assert lines["A2"]["alike"] == lines["A5"]["alike"] == ""  # in none of these runs; not decided in this one
    html = render([report_study(cell("gd"))], [], found)
    assert said in html and html.count("the same in 2 of 11 runs") == 1
    assert "the same in 11 of 11 runs" not in html  # H5 rests on seeds: that it is the same says nothing


def test_the_chapter_is_told_with_its_pictures_and_each_is_on_the_page_once(decided):
    words = ("textbook", "data:image/svg+xml,drawn")
    picture = InlinedFigure("loss_by_epoch", "Loss", "what to see", *words)
    html = render([report_study(cell("gd"), name="textbook")], [picture], verdicts_of(decided))
    story = html[html.index('<section aria-labelledby="story">') : html.index('<section aria-labelledby="claims">')]
    assert html.count(words[1]) == story.count(words[1]) == 1
    assert '<a href="#figure-textbook-loss_by_epoch">' in html[html.index('id="study-1"') :]
    for claim in decided["claims"]:
        if claim["id"] in ("A10a", "A16a", "A13b", "A14", "A18", "H1"):
            assert claim["text"] in unescape(story)


@pytest.mark.slow
def test_what_an_open_test_lacks_is_shown(decided):
    claims = json.loads(json.dumps(decided))
    claims["claims"][0]["tests"][0]["needed"] = 1234
    assert "About n = 1,234 would decide." in page(claims)
    assert "would decide" not in page(decided)


@pytest.mark.slow
def test_a_stored_verdict_is_shown_with_its_date(decided):
    claims = [claim | {"stored": "2025-02-03"} if claim["id"] == "F6" else claim for claim in decided["claims"]]
    html = page(decided | {"claims": claims})
    assert html.count("2025-02-03") == 2 and "Decided on 2025-02-03 and stored with the lab" in html
    assert "2025-02-03" not in page(decided)


def test_verdicts_of_another_day_alone_are_none_of_these_results(decided):
    stored = [claim | {"stored": "2025-02-03"} for claim in decided["claims"]]
    html = page(decided | {"claims": stored})
    for part in ("claims", "story"):
        assert f'id="{part}"' not in html and f'href="#{part}"' not in html
    assert "2025-02-03" not in html and "Verdicts on" not in html


def test_the_first_screen_shows_three_claims_that_do_not_hold_or_depend_here_documents_first(decided):
    wrong = {
        "A2": "depends",
        "A4": "does not hold",
        "F1": "does not hold",
        "F2": "does not hold",
        "H1": "does not hold",
    }
    lines = [claim | {"verdict": wrong.get(claim["id"], "holds"), "tests": []} for claim in decided["claims"]]
    shown = verdicts_of(decided | {"claims": lines}).surprises
    assert [line["id"] for line in shown] == ["A4", "A2", "F1"], "and none that this lab makes itself"
    stored = [line | {"stored": "2025-02-03" if line["id"] == "F1" else ""} for line in lines]
    assert [line["id"] for line in verdicts_of(decided | {"claims": stored}).surprises] == ["A4", "A2", "F2"]


def test_what_depends_on_the_machine_and_holds_on_this_one_is_no_surprise(decided):
    for found, shown in (("holds", []), ("does not hold", ["A4"]), ("inconclusive", ["A4"])):
        lines = [claim | {"verdict": "holds"} for claim in decided["claims"]]
        (marked,) = (claim for claim in lines if claim["id"] == "A4")
        marked |= {"verdict": "depends", "tests": [test | {"verdict": found} for test in marked["tests"]]}
        assert [line["id"] for line in verdicts_of(decided | {"claims": lines}).surprises] == shown


def test_verdicts_that_no_claim_has_are_not_counted_out(decided):
    counts = {"holds": 3, "does not hold": 0, "depends": 1, "inconclusive": 0, "by construction": 0}
    found = verdicts_of(decided | {"claims": decided["claims"][:4], "counts": counts})
    assert found.summary == "Verdicts on 4 claims: 3 hold and 1 depends on how it is asked."


def test_nothing_of_a_claim_is_taken_for_markup(decided):
    evil = json.loads(json.dumps(decided))
    for claim in evil["claims"]:
        claim |= dict.fromkeys(("id", "text", "sentence", "setting", "why", "reason", "threshold", "of"), EVIL)
        claim["tests"] = [test | {"name": EVIL} for test in claim["tests"]]
    evil["sources"] = dict.fromkeys(evil["sources"], EVIL)
    html = page(evil)
    assert html.count("<script") == page(decided).count("<script") and "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_without_claims_the_page_has_no_table_of_them():
    assert 'id="claims"' not in render([report_study(cell("gd"))], [])


def test_infinite_and_missing_numbers_are_written(decided):
    claim = dict(decided["claims"][0])
    for effect, interval, words in ((None, None, "–"), ("infinite", [1.0, "infinite"], "∞ [1,\xa0∞]")):
        changed = claim | {"effect": effect, "interval": interval}
        assert verdicts_of(decided | {"claims": [changed]}).lines[0]["effect"] == words


def test_a_broken_file_is_told(tmp_path):
    path = tmp_path / "claims.json"
    with pytest.raises(UserError, match="cannot be read"):
        read_verdicts(path)
    for content in ("{", "[]", '{"sources": {}}'):
        path.write_text(content)
        with pytest.raises(UserError, match="is no list of verdicts"):
            read_verdicts(path)


def test_the_index_in_the_docs_names_every_claim_and_its_tables():
    text = (ROOT / "docs" / "claims.md").read_text()
    for claim in LEDGER.claims:
        (line,) = re.findall(rf"^\| {claim.id} \|.*$", text, re.MULTILINE)
        assert claim.text in line
        for path in decide_all(replace(LEDGER, claims=(claim,)), Evidence(Path("nowhere")))["claims"][0]["tables"]:
            name = Path(path).stem if "/measure/" in path else Path(path).parent.name
            assert f"`{name}`" in line
