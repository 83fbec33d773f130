"""Decide claims: from effects and rules to verdicts, with their numbers in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pipeline.claims.effect import Effect
from pipeline.claims.evidence import TWIN_OF, Evidence, NoData, NotApplicable
from pipeline.claims.ledger import Claim, Ledger, Rule, Test
from pipeline.claims.statistics import BASES, CONSTRUCTION
from pipeline.lab import formats
from pipeline.parts.base import TWIN_NAME

HOLDS, FAILS, DEPENDS, OPEN = "holds", "does not hold", "depends", "inconclusive"
#: Of a claim that cannot be otherwise.
GIVEN = "by construction"
VERDICTS = (HOLDS, FAILS, DEPENDS, OPEN, GIVEN)


@dataclass(frozen=True)
class Point:
    """The result of a test at one choice of what it varies.

    Parameters
    ----------
    at : mapping
        The choice; empty where nothing varies.
    verdict : str
        ``holds``, ``does not hold`` or ``inconclusive``.
    effect : Effect or None
        None where there were no data.
    reason : str
        Why there is no verdict; empty where there is one.
    """

    at: Mapping[str, Any]
    verdict: str
    effect: Effect | None
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """The result of a test over all that it varies.

    Parameters
    ----------
    test : Test
        The test.
    points : list of Point
        In the order of :attr:`Test.points`.
    """

    test: Test
    points: list[Point]

    @property
    def verdict(self) -> str:
        """That of all points; ``depends`` where it holds at some and not at others, if one is not enough."""
        found = {point.verdict for point in self.points}
        if len(found) == 1 or (self.test.exists and HOLDS in found):
            return HOLDS if HOLDS in found else self.points[0].verdict
        return DEPENDS if {HOLDS, FAILS} <= found else OPEN

    @property
    def deciding(self) -> Point:
        """The first point of that verdict; the first of all where it depends."""
        return next((point for point in self.points if point.verdict == self.verdict), self.points[0])

    @property
    def needed(self) -> int:
        """How large a sample would decide about, if intervals shrink with its root; 0 where that is not known."""
        effect = self.deciding.effect
        if self.verdict != OPEN or effect is None:
            return 0
        to_rule = min(abs(effect.value - limit) for limit in self.test.rule.limits)
        share = max(effect.value - effect.low, effect.high - effect.value) / to_rule if to_rule else math.inf
        return math.ceil(effect.n * share**2) if math.isfinite(share) else 0

    @property
    def boundary(self) -> str:
        """Where it holds and where not, in words; empty where nothing varies.

        Examples
        --------
        ``loader slices: does not hold at target 0.25 to 0.3; loader DataLoader: holds at target 0.25 to 0.3``
        """
        first, *others = self.points[0].at or [""]
        parts = []
        for rest, own in groupby(self.points, key=lambda point: [f"{name} {point.at[name]}" for name in others]):
            runs = [(verdict, [one.at.get(first) for one in run]) for verdict, run in groupby(own, lambda x: x.verdict)]
            ends = ((verdict, dict.fromkeys((values[0], values[-1]))) for verdict, values in runs)
            spans = [f"{verdict} at {first} {' to '.join(map(str, values))}" for verdict, values in ends]
            parts.append(": ".join([*rest, ", ".join(spans)]))
        return "; ".join(parts) if first else ""

    @property
    def reason(self) -> str:
        """Why it is open, or on what it depends; empty where it is neither."""
        open_ = self.deciding.reason or "the interval is on both sides of the threshold"
        return {OPEN: open_, DEPENDS: self.boundary}.get(self.verdict, "")

    @property
    def sentence(self) -> str:
        """The numbers and the rule as a sentence."""
        one = self.deciding
        name = self.test.name[:1].upper() + self.test.name[1:]
        at = "".join(f", {key} {value}" for key, value in one.at.items())
        if one.effect is None:
            return f"{name}{at}: {one.reason}."
        number = f"{number_words(one.effect.value)} {interval_words(one.effect)}"
        rule = f"the rule asks for {self.test.rule.words}"
        close = {HOLDS: "it is", FAILS: "it is not", DEPENDS: f"it depends: {self.boundary}"}
        more = f" (about {self.needed:,} {one.effect.of} would decide)" if self.needed else ""
        words = close.get(self.verdict, one.reason or f"the interval is on both sides{more}")
        return f"{name}{at}: {number}; {rule}, and {words}."


def interval_words(effect: Effect) -> str:
    """The interval and the size of the sample in brackets."""
    size = f"n = {effect.n:,} {effect.of}"
    if effect.low == effect.high == effect.value:
        return f"({'exact' if effect.of in ('rows', 'runs') else 'no spread'}, {size})"
    return f"[{number_words(effect.low)}, {number_words(effect.high)}] ({size})"


def number_words(value: float) -> str:
    """Write a number, near 1, where ratios are decided, with two more digits."""
    return formats.number(value, 5 if 0.95 < abs(value) < 1.05 and value != 1 else 3)


def judge(effect: Effect, rule: Rule) -> str:
    """Hold an effect against a rule.

    Parameters
    ----------
    effect : Effect
        With its 95 % interval.
    rule : Rule
        ``above``: strictly, ``below``: strictly, ``within``: the limits belong to it.

    Returns
    -------
    str
        ``holds`` if the whole interval satisfies the rule, ``does not hold`` if no point of it does, else
        ``inconclusive``; so too where a number is not defined.
    """
    low, high = effect.low, effect.high
    if any(math.isnan(number) for number in (effect.value, low, high)):
        return OPEN
    first, last = rule.limits[0], rule.limits[-1]
    if rule.kind == "above":
        passes, fails = low > first, high <= first
    elif rule.kind == "below":
        passes, fails = high < first, low >= first
    else:
        passes, fails = first <= low and high <= last, high < first or low > last
    return HOLDS if passes else FAILS if fails else OPEN


def find(test: Test, evidence: Evidence) -> Finding:
    """Compute a test's effects and judge them; without data it is inconclusive, and says what is missing."""
    return Finding(test, [_point(test, evidence, at) for at in test.points])


def _point(test: Test, evidence: Evidence, at: Mapping[str, Any]) -> Point:
    try:
        effect = test.effect(evidence, at)
    except NoData as error:
        return Point(at, OPEN, None, str(error))
    verdict = judge(effect, test.rule)
    undefined = verdict == OPEN and any(math.isnan(x) for x in (effect.value, effect.low, effect.high))
    return Point(at, verdict, effect, "too few runs arrive for an interval" if undefined else "")


def decide(claim: Claim, evidence: Evidence) -> dict[str, Any]:
    """Decide a claim.

    Parameters
    ----------
    claim : Claim
        As in the ledger.
    evidence : Evidence
        The tables.

    Returns
    -------
    dict
        ``id``, ``text``, ``source``, ``setting``, ``why``, ``verdict``, ``reason`` (why it is inconclusive, or on what
        it depends), ``sentence``, ``rests_on`` (of the tests' :data:`pipeline.claims.statistics.BASES` the first in
        that order), ``tables``, ``data`` (the data sets that these are of), ``offline_twin``, ``stored`` (the date,
        where it was not decided now), ``tests`` (all of them), and ``effect``, ``interval``, ``n``, ``threshold`` of
        the test that decided: the first that failed, else the first that depends, else the first that is open, else
        the first. A claim with a ``machine`` depends on that, whatever its tests found here.

    Raises
    ------
    NotApplicable
        If the tables are of other data than the claim.
    """
    evidence = evidence.about(claim.data)
    findings = [find(test, evidence) for test in claim.tests]
    verdict = next((v for v in (FAILS, DEPENDS, OPEN) if any(f.verdict == v for f in findings)), HOLDS)
    deciding = next((finding for finding in findings if finding.verdict == verdict), None)
    facts = _facts(deciding) if deciding else {**_numbers(None), "threshold": ""}
    reason = deciding.reason if deciding else ""
    if claim.machine and all(point.effect for finding in findings for point in finding.points):
        verdict, reason = DEPENDS, f"this machine: {claim.machine}"
    return {
        "id": claim.id,
        "text": claim.text,
        "source": claim.source,
        "setting": claim.setting,
        "why": claim.why,
        "verdict": GIVEN if claim.by_construction and verdict == HOLDS else verdict,
        "reason": reason,
        **{name: facts[name] for name in ("effect", "interval", "n", "of", "threshold")},
        "sentence": " ".join(finding.sentence for finding in findings),
        "rests_on": min((test.rests_on for test in claim.tests), key=BASES.index, default=CONSTRUCTION),
        "tables": sorted(evidence.used),
        "data": sorted(set(filter(None, evidence.used.values()))),
        "offline_twin": evidence.offline_twin,
        "stored": "",
        "tests": [_facts(finding) for finding in findings],
    }


def decide_all(
    ledger: Ledger, evidence: Evidence, data: str | None = None, stored: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Decide every claim.

    Parameters
    ----------
    ledger : Ledger
        The claims.
    evidence : Evidence
        The tables.
    data : str, optional
        The data set that the results are of. Claims about another, and those that miss a table, are then left out.
    stored : mapping, optional
        Verdicts that take long, as this function gave them, with a ``date``: they stand in where their table is not
        made, the rules are still the same and ``data`` are those that they are of.

    Returns
    -------
    dict
        ``version``, ``sources``, ``counts`` of the verdicts, ``claims`` in the order of the ledger,
        ``not_applicable``: ``id``, ``text`` and ``reason`` of claims about other data than the results are of, and the
        ledger's ``remarks``.
    """
    claims, others = [], []
    about = TWIN_OF if data == TWIN_NAME else data
    for claim in ledger.claims:
        if data is not None and claim.data not in ("", about):
            continue
        try:
            decided = _or_stored(decide(claim, evidence), stored or {}, about)
            # Without tests it is true of any data, and says nothing of these.
            if data is None or (decided["tests"] and all(test["interval"] for test in decided["tests"])):
                claims.append(decided)
        except NotApplicable as reason:
            others.append({"id": claim.id, "text": claim.text, "reason": str(reason)})
    counts = {verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS}
    return {
        "version": 2,
        "sources": dict(ledger.sources),
        "counts": counts,
        "claims": claims,
        "not_applicable": others,
        "remarks": dict(ledger.remarks),
    }


def _or_stored(decided: dict[str, Any], stored: Mapping[str, Any], about: str | None) -> dict[str, Any]:
    """The verdict, or the stored one where tables are missing, the rules have stayed and the data are the same."""
    old = next((claim for claim in stored.get("claims", ()) if claim["id"] == decided["id"]), None)
    missing = any(test["interval"] is None for test in decided["tests"])
    fits = old is not None and about in (None, *old["data"]) and _rules(old) == _rules(decided)
    return {**(old or {}), "stored": stored["date"]} if fits and missing else decided


def _rules(decided: Mapping[str, Any]) -> list[Any]:
    return [(test["name"], test["threshold"], [one["at"] for one in test["points"]]) for test in decided["tests"]]


def _facts(finding: Finding) -> dict[str, Any]:
    one = finding.deciding
    return {
        "name": finding.test.name,
        "statistic": finding.test.statistic,
        "verdict": finding.verdict,
        **_numbers(one.effect),
        "threshold": finding.test.rule.words,
        "rests_on": finding.test.rests_on,
        "sentence": finding.sentence,
        "needed": finding.needed,
        "boundary": finding.boundary,
        "points": [{"at": dict(p.at), "verdict": p.verdict, **_numbers(p.effect)} for p in finding.points],
    }


def _numbers(effect: Effect | None) -> dict[str, Any]:
    if effect is None:
        return {"effect": None, "interval": None, "n": 0, "of": ""}
    value, low, high = map(_json, (effect.value, effect.low, effect.high))
    return {"effect": value, "interval": [low, high], "n": effect.n, "of": effect.of}


def _json(value: float) -> float | str | None:
    """JSON has neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("infinite" if value > 0 else "-infinite")
