"""What a comparison found, in words and as JSON."""

import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pipeline.contrib.baseline.compare import OPEN, ROUNDING, Change, Comparison
from pipeline.contrib.baseline.parts import Number
from pipeline.contrib.baseline.text import jsonable
from pipeline.lab import formats

#: Entries of one kind that are told one by one; the JSON has them all.
LONGEST = 20


def told(comparison: Comparison, baseline: str) -> str:
    """Tell a comparison to people.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    baseline : str
        The baseline's name.

    Returns
    -------
    str
        Several lines of text: what changed, what moved, what stayed, what could not be compared.
    """
    changed = len(comparison.changed)
    verdict = f"{formats.count(changed, 'conclusion')} changed" if changed else "no conclusion changed"
    parts = [
        [f"Beside {baseline}, {verdict}."],
        _section("Made with", [f"{key}: {then}, now {now}" for key, (then, now) in comparison.made_with.items()])
        or ["The machine and the packages are the same."],
        _section("Conclusions that changed", _sentences(comparison.changed)),
        _section("Numbers that moved and changed no conclusion", _sentences(comparison.moved)),
        _section("In all", [_count_words(part, outcomes) for part, outcomes in comparison.counts.items()]),
        _section("Not compared", _cut(comparison.missing)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def as_json(comparison: Comparison, baseline: str) -> dict[str, Any]:
    """The whole comparison, with the sentences, as JSON can hold it."""
    entries = {
        part: [{**asdict(change), "sentence": sentence(change)} for change in getattr(comparison, part)]
        for part in ("changed", "moved")
    }
    facts = asdict(comparison)
    found: dict[str, Any] = jsonable({"version": 1, "baseline": baseline, "rounding": ROUNDING, **facts, **entries})
    return found


def sentence(change: Change) -> str:
    """One change with its numbers."""
    if change.kind in ("verdict", "decided"):
        return _verdict_sentence(change)
    if change.kind == "status":
        return f"{change.subject}: {_statuses(change.was)}, now {_statuses(change.now)}"
    if change.kind == "loss":
        was, now = (_with_range(found, formats.loss) for found in (change.was, change.now))
        return f"{change.subject}: median final loss {was}, now {now}{_percent(change.was[0], change.now[0])}"
    was, now = (_with_range(found, formats.number) for found in (change.was, change.now))
    other = "; it was on the other side of one" if change.kind == "order" else ""
    return f"{change.subject}: {was}, now {now}{other}"


def _verdict_sentence(change: Change) -> str:
    how = {"decided": "can be decided now"}.get(change.kind, "no longer decided" if change.now == OPEN else "reversed")
    numbers = "; ".join(_detail(was, now) for was, now in change.details)
    return f"{change.subject} Was “{change.was}”, is “{change.now}” ({how}). {numbers}".rstrip()


def _detail(was: Number, now: Number) -> str:
    then, today = (_with_range([x.value, x.low, x.high], formats.number) for x in (was, now))
    rule = f" (the rule asks for {now.rule}: {was.verdict}, now {now.verdict})" if now.rule else ""
    return f"{now.name}: {then}, now {today}{rule}"


def _with_range(found: list[float | None], write: Any) -> str:
    value, low, high = found
    if low == high:
        return str(write(value))
    return f"{write(value)} [{write(low)}, {write(high)}]"


def _percent(was: float | None, now: float | None) -> str:
    if was is None or now is None or was <= 0 or not math.isfinite(was) or not math.isfinite(now):
        return ""
    return f" ({100 * abs(now / was - 1):.2g} % {'more' if now > was else 'less'})"


def _statuses(statuses: dict[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in statuses.items())


def _count_words(part: str, outcomes: Any) -> str:
    return f"{part}: " + ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.items())


def _sentences(changes: Iterable[Change]) -> list[str]:
    """The sentences, kind by kind, so that many of one do not hide another."""
    by_kind: dict[str, list[str]] = {}
    for change in changes:
        by_kind.setdefault(change.kind, []).append(sentence(change))
    return [line for lines in by_kind.values() for line in _cut(lines)]


def _cut(lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    rest = len(lines) - LONGEST
    return lines if rest <= 0 else [*lines[:LONGEST], f"and {rest:,} more: the JSON has them all"]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  - {line}" for line in lines)] if lines else []
