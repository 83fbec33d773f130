"""Every claim gets both verdicts from tables on both sides of its threshold, and none without tables."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from omegaconf import OmegaConf

from pipeline.claims.decide import DEPENDS, FAILS, GIVEN, HOLDS, OPEN, VERDICTS, decide, decide_all, find, judge
from pipeline.claims.effect import Effect
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import Rule, parse_ledger, read_ledger
from pipeline.claims.statistics import BASES, CLOCK, CONSTRUCTION, SEEDS, THEORY, statistics
from pipeline.lab.errors import UserError

from .sides import SIDES
from .synthetic import MAKERS, loading_row, measurement, run_rows, study

LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")
CONTENT = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "claims.yaml"))
TESTS = [
    pytest.param(claim, test, *SIDES[claim.id][i], id=f"{claim.id}-{i}")
    for claim in LEDGER.claims
    for i, test in enumerate(claim.tests)
]
NOWHERE = Path("nowhere")
every_test = pytest.mark.parametrize(("claim", "test", "holding", "failing"), TESTS)


def decided_at(claim, test, value):
    """The claim, by this one of its tests, with tables from which its statistic has a value; both ends of its cases."""
    found = []
    for at in test.points[:: max(1, len(test.points) - 1)]:
        one = replace(test, arguments={**test.arguments, **at}, vary={}, exists=False)
        alone = replace(claim, tests=(one,), by_construction=False, machine="")
        found.append(decide(alone, MAKERS[test.statistic](one.arguments, value)))
    (verdict,) = {decided["verdict"] for decided in found}
    return found[0] | {"verdict": verdict}


def turned_round(rule):
    """Rules that someone who mixed up a side would have written."""
    if rule.kind == "within":
        return [Rule("above", rule.limits[-1:]), Rule("below", rule.limits[:1])]
    return [Rule({"above": "below", "below": "above"}[rule.kind], rule.limits)]


def test_the_ledger_has_every_claim():
    assert [claim.id for claim in LEDGER.claims] == list(SIDES)
    found = {re.match(r"[A-Z]\d+", name)[0] for name in (*SIDES, *LEDGER.remarks)}
    # H2 and H4 said again what A9 and A13b say; A22 and A23 were questions: H7 and H8 answer them.
    expected = {f"A{i}" for i in range(1, 22)} | {f"B{i}" for i in range(1, 6)} | {f"F{i}" for i in range(1, 8)}
    assert found == expected | {"H1", "H3", "H5", "H6", "H7", "H8"}
    assert set(LEDGER.sources) == {claim.source for claim in LEDGER.claims}
    assert set(MAKERS) == set(statistics()) == {test.statistic for claim in LEDGER.claims for test in claim.tests}


def test_every_test_has_values_on_both_sides():
    assert {claim.id: len(claim.tests) for claim in LEDGER.claims} == {name: len(own) for name, own in SIDES.items()}
    assert all(failing for own in SIDES.values() for _, failing in own)


@every_test
def test_both_verdicts_come_out_of_tables_on_both_sides(claim, test, holding, failing):
    for value, verdict in [(holding, HOLDS), *((value, FAILS) for value in failing)]:
        decided = decided_at(claim, test, value)
        assert decided["effect"] == pytest.approx(value, rel=1e-6, abs=1e-9), decided["sentence"]
        assert decided["verdict"] == verdict, decided["sentence"]
        assert decided["n"] > 0 and decided["tables"] and not decided["reason"]


@every_test
def test_a_rule_that_is_turned_round_would_be_caught(claim, test, holding, failing):
    for rule in turned_round(test.rule):
        wrong = replace(test, rule=rule)
        assert decided_at(claim, wrong, holding)["verdict"] == FAILS
        if test.rule.kind != "within":
            assert {decided_at(claim, wrong, value)["verdict"] for value in failing} == {HOLDS}


@every_test
def test_an_edit_of_the_threshold_changes_the_decision(claim, test, holding, failing):
    other = {"above": Rule("above", (holding + 1,)), "below": Rule("below", (holding - 1,))}
    rule = other.get(test.rule.kind, Rule("within", (holding + 1, holding + 2)))
    assert decided_at(claim, replace(test, rule=rule), holding)["verdict"] == FAILS


@pytest.mark.parametrize("claim", LEDGER.claims, ids=lambda claim: claim.id)
def test_without_tables_a_claim_is_inconclusive_and_says_what_to_make(claim):
    decided = decide(claim, Evidence(NOWHERE))
    if not claim.tests:
        assert decided["verdict"] == GIVEN and claim.by_construction and not decided["tables"]
        return
    assert decided["verdict"] == OPEN and decided["effect"] is None and decided["n"] == 0
    assert "no data: " in decided["reason"] and "make nowhere/" in decided["reason"]


def test_one_failed_test_is_enough_and_an_open_one_leaves_it_open():
    claim = next(claim for claim in LEDGER.claims if claim.id == "H5")
    start, updates = (
        MAKERS[test.statistic](test.arguments, value) for test, value in zip(claim.tests, (0.5, 1), strict=True)
    )
    both = study("textbook", run_rows("concise", lr=1, initial_loss=1.5) + run_rows("minibatch 10", lr=2))
    decided = decide(claim, both)
    assert decided["verdict"] == FAILS and decided["effect"] == 1.0 and decided["interval"] == [1.0, 1.0]
    assert [test["verdict"] for test in decided["tests"]] == [HOLDS, FAILS]
    unknown = study(
        "textbook", run_rows("concise", lr=1, initial_loss=1.5, steps=None) + run_rows("minibatch 10", lr=2)
    )
    assert decide(claim, unknown)["verdict"] == OPEN
    assert decide(claim, start)["verdict"] == FAILS and decide(claim, updates)["verdict"] == FAILS


def gap(**more):
    return parse_ledger(
        {
            "sources": {"me": "mine"},
            "claims": [
                {"id": "X1", "source": "me", "text": "t", "setting": "s", "why": "w", **more}
                | {"tests": [{"name": "ratio", "statistic": "run_ratio"} | test for test in more["tests"]]}
            ],
        }
    ).claims[0]


CELLS = study("s", sum((run_rows(name, lr=lr, final_loss=lr) for name, lr in (("a", 1), ("b", 2), ("c", 4))), []))
AGAINST = {"arguments": {"study": "s", "over": "b", "column": "final_loss"}, "rule": {"below": 1}}


def test_a_claim_that_runs_have_decided_in_more_than_one_way_depends_on_the_machine_whatever_this_run_found():
    for cell in ("a", "c"):
        decided = decide(gap(tests=[AGAINST | {"vary": {"cell": [cell]}}], machine="two runs differed"), CELLS)
        assert decided["verdict"] == DEPENDS and decided["reason"] == "this machine: two runs differed"
        assert decided["tests"][0]["verdict"] == (HOLDS if cell == "a" else FAILS), "its tests say what was found"
    missing = decide(gap(tests=[AGAINST | {"vary": {"cell": ["z"]}}], machine="two runs differed"), CELLS)
    assert missing["verdict"] == OPEN and "no data" in missing["reason"]


def test_a_claim_that_holds_in_some_cases_and_not_in_others_depends_and_says_where():
    decided = decide(gap(tests=[AGAINST | {"vary": {"cell": ["a", "c"]}}]), CELLS)
    assert decided["verdict"] == DEPENDS
    assert decided["reason"] == "holds at cell a, does not hold at cell c"
    assert decided["effect"] == 0.5 and "it depends: holds at cell a" in decided["sentence"]
    assert [(point["at"], point["verdict"]) for point in decided["tests"][0]["points"]] == [
        ({"cell": "a"}, HOLDS),
        ({"cell": "c"}, FAILS),
    ]


def test_the_boundary_is_told_for_each_choice_of_what_varies_slowest():
    vary = {"cell": ["a", "b", "c"], "column": ["final_loss", "steps"]}
    test = {"arguments": {"study": "s", "over": "b"}, "rule": {"within": [0.9, 1.5]}, "vary": vary}
    finding = find(gap(tests=[test]).tests[0], CELLS)
    assert finding.boundary == (
        "column final_loss: does not hold at cell a, holds at cell b, does not hold at cell c; "
        "column steps: holds at cell a to c"
    )


@pytest.mark.parametrize(
    ("cells", "exists", "verdict"),
    [
        (["a", "a"], False, HOLDS),
        (["c"], False, FAILS),
        (["a", "d"], False, OPEN),
        (["c", "d"], False, OPEN),
        (["a", "c", "d"], False, DEPENDS),
        (["c", "a"], True, HOLDS),
        (["a", "d"], True, HOLDS),
        (["c", "b"], True, FAILS),
        (["c", "d"], True, OPEN),
    ],
)
def test_what_can_be_takes_one_case_and_what_is_takes_all(cells, exists, verdict):
    decided = decide(gap(tests=[AGAINST | {"vary": {"cell": cells}, "exists": exists}]), CELLS)
    assert decided["verdict"] == verdict
    assert decided["tests"][0]["points"][0]["at"] == {"cell": cells[0]}


def test_what_cannot_be_otherwise_is_not_counted_and_fails_where_the_lab_breaks_it():
    for below, verdict in ((1, GIVEN), (0.1, FAILS)):
        test = AGAINST | {"vary": {"cell": ["a"]}, "rule": {"below": below}}
        ledger = replace(LEDGER, claims=(gap(tests=[test], by_construction=True),))
        decided = decide_all(ledger, CELLS)
        assert decided["counts"] == {name: int(name == verdict) for name in decided["counts"]}
        assert decided["remarks"] == dict(LEDGER.remarks)


def test_an_open_test_says_how_many_seeds_would_decide():
    """The interval of a mean shrinks with the root: with that many, half of its width is the way to the rule."""
    rng = np.random.default_rng(1)
    values = 1 + rng.normal(0, 1, 50)
    values += 1.1 - values.mean()
    rows = run_rows("a", lr=1, seeds=range(50)) + run_rows("b", lr=2, seeds=range(50), final_loss=0.0)
    rows = [row | {"final_loss": values[row["seed"]] if row["lr"] == 1 else 0.0} for row in rows]
    test = {"name": "d", "statistic": "run_difference", "arguments": {"study": "s", "cell": "a", "minus": "b"}}
    ledger = {
        "id": "X1",
        "source": "me",
        "text": "",
        "setting": "",
        "why": "",
        "tests": [test | {"rule": {"above": 1}}],
    }
    (claim,) = parse_ledger({"sources": {"me": ""}, "claims": [ledger]}).claims
    decided = decide(claim, study("s", rows))
    assert decided["verdict"] == OPEN
    needed = decided["tests"][0]["needed"]
    assert needed == pytest.approx((1.96 * values.std() / 0.1) ** 2, rel=0.2)
    assert f"about {needed:,} seeds would decide" in decided["sentence"]


def test_a_stored_verdict_stands_in_for_a_missing_table_while_the_rules_are_the_same():
    ledger = replace(LEDGER, claims=(gap(tests=[AGAINST | {"vary": {"cell": ["a"]}}]),))
    stored = {"date": "2026-11-27", "claims": decide_all(ledger, CELLS)["claims"]}
    for rule, date in ((1, "2026-11-27"), (0.9, "")):
        test = AGAINST | {"vary": {"cell": ["a"]}, "rule": {"below": rule}}
        changed = replace(LEDGER, claims=(gap(tests=[test]),))
        (decided,) = decide_all(changed, Evidence(NOWHERE), stored=stored)["claims"]
        assert decided["stored"] == date and (decided["verdict"] == HOLDS) == bool(date)
        (now,) = decide_all(changed, CELLS, stored=stored)["claims"]
        assert now["stored"] == "" and now["verdict"] == HOLDS


@pytest.mark.parametrize(
    ("low", "high", "rule", "verdict"),
    [
        (1.1, 2, Rule("above", (1,)), HOLDS),
        (0.9, 2, Rule("above", (1,)), OPEN),
        (0.1, 1, Rule("above", (1,)), FAILS),
        (0.1, 0.9, Rule("below", (1,)), HOLDS),
        (1, 2, Rule("below", (1,)), FAILS),
        (0, 1, Rule("within", (0, 1)), HOLDS),
        (0.5, 1.1, Rule("within", (0, 1)), OPEN),
        (1.1, 1.2, Rule("within", (0, 1)), FAILS),
        (float("nan"), 2, Rule("above", (1,)), OPEN),
        (2, float("inf"), Rule("above", (1,)), HOLDS),
    ],
)
def test_the_whole_interval_decides(low, high, rule, verdict):
    assert judge(Effect(low, low, high, 5), rule) == verdict


def test_the_offline_twin_is_flagged():
    claim = next(claim for claim in LEDGER.claims if claim.id == "H1")
    assert decide(claim, study("textbook", run_rows("gd, 100 epochs", data="airfoil_twin")))["offline_twin"]
    assert not decide(claim, study("textbook", run_rows("gd, 100 epochs")))["offline_twin"]
    claim = next(claim for claim in LEDGER.claims if claim.id == "B4")
    row = loading_row("load_share", 0.5, 32, "DataLoader")
    assert decide(claim, measurement("loading", [row], twin=True))["offline_twin"]


def test_counts_and_order_without_any_table():
    decided = decide_all(LEDGER, Evidence(NOWHERE))
    given = sum(not claim.tests for claim in LEDGER.claims)
    expected = dict.fromkeys(VERDICTS, 0) | {OPEN: len(LEDGER.claims) - given, GIVEN: given}
    assert decided["counts"] == expected
    assert [claim["id"] for claim in decided["claims"]] == [claim.id for claim in LEDGER.claims]


def broken(**changes):
    content = copy.deepcopy(CONTENT)
    content["claims"][0] |= changes
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sources": {}}, "claims.yaml.claims is missing"),
        (broken(verdict="holds"), "claims[0].verdict is not allowed"),
        (broken(text=3), "claims[0].text=3 is not allowed: it must be text"),
        (broken(source="X"), "claim A1a: source=X is not allowed"),
        (broken(id="A2"), "id=A2 is not allowed: 2 claims have it"),
        (broken(tests=[]), "at least one test"),
    ],
)
def test_mistakes_in_the_ledger_are_told(content, words):
    with pytest.raises(UserError) as error:
        parse_ledger(content)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"statistic": "run_ratoi"}, "did you mean run_ratio?"),
        ({"arguments": {"study": "s"}}, "missing a required argument: 'cell'"),
        ({"rule": {"over": 1}}, "rule=over is not allowed"),
        ({"rule": {"above": 1, "below": 2}}, "it must have one of above, below, within"),
        ({"rule": {"within": [1]}}, "it must be 2 numbers"),
        ({"rule": {"within": [2, 1]}}, "the lower limit comes first"),
        ({"rule": {"above": "much"}}, "above=much is not allowed"),
        ({"vary": {"cell": []}}, "vary.cell=[] is not allowed: it must have one value or more"),
        ({"vary": {"cell": "a"}}, "vary.cell='a' is not allowed: it must be a list"),
        ({"vary": {"cells": ["a"]}}, "got an unexpected keyword argument 'cells'"),
        ({"exists": "yes"}, "exists='yes' is not allowed: it must be true or false"),
    ],
)
def test_mistakes_in_a_test_are_told(changes, words):
    rule = {"name": "n", "statistic": "run_ratio", "rule": {"above": 1}}
    rule |= {"arguments": {"study": "s", "cell": "a", "over": "b", "column": "steps"}}
    with pytest.raises(UserError) as error:
        parse_ledger(broken(tests=[rule | changes]))
    assert words in str(error.value) and "claim A1a" in str(error.value)


def test_every_verdict_says_what_it_rests_on_the_least_repeatable_first():
    claims = {claim["id"]: claim for claim in decide_all(LEDGER, Evidence(NOWHERE))["claims"]}
    assert {claim["rests_on"] for claim in claims.values()} <= set(BASES)
    expected = {"A1a": CLOCK, "A1b": CONSTRUCTION, "A4": CLOCK, "A5": SEEDS, "A7": CONSTRUCTION, "A9": CLOCK}
    expected |= {"A15": SEEDS, "A16a": CLOCK, "B2": CONSTRUCTION, "B4": CLOCK, "F1": SEEDS, "F7": THEORY, "H1": SEEDS}
    expected |= {"H3": CLOCK, "H5": SEEDS}
    assert {name: claims[name]["rests_on"] for name in expected} == expected
    assert [test["rests_on"] for test in claims["H5"]["tests"]] == [SEEDS, CONSTRUCTION]
    assert [test["rests_on"] for test in claims["F1"]["tests"]] == [SEEDS, SEEDS, THEORY]
