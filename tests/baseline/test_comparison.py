"""What counts as a changed conclusion, what as a number that moved, and what stays as it was."""

import math

import pytest

from pipeline.contrib.baseline.compare import LONGEST, ROUNDING, compare, outcome, report

RATIO = {"part": "ratio", "name": "b 100 over b 1", "value": 0.8, "low": 0.7, "high": 0.9, "n": 20, "of": "seeds"}
CLAIM = {"part": "verdict", "name": "A1", "text": "Minibatches are faster.", "state": "holds", "n": 20, "twin": False}
NUMBER = RATIO | {"part": "number", "name": "A1: b 100 over b 1", "state": "holds", "rule": "below 1"}
CELL = {"part": "loss", "name": "textbook, sgd, airfoil", "text": "textbook, sgd", "steps": 300, "state": "20 ok"}
CELL |= {"value": 0.25, "low": 0.24, "high": 0.26, "n": 20, "of": "runs", "digest": "aa"}


def made_of(*rows, **facts):
    """A baseline of some rows, made on a machine of which only the facts given are known."""
    return {"made_with": facts, "rows": list(rows)}


def between(was, now):
    """Compare two lists of rows, or two rows."""
    return compare(*(made_of(*(rows if isinstance(rows, list) else [rows])) for rows in (was, now)))


def lines(was, now):
    return report(between(was, now), "old.json")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, "bit for bit"),
        ({"digest": "bb", "value": 0.25 * (1 + 0.9 * ROUNDING)}, "within rounding"),
        ({"digest": "bb", "value": 0.25 * (1 - 1.1 * ROUNDING)}, "within the seeds' spread"),
        ({"digest": "bb", "value": 0.26, "high": 0.27}, "within the seeds' spread"),
        ({"digest": "bb", "value": 0.2601, "high": 0.27}, "beyond the seeds' spread"),
        # as far as the old seeds reached, and yet none of the new ones is where the old median was
        ({"digest": "bb", "value": 0.259, "low": 0.2501, "high": 0.27}, "beyond the seeds' spread"),
        ({"digest": "bb", "state": "19 ok, 1 diverged"}, "other statuses"),
        ({"digest": "bb", "value": None, "low": None, "high": None}, "within rounding"),
        ({"digest": "bb", "value": math.inf, "high": math.inf}, "beyond the seeds' spread"),
    ],
)
def test_a_final_loss_is_the_same_or_differs_by_rounding_within_its_seeds_or_beyond(now, expected):
    assert outcome("loss", CELL, CELL | now) == expected
    found = between(CELL, CELL | now)
    assert len(found["changed"]) == (expected in ("beyond the seeds' spread", "other statuses"))
    assert len(found["moved"]) == (expected == "within the seeds' spread")
    assert found["counts"] == {"final losses": {expected: 1}}


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("holds", "holds", ""),
        ("holds", "does not hold", "Was “holds”, is “does not hold” (reversed)."),
        ("does not hold", "inconclusive", "Was “does not hold”, is “inconclusive” (no longer decided)."),
        ("inconclusive", "holds", "Was “inconclusive”, is “holds” (can be decided now)."),
    ],
)
def test_a_verdict_stays_turns_is_lost_or_is_found(was, now, words):
    found = between(CLAIM | {"state": was}, CLAIM | {"state": now})
    assert bool(found["changed"]) == ("reversed" in words or "no longer" in words)
    assert bool(found["moved"]) == ("can be decided" in words)
    assert words in report(found, "old.json")


def test_a_changed_verdict_is_shown_with_the_numbers_that_changed_it():
    other = NUMBER | {"name": "A1: b 1 over b 1", "value": 1.0, "low": 1.0, "high": 1.0, "rule": "within 0 to 2"}
    slow = NUMBER | {"value": 1.8, "low": 1.7, "high": 1.9, "state": "does not hold"}
    text = lines([CLAIM, NUMBER, other], [CLAIM | {"state": "does not hold"}, slow, other])
    assert "Beside old.json, 1 conclusion changed." in text
    assert "A1: Minibatches are faster. Was “holds”, is “does not hold” (reversed). b 100 over b 1: 0.800" in text
    assert "[0.700, 0.900], now 1.80 [1.70, 1.90] (the rule asks for below 1: holds, now does not hold)" in text
    assert "b 1 over b 1" not in text
    assert "Numbers that moved" not in text, "the number stands with its verdict"


def test_a_number_that_moved_under_the_same_verdict_changes_no_conclusion():
    found = between([CLAIM, NUMBER], [CLAIM, NUMBER | {"value": 0.5, "low": 0.4, "high": 0.6}])
    assert not found["changed"] and [entry["name"] for entry in found["moved"]] == ["A1: b 100 over b 1"]
    assert found["counts"]["numbers behind the verdicts"] == {"beyond their spread": 1}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ((0.8, 0.7, 0.9), "within their spread"),
        ((0.95, 0.9, 0.99), "within their spread"),  # the two just meet
        ((0.95, 0.901, 0.99), "beyond their spread"),
        ((0.65, 0.6, 0.699), "beyond their spread"),
        ((0.95, 0.901, 1.0), "beyond their spread"),  # one is in the interval, so it is on neither side
        ((1.1, 1.001, 1.2), "on the other side of one"),
        ((None, None, None), "within their spread"),
    ],
)
def test_a_ratio_is_within_its_spread_beyond_it_or_on_the_other_side_of_one(now, expected):
    new = RATIO | dict(zip(("value", "low", "high"), now, strict=True))
    assert outcome("ratio", RATIO, new) == outcome("ratio", new, RATIO) == expected
    found = between(RATIO, new)
    assert bool(found["changed"]) == (expected == "on the other side of one")
    assert bool(found["moved"]) == (expected == "beyond their spread")
    assert ("it was on the other side of one" in report(found, "old.json")) == bool(found["changed"])


def test_exact_numbers_may_differ_by_rounding_and_no_more():
    exact = RATIO | dict.fromkeys(("value", "low", "high"), 2.0)
    for factor, expected in ((0.9, "within their spread"), (1.1, "beyond their spread")):
        other = RATIO | dict.fromkeys(("value", "low", "high"), 2.0 * (1 + factor * ROUNDING))
        assert outcome("ratio", exact, other) == outcome("ratio", other, exact) == expected


def test_what_cannot_be_compared_is_listed_with_the_reason_and_is_no_change():
    nothing = {"state": "inconclusive", "n": 0}
    for was, now, why in (
        (CLAIM, CLAIM | nothing, "claim A1: there are no data now"),
        (CLAIM | nothing, CLAIM, "claim A1: there are no data in the baseline"),
        (
            CLAIM,
            CLAIM | {"twin": True, "state": "does not hold"},
            "claim A1: one of the two was decided on the offline",
        ),
        (CELL, CELL | {"steps": 30, "digest": "bb"}, "cell textbook, sgd, airfoil: 300 steps in the baseline, now 30"),
        (CELL, [], "cell textbook, sgd, airfoil: only the baseline has it"),
        ([], RATIO, "ratio b 100 over b 1: the baseline does not have it"),
    ):
        found = between(was, now)
        assert (found["changed"], found["moved"], found["counts"]) == ([], [], {})
        assert len(found["missing"]) == 1 and found["missing"][0].startswith(why)
    without = between([CLAIM, NUMBER], [CLAIM | nothing, NUMBER | {"value": None, "low": None, "high": None}])
    assert without["counts"] == {}, "nor are the numbers of such a claim"


def test_other_machines_and_versions_are_named():
    found = compare(made_of(torch="2.12.0", numpy="2.4"), made_of(torch="2.13.0", numpy="2.4", CPU="another"))
    assert found["made_with"] == {"torch": ["2.12.0", "2.13.0"], "CPU": ["not known", "another"]}
    assert "torch: 2.12.0, now 2.13.0" in report(found, "old.json")
    assert "are the same" in report(compare(made_of(torch="2"), made_of(torch="2")), "old.json")


def test_many_changes_of_one_kind_do_not_hide_those_of_another():
    cells = [CELL | {"name": f"{i}", "text": f"textbook, cell {i}"} for i in range(LONGEST + 5)]
    broken = [cell | {"digest": "bb", "value": 0.5, "low": 0.4, "high": 0.6} for cell in cells]
    found = between([*cells, CELL], [*broken, CELL | {"digest": "bb", "state": "3 ok, 17 diverged"}])
    text = report(found, "old.json")
    assert f"{LONGEST + 6} conclusions changed" in text and len(found["changed"]) == LONGEST + 6
    assert "and 5 more" in text and "cell 24" not in text
    assert "textbook, cell 0: median final loss 0.25000 [0.24000, 0.26000], now 0.50000 [0.40000, 0.60000]" in text
    assert "textbook, sgd: 20 ok, now 3 ok, 17 diverged" in text


def test_a_change_of_a_loss_is_given_in_per_cent_where_both_are_finite():
    assert "0.25500 [0.24000, 0.26000] (2 % more)" in lines(CELL, CELL | {"digest": "bb", "value": 0.255})
    assert "(0.005 % less)" in lines(CELL, CELL | {"digest": "bb", "value": 0.25 * (1 - 5e-5)})
    gone = CELL | {"value": math.inf, "high": math.inf, "digest": "bb"}
    for was, now in ((CELL, gone), (gone, CELL)):
        assert "%" not in lines(was, now)
