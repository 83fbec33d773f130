"""What counts as a changed conclusion, what as a number that moved, and what is left as it was."""

import math
from dataclasses import replace

import pytest

from pipeline.contrib.baseline.compare import (
    BEYOND,
    ROUNDING,
    WITHIN,
    compare,
    loss_change,
    ratio_change,
    verdict_change,
)
from pipeline.contrib.baseline.parts import Baseline, Loss, Number, Verdict
from pipeline.contrib.baseline.words import LONGEST, as_json, told

RATIO = Number("b 100 over b 1", 0.8, 0.7, 0.9, 20, "seeds", "holds", "below 1")
CLAIM = Verdict("A1", "holds", "Minibatches are faster.", (RATIO,))
CELL = Loss("textbook", "sgd-b1-lr0p1-0", "sgd", "airfoil", {"ok": 20}, 0.25, 0.24, 0.26, "aa")


def made_of(*, verdicts=(), ratios=(), losses=(), **facts):
    """A baseline of some parts, on a machine of which only the facts given are known."""
    return Baseline(facts, {}, tuple(verdicts), tuple(ratios), tuple(losses))


def between(was, now):
    """Compare two claims, cells or ratios."""
    part = {Verdict: "verdicts", Loss: "losses", Number: "ratios"}[type(was)]
    return compare(made_of(**{part: [was]}), made_of(**{part: [now]}))


# -- final losses


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, "bit for bit"),
        ({"digest": "bb", "median": 0.25 * (1 + 0.9 * ROUNDING)}, "within rounding"),
        ({"digest": "bb", "median": 0.25 * (1 - 0.9 * ROUNDING)}, "within rounding"),
        ({"digest": "bb", "median": 0.25 * (1 + 1.1 * ROUNDING)}, "within the spread over the seeds"),
        ({"digest": "bb", "median": 0.25 * (1 - 1.1 * ROUNDING)}, "within the spread over the seeds"),
        ({"digest": "bb", "median": 0.26, "high": 0.27}, "within the spread over the seeds"),
        ({"digest": "bb", "median": 0.2601, "high": 0.27}, "beyond the spread"),
        ({"digest": "bb", "median": 0.24, "low": 0.23}, "within the spread over the seeds"),
        ({"digest": "bb", "median": 0.2399, "low": 0.23}, "beyond the spread"),
        # as far as the old seeds reached, and yet none of the new ones is where the old median was
        ({"digest": "bb", "median": 0.259, "low": 0.2501, "high": 0.27}, "beyond the spread"),
        ({"digest": "bb", "statuses": {"ok": 19, "diverged": 1}}, "other statuses"),
        ({"digest": "bb", "median": None, "low": None, "high": None}, "within rounding"),
    ],
)
def test_a_final_loss_is_the_same_or_differs_by_rounding_within_its_seeds_or_beyond(now, expected):
    assert loss_change(CELL, replace(CELL, **now)) == expected


def test_an_infinite_median_stays_infinite_and_a_finite_one_does_not_turn_into_it_unseen():
    gone = replace(CELL, median=math.inf, high=math.inf, digest="bb")
    assert loss_change(gone, replace(gone, digest="cc")) == "within rounding"
    assert loss_change(CELL, gone) == "beyond the spread"


@pytest.mark.parametrize(
    ("now", "changed", "moved"),
    [
        ({}, 0, 0),
        ({"digest": "bb"}, 0, 0),
        ({"digest": "bb", "median": 0.251}, 0, 1),
        ({"digest": "bb", "median": 0.5, "low": 0.4, "high": 0.6}, 1, 0),
        ({"digest": "bb", "statuses": {"diverged": 20}}, 1, 0),
    ],
)
def test_only_a_loss_beyond_its_seeds_and_another_status_change_a_conclusion(now, changed, moved):
    found = between(CELL, replace(CELL, **now))
    assert (len(found.changed), len(found.moved)) == (changed, moved)
    assert sum(found.counts["final losses"].values()) == 1


# -- verdicts


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ("holds", "holds", "same"),
        ("inconclusive", "inconclusive", "same"),
        ("holds", "does not hold", "reversed"),
        ("does not hold", "holds", "reversed"),
        ("holds", "inconclusive", "lost"),
        ("does not hold", "inconclusive", "lost"),
        ("inconclusive", "holds", "decided"),
        ("inconclusive", "does not hold", "decided"),
    ],
)
def test_a_verdict_stays_turns_is_lost_or_is_found(was, now, expected):
    assert verdict_change(was, now) == expected
    found = between(replace(CLAIM, verdict=was), replace(CLAIM, verdict=now))
    assert bool(found.changed) == (expected in ("reversed", "lost"))
    assert bool(found.moved) == (expected == "decided")


def test_a_changed_verdict_is_told_with_the_numbers_that_changed_it():
    other = Number("b 1 over b 1", 1.0, 1.0, 1.0, 20, "seeds", "holds", "within 0 to 2")
    slow = Number("b 100 over b 1", 1.8, 1.7, 1.9, 20, "seeds", "does not hold", "below 1")
    was = replace(CLAIM, tests=(RATIO, other))
    text = told(between(was, replace(CLAIM, verdict="does not hold", tests=(slow, other))), "old.json")
    assert "Beside old.json, 1 conclusion changed." in text
    assert "A1: Minibatches are faster. Was “holds”, is “does not hold” (reversed)." in text
    assert "b 100 over b 1: 0.800 [0.700, 0.900], now 1.80 [1.70, 1.90] (the rule asks for below 1" in text
    assert "b 1 over b 1" not in text


def test_a_number_that_moved_under_the_same_verdict_changes_no_conclusion():
    found = between(CLAIM, replace(CLAIM, tests=(replace(RATIO, value=0.5, low=0.4, high=0.6),)))
    assert found.changed == ()
    assert [change.kind for change in found.moved] == ["number"]
    assert found.counts["numbers behind the verdicts"] == {BEYOND: 1}


def test_a_claim_without_data_on_one_side_is_not_compared():
    nothing = replace(CLAIM, verdict="inconclusive", tests=(replace(RATIO, value=None, low=None, high=None, n=0),))
    for was, now, where in ((CLAIM, nothing, "now"), (nothing, CLAIM, "in the baseline")):
        found = between(was, now)
        assert (found.changed, found.moved, found.compared) == ((), (), 0)
        assert found.missing == (f"claim A1: there are no data {where}",)


def test_what_was_decided_on_the_offline_twin_is_not_held_against_the_real_data():
    found = between(CLAIM, replace(CLAIM, verdict="does not hold", offline_twin=True))
    assert (found.changed, found.compared) == ((), 0)
    found = between(CELL, replace(CELL, data="airfoil_twin", digest="bb", statuses={"diverged": 20}))
    assert (found.changed, found.compared) == ((), 0)
    assert len(found.missing) == 2


# -- ratios


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ((0.8, 0.7, 0.9), WITHIN),
        ((0.95, 0.9, 0.99), WITHIN),  # the two just meet
        ((0.95, 0.901, 0.99), BEYOND),
        ((0.65, 0.6, 0.7), WITHIN),
        ((0.65, 0.6, 0.699), BEYOND),
        ((0.95, 0.901, 1.0), BEYOND),  # one is in the interval, so it is on neither side
        ((1.1, 1.001, 1.2), "on the other side of one"),
    ],
)
def test_a_ratio_is_within_its_spread_beyond_it_or_on_the_other_side_of_one(now, expected):
    value, low, high = now
    new = replace(RATIO, value=value, low=low, high=high)
    assert ratio_change(RATIO, new) == expected
    assert ratio_change(new, RATIO) == expected
    found = between(RATIO, new)
    assert bool(found.changed) == (expected == "on the other side of one")
    assert bool(found.moved) == (expected == BEYOND)


def test_exact_numbers_may_differ_by_rounding_and_no_more():
    exact = replace(RATIO, value=2.0, low=2.0, high=2.0)
    for factor, expected in ((1 + 0.9 * ROUNDING, WITHIN), (1 + 1.1 * ROUNDING, BEYOND)):
        other = replace(RATIO, value=2.0 * factor, low=2.0 * factor, high=2.0 * factor)
        assert ratio_change(exact, other) == ratio_change(other, exact) == expected


def test_a_ratio_of_which_nothing_is_known_says_nothing():
    assert ratio_change(RATIO, replace(RATIO, value=None, low=None, high=None)) == WITHIN


# -- what is told


def test_what_only_one_of_the_two_has_is_listed_and_is_no_change():
    found = compare(made_of(verdicts=[CLAIM], losses=[CELL]), made_of(ratios=[RATIO]))
    assert found.changed == ()
    assert found.missing == (
        "claim A1: only the baseline has it",
        "cell textbook, sgd-b1-lr0p1-0, airfoil: only the baseline has it",
        "ratio b 100 over b 1: the baseline does not have it",
    )


def test_other_machines_and_versions_are_named():
    found = compare(made_of(torch="2.12.0", numpy="2.4"), made_of(torch="2.13.0", numpy="2.4", CPU="another"))
    assert found.made_with == {"torch": ("2.12.0", "2.13.0"), "CPU": ("not known", "another")}
    assert "torch: 2.12.0, now 2.13.0" in told(found, "old.json")
    assert "are the same" in told(compare(made_of(torch="2"), made_of(torch="2")), "old.json")


def test_many_changes_of_one_kind_do_not_hide_those_of_another():
    cells = [replace(CELL, id=str(i), label=f"cell {i}") for i in range(LONGEST + 5)]
    broken = [replace(cell, digest="bb", median=0.5, low=0.4, high=0.6) for cell in cells]
    was = made_of(losses=[*cells, CELL])
    now = made_of(losses=[*broken, replace(CELL, digest="bb", statuses={"ok": 3, "diverged": 17})])
    text = told(compare(was, now), "old.json")
    assert f"{LONGEST + 6} conclusions changed" in text
    assert "and 5 more" in text
    assert "cell 24" not in text
    assert "textbook, cell 0: median final loss 0.25000 [0.24000, 0.26000], now 0.50000 [0.40000, 0.60000]" in text
    assert "textbook, sgd: 20 ok, now 3 ok, 17 diverged" in text
    assert len(as_json(compare(was, now), "old.json")["changed"]) == LONGEST + 6


def test_a_small_change_of_a_loss_is_told_in_per_cent():
    found = between(CELL, replace(CELL, digest="bb", median=0.255))
    assert "0.25500 [0.24000, 0.26000] (2 % more)" in told(found, "old.json")
    found = between(CELL, replace(CELL, digest="bb", median=0.25 * (1 - 5e-5)))
    assert "(0.005 % less)" in told(found, "old.json")


def test_a_ratio_that_turned_is_told_as_such_and_one_that_moved_is_not():
    turned = told(between(RATIO, replace(RATIO, value=1.5, low=1.2, high=1.8)), "old.json")
    assert "1 conclusion changed" in turned
    assert "b 100 over b 1: 0.800 [0.700, 0.900], now 1.50 [1.20, 1.80]; it was on the other side of one" in turned
    moved = told(between(RATIO, replace(RATIO, value=0.5, low=0.5, high=0.5)), "old.json")
    assert "no conclusion changed" in moved
    assert "b 100 over b 1: 0.800 [0.700, 0.900], now 0.500\n" in moved


def test_a_verdict_that_was_lost_is_told_apart_from_one_that_turned():
    text = told(between(CLAIM, replace(CLAIM, verdict="inconclusive")), "old.json")
    assert "Was “holds”, is “inconclusive” (no longer decided)." in text
    text = told(between(replace(CLAIM, verdict="inconclusive"), CLAIM), "old.json")
    assert "Was “inconclusive”, is “holds” (can be decided now)." in text


def test_no_share_is_told_of_a_loss_that_was_or_is_infinite():
    gone = replace(CELL, median=math.inf, high=math.inf, digest="bb")
    for was, now in ((CELL, gone), (gone, CELL)):
        assert "%" not in told(between(was, now), "old.json")
