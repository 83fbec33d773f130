"""Decide claims: from effects and rules to verdicts, with their numbers in words."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.claims.effect import Effect
from pipeline.claims.evidence import TWIN_OF, Evidence, NoData, NotApplicable
from pipeline.claims.ledger import Claim, Ledger, Rule, Test
from pipeline.claims.statistics import BASES
from pipeline.lab import formats
from pipeline.parts.base import TWIN_NAME

HOLDS, FAILS, OPEN = "holds", "does not hold", "inconclusive"
VERDICTS = (HOLDS, FAILS, OPEN)


@dataclass(frozen=True)
class Finding:
    """The result of one test.

    Parameters
    ----------
    test : Test
        The test.
    verdict : str
        One of :data:`VERDICTS`.
    effect : Effect or None
        None where there were no data.
    reason : str
        Why there is no verdict; empty where there is one.
    """

    test: Test
    verdict: str
    effect: Effect | None
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The numbers and the rule as a sentence."""
        if self.effect is None:
            return f"{_capital(self.test.name)}: {self.reason}."
        number = f"{number_words(self.effect.value)} {interval_words(self.effect)}"
        rule = f"the rule asks for {self.test.rule.words}"
        close = {HOLDS: "it is", FAILS: "it is not", OPEN: self.reason or "the interval is on both sides"}[self.verdict]
        return f"{_capital(self.test.name)}: {number}; {rule}, and {close}."


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
    """Compute a test's effect and judge it; without data it is inconclusive, and says what is missing."""
    try:
        effect = test.effect(evidence)
    except NoData as error:
        return Finding(test, OPEN, None, str(error))
    verdict = judge(effect, test.rule)
    undefined = verdict == OPEN and any(math.isnan(x) for x in (effect.value, effect.low, effect.high))
    return Finding(test, verdict, effect, "too few runs arrive for an interval" if undefined else "")


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
        ``id``, ``text``, ``source``, ``setting``, ``why``, ``verdict``, ``reason`` (why it is inconclusive),
        ``sentence``, ``rests_on`` (of the tests' :data:`pipeline.claims.statistics.BASES` the first in that order),
        ``tables``, ``data`` (the data sets that these are of), ``offline_twin``, ``tests`` (all of them), and
        ``effect``, ``interval``, ``n``, ``threshold`` of the test that decided: the first that failed, else the first
        that is open, else the first.

    Raises
    ------
    NotApplicable
        If the tables are of other data than the claim.
    """
    evidence = evidence.about(claim.data)
    findings = [find(test, evidence) for test in claim.tests]
    verdict = next((v for v in (FAILS, OPEN) if any(f.verdict == v for f in findings)), HOLDS)
    deciding = next(finding for finding in findings if finding.verdict == verdict)
    facts = _facts(deciding)
    return {
        "id": claim.id,
        "text": claim.text,
        "source": claim.source,
        "setting": claim.setting,
        "why": claim.why,
        "verdict": verdict,
        "reason": (deciding.reason or "the interval is on both sides of the threshold") if verdict == OPEN else "",
        **{name: facts[name] for name in ("effect", "interval", "n", "of", "threshold")},
        "sentence": " ".join(finding.sentence for finding in findings),
        "rests_on": min((test.rests_on for test in claim.tests), key=BASES.index),
        "tables": sorted(evidence.used),
        "data": sorted(set(filter(None, evidence.used.values()))),
        "offline_twin": evidence.offline_twin,
        "tests": [_facts(finding) for finding in findings],
    }


def decide_all(ledger: Ledger, evidence: Evidence, data: str | None = None) -> dict[str, Any]:
    """Decide every claim.

    Parameters
    ----------
    ledger : Ledger
        The claims.
    evidence : Evidence
        The tables.
    data : str, optional
        The data set that the results are of. Claims about another, and those that miss a table, are then left out.

    Returns
    -------
    dict
        ``version``, ``sources``, ``counts`` of the verdicts, ``claims`` in the order of the ledger, and
        ``not_applicable``: ``id``, ``text`` and ``reason`` of claims about other data than the results are of.
    """
    claims, others = [], []
    about = TWIN_OF if data == TWIN_NAME else data
    for claim in ledger.claims:
        if data is not None and claim.data not in ("", about):
            continue
        try:
            decided = decide(claim, evidence)
            if data is None or all(test["interval"] is not None for test in decided["tests"]):
                claims.append(decided)
        except NotApplicable as reason:
            others.append({"id": claim.id, "text": claim.text, "reason": str(reason)})
    counts = {verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS}
    sources = dict(ledger.sources)
    return {"version": 1, "sources": sources, "counts": counts, "claims": claims, "not_applicable": others}


def _facts(finding: Finding) -> dict[str, Any]:
    effect = None if finding.effect is None else asdict(finding.effect)
    numbers = {key: _json(effect[key]) if effect else None for key in ("value", "low", "high")}
    return {
        "name": finding.test.name,
        "statistic": finding.test.statistic,
        "verdict": finding.verdict,
        "effect": numbers["value"],
        "interval": None if effect is None else [numbers["low"], numbers["high"]],
        "n": 0 if effect is None else effect["n"],
        "of": "" if effect is None else effect["of"],
        "threshold": finding.test.rule.words,
        "rests_on": finding.test.rests_on,
        "sentence": finding.sentence,
    }


def _json(value: float) -> float | str | None:
    """JSON has neither NaN nor infinity."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("infinite" if value > 0 else "-infinite")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
