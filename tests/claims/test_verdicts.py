"""Every claim gets both verdicts from tables on both sides of its threshold, and none without tables."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from omegaconf import OmegaConf

from pipeline.claims.decide import FAILS, HOLDS, OPEN, decide, decide_all, judge
from pipeline.claims.effect import Effect
from pipeline.claims.evidence import Evidence
from pipeline.claims.ledger import Rule, parse_ledger, read_ledger
from pipeline.claims.statistics import BASES, CLOCK, CONSTRUCTION, SEEDS, THEORY, statistics
from pipeline.lab.errors import UserError

from .sides import SIDES
from .synthetic import MAKERS, measurement, run_rows, study

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
    """The claim, by this one of its tests, with tables from which its statistic has a value."""
    return decide(replace(claim, tests=(test,)), MAKERS[test.statistic](test.arguments, value))


def turned_round(rule):
    """Rules that someone who mixed up a side would have written."""
    if rule.kind == "within":
        return [Rule("above", rule.limits[-1:]), Rule("below", rule.limits[:1])]
    return [Rule({"above": "below", "below": "above"}[rule.kind], rule.limits)]


def test_the_ledger_has_every_claim():
    expected = [f"A{i}" for i in range(1, 24)] + [f"B{i}" for i in range(1, 6)]
    expected += [f"F{i}" for i in range(1, 8)] + [f"H{i}" for i in range(1, 6)]
    assert [claim.id for claim in LEDGER.claims] == expected
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
    assert decided["verdict"] == OPEN and decided["effect"] is None and decided["n"] == 0
    assert "no data: " in decided["reason"] and "make nowhere/" in decided["reason"]


def test_one_failed_test_is_enough_and_an_open_one_leaves_it_open():
    claim = next(claim for claim in LEDGER.claims if claim.id == "A13")
    rows = [
        run_rows(label, lr=lr, seconds_per_epoch=s)
        for label, lr, s in (("sgd", 1, 9.0), ("minibatch 100", 2, 2.0), ("gd", 3, 1.0))
    ]
    decided = decide(claim, study("textbook", sum(rows, [])))
    assert decided["verdict"] == FAILS and decided["effect"] == 2.0 and decided["interval"] == [2.0, 2.0]
    assert [test["verdict"] for test in decided["tests"]] == [HOLDS, FAILS]
    assert decide(claim, study("textbook", rows[0] + rows[1]))["verdict"] == OPEN


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
    claim = next(claim for claim in LEDGER.claims if claim.id == "A12")
    rows = run_rows("sgd", lr=1, data="airfoil_twin") + run_rows("gd", lr=2)
    assert decide(claim, study("textbook", rows))["offline_twin"]
    assert not decide(claim, study("textbook", run_rows("sgd", lr=1) + run_rows("gd", lr=2)))["offline_twin"]
    claim = next(claim for claim in LEDGER.claims if claim.id == "B4")
    row = {**claim.tests[0].arguments["row"], "repeats": 9}
    row |= {"load_share": 0.5, "load_share_q25": 0.4, "load_share_q75": 0.6}
    assert decide(claim, measurement("loading", [row], twin=True))["offline_twin"]


def test_counts_and_order_without_any_table():
    decided = decide_all(LEDGER, Evidence(NOWHERE))
    assert decided["counts"] == {HOLDS: 0, FAILS: 0, OPEN: len(LEDGER.claims)}
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
        (broken(source="X"), "claim A1: source=X is not allowed"),
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
    ],
)
def test_mistakes_in_a_test_are_told(changes, words):
    rule = {"name": "n", "statistic": "run_ratio", "rule": {"above": 1}}
    rule |= {"arguments": {"study": "s", "cell": "a", "over": "b", "column": "steps"}}
    with pytest.raises(UserError) as error:
        parse_ledger(broken(tests=[rule | changes]))
    assert words in str(error.value) and "claim A1" in str(error.value)


def test_every_verdict_says_what_it_rests_on_the_least_repeatable_first():
    claims = {claim["id"]: claim for claim in decide_all(LEDGER, Evidence(NOWHERE))["claims"]}
    assert {claim["rests_on"] for claim in claims.values()} <= set(BASES)
    expected = {
        "A1": CLOCK,
        "A4": CLOCK,
        "A5": SEEDS,
        "A7": CONSTRUCTION,
        "A15": SEEDS,
        "A16": CLOCK,
        "B2": CONSTRUCTION,
    }
    expected |= {"A20": CLOCK, "F1": SEEDS, "F7": THEORY, "H1": SEEDS, "H3": CLOCK, "H5": SEEDS}
    assert {name: claims[name]["rests_on"] for name in expected} == expected
    assert [test["rests_on"] for test in claims["A1"]["tests"]] == [CONSTRUCTION, CLOCK]
    assert [test["rests_on"] for test in claims["A20"]["tests"]] == [SEEDS, CLOCK]
