"""``python -m pipeline.contrib.referee``: what takes long is decided, and stored with its date."""

import json
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.claims import decide
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import read_ledger
from pipeline.contrib.referee import STUDIES, main
from pipeline.lab.config import load_study

LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
STORED = json.loads((ROOT / "conf" / "referee.json").read_text(encoding="utf-8"))


def about_studies():
    """The claims that name one of the studies."""
    named = {
        claim.id: [{**test.arguments, **at} for test in claim.tests for at in test.points] for claim in LEDGER.claims
    }
    return {name for name, own in named.items() if any(one.get("study") in STUDIES for one in own)}


def test_tables_that_were_not_made_are_named_and_nothing_is_written(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(tmp_path), "--out", str(tmp_path / "referee.json")])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "contenders/runs.parquet" in said and "run snakemake referee" in said
    assert list(tmp_path.iterdir()) == []


def test_what_was_decided_is_stored_with_the_day_and_read_back(tmp_path, monkeypatch, capsys):
    """The decisions are those that are stored now: a real run takes two minutes."""
    claims = {"claims": STORED["claims"] + [{"id": "A1a", "tables": ["results/measure/memory.parquet"], "tests": []}]}
    monkeypatch.setattr(decide, "decide_all", lambda ledger, evidence: claims)
    main(["--results", str(tmp_path), "--out", str(tmp_path / "referee.json")])
    found = json.loads((tmp_path / "referee.json").read_text(encoding="utf-8"))
    assert found["claims"] == STORED["claims"] and len(found["date"]) == len("2026-11-27")
    assert "F6 does not hold" in capsys.readouterr().out
    twin = [claim | {"offline_twin": True} for claim in STORED["claims"]]
    monkeypatch.setattr(decide, "decide_all", lambda ledger, evidence: {"claims": twin})
    with pytest.raises(SystemExit):
        main(["--results", str(tmp_path), "--out", str(tmp_path / "twin.json")])
    assert "offline twin" in capsys.readouterr().err and not (tmp_path / "twin.json").exists()


def test_what_is_stored_is_of_the_rules_as_they_are():
    assert {claim["id"] for claim in STORED["claims"]} == about_studies()
    decided = decide.decide_all(LEDGER, Evidence(Path("nowhere")), stored=STORED)
    assert {claim["id"] for claim in decided["claims"] if claim["stored"]} == about_studies()
    assert all(load_study(name).config.opt_in for name in STUDIES)


@pytest.mark.parametrize(("data", "shown"), [(None, True), ("airfoil", True), ("airfoil_twin", True), ("mine", False)])
def test_what_is_stored_is_said_of_the_data_it_was_decided_on_and_of_no_other(data, shown):
    decided = decide.decide_all(LEDGER, Evidence(Path("nowhere")), data, STORED)
    assert {claim["id"] for claim in decided["claims"] if claim["stored"]} == (about_studies() if shown else set())
