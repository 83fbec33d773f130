"""The report shows every verdict as text and sign, escaped, with links that lead somewhere."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from tables_for_tests import cell
from tables_for_tests import study as report_study

from pipeline.claims.decide import decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.lab.errors import UserError
from pipeline.report.page import render
from pipeline.report.verdicts import read_verdicts, verdicts_of

from .synthetic import run_rows, study

LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def decided():
    rows = run_rows("gd", lr=1) + run_rows("sgd", lr=2, seconds_per_epoch=9.0)
    rows += run_rows("minibatch 100", lr=3, seconds_per_epoch=2.0, data="airfoil_twin")
    return decide_all(LEDGER, Evidence(Path("nowhere"), study("textbook", rows).studies))


def page(decided):
    return render([report_study(cell("gd"))], [], verdicts_of(decided))


@pytest.mark.slow
def test_every_claim_has_its_line_with_verdict_sign_and_link(decided):
    html = page(decided)
    for claim in LEDGER.claims:
        assert f'<th scope="row">{claim.id}</th>' in html
    text = re.sub(r"<[^>]+>", "", html)
    for said in ("✓ holds", "✗ does not hold", "? inconclusive", "Claims and verdicts", "Verdicts on 40 claims: "):
        assert said in text
    targets = set(re.findall(r'href="#([^"]+)"', html))
    assert targets <= set(re.findall(r'id="([^"]+)"', html))
    assert "OFFLINE TWIN" in html
    assert "The verdict rests on this machine&#39;s clock." in html and "The verdict rests on seeds." in html
    assert "without a verdict" not in html
    other = decided | {"not_applicable": [{"id": "A7", "text": "", "reason": ""}]}
    assert "About other data than these, and so without a verdict: A7." in page(other)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))


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
