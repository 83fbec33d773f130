"""The page of every claim: source, words, rules, numbers, what would change the verdict, and its history."""

import json
import re
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.claims.decide import DEPENDS, FAILS, GIVEN, HOLDS, OPEN, decide_all
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.contrib.ledger_page import history, main, page, repeated

LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
PAGE = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def decided():
    return decide_all(LEDGER, Evidence(Path("nowhere")))


def claim(**more):
    at = {"at": {"cell": "a"}, "verdict": HOLDS, "effect": 2.0, "interval": [1.5, "infinite"], "n": 1200, "of": "seeds"}
    test = {"name": "ratio", "threshold": "above 1", "needed": 0, "points": [at]}
    words = {"id": "X1", "text": "It is so.", "verdict": HOLDS, "stored": "", "source": "me", "setting": "here"}
    words |= {
        "why": "because",
        "rests_on": "seeds",
        "tables": ["results/s/runs.parquet"],
        "reason": "",
        "tests": [test],
    }
    return words | more


def test_a_claim_has_its_source_its_numbers_and_its_history():
    text = page(claim(), {"me": "A study of mine"}, ["abc1234 (2026-11-27)"])
    assert text.startswith("## X1: It is so.\n\n**Holds**. What would change it: a number whose")
    for line in (
        "- Source: A study of mine",
        "- Changed by: abc1234 (2026-11-27)",
        "- Rests on: seeds; results/s/runs.parquet",
    ):
        assert line in text
    assert "| ratio, cell a | 2 [1.5, ∞] | 1,200 seeds | above 1 | holds |" in text.replace("1.50", "1.5")


def test_a_claim_says_in_how_many_whole_runs_it_had_which_verdict():
    repeats = {"runs": 11, "machine": "a processor, 2 cores", "date": "2026-11-27", "claims": {"X1": {"holds": 10}}}
    said = repeated("X1", repeats)
    assert said == "holds in 10 of 11 whole runs, a processor, 2 cores, 2026-11-27"
    assert f"- Repeated: {said}" in page(claim(), {"me": "A study of mine"}, [], said)
    assert repeated("X2", repeats) == "" and "Repeated" not in page(claim(), {"me": "A study of mine"}, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verdict": FAILS}, "**Does not hold**. What would change it: a number whose whole interval satisfies"),
        ({"verdict": DEPENDS}, "**Depends**. What would change it: the same outcome"),
        ({"verdict": GIVEN, "tests": []}, "**By construction**. What would change it: nothing"),
        ({"verdict": OPEN, "reason": "no data: make it"}, "**Inconclusive**. No data: make it."),
        ({"stored": "2026-11-27"}, "**Holds**, decided on 2026-11-27."),
    ],
)
def test_every_outcome_says_what_would_change_it(changes, words):
    assert words in page(claim(**changes), {"me": ""}, [])


def test_an_open_claim_says_how_much_would_decide():
    open_ = claim(verdict=OPEN)
    open_["tests"][0]["needed"] = 604
    assert "**Inconclusive**. About n = 604 would decide." in page(open_, {"me": ""}, [])


def test_the_commits_that_changed_a_rule_are_found():
    found = history("A2")
    assert all(re.fullmatch(r"[0-9a-f]{7,} \(\d{4}-\d{2}-\d{2}\)", line) for line in found)
    if (ROOT / ".git").exists():
        assert found
    assert history("no such claim") == []


def test_the_page_in_the_docs_has_every_claim_with_its_words_and_rules(decided):
    headings = re.findall(r"^## (\w+): (.*)$", PAGE, re.MULTILINE)
    assert headings == [(claim.id, claim.text) for claim in LEDGER.claims]
    for claim in LEDGER.claims:
        own = PAGE.split(f"## {claim.id}: ")[1].split("\n## ")[0]
        assert claim.why in own and claim.setting in own
        for test in claim.tests:
            for at in test.points:
                words = "".join(f", {name} {value}" for name, value in at.items())
                assert re.search(
                    rf"^\| {re.escape(test.name + words)} \| .* \| {test.rule.words} \|", own, re.MULTILINE
                )
    assert all(why in PAGE for why in LEDGER.remarks.values())


def test_the_command_writes_the_page(tmp_path, decided):
    (tmp_path / "claims.json").write_text(json.dumps(decided), encoding="utf-8")
    main([str(tmp_path / "ledger.md"), "--claims", str(tmp_path / "claims.json")])
    text = (tmp_path / "ledger.md").read_text(encoding="utf-8")
    assert all(f"## {claim.id}: {claim.text}" in text for claim in LEDGER.claims)
