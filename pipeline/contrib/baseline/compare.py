"""One baseline beside another: which conclusions changed, which numbers moved, and what stayed."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.contrib.baseline.parts import Baseline, Loss, Number, Verdict

#: Relative difference of two final losses that rounding explains: as far as the engines may differ.
ROUNDING = 1e-5

OPEN = "inconclusive"
WITHIN, BEYOND = "within their spread", "beyond their spread"


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was.

    Parameters
    ----------
    kind : str
        What sort of change: see :class:`Comparison`.
    subject : str
        The claim, cell or ratio.
    was, now : object
        The two, as JSON can hold them.
    details : tuple of (Number, Number)
        The numbers behind a claim's verdict, then and now.
    """

    kind: str
    subject: str
    was: Any
    now: Any
    details: tuple[tuple[Number, Number], ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What became of a baseline.

    Parameters
    ----------
    changed : tuple of Change
        Conclusions that can no longer be stated. Kinds: ``verdict`` (reversed, or no longer decided), ``status`` (other
        numbers of runs diverged), ``loss`` (a median beyond rounding and beyond the spread over the seeds), ``order``
        (a ratio of timings that lies on the other side of one).
    moved : tuple of Change
        Numbers that changed no conclusion. Kinds: ``decided`` (a claim that was open), ``number`` and ``ratio`` (the
        intervals do not meet), ``loss within the seeds' spread``.
    counts : dict
        What was compared, part by part, to how it came out.
    missing : tuple of str
        What only one of the two has, or where one has no data.
    made_with : dict
        Fact of the machine or package to (then, now), where they differ.
    """

    changed: tuple[Change, ...]
    moved: tuple[Change, ...]
    counts: Mapping[str, Mapping[str, int]]
    missing: tuple[str, ...]
    made_with: Mapping[str, tuple[str, str]]

    @property
    def compared(self) -> int:
        """How many verdicts, losses and ratios were compared."""
        return sum(sum(part.values()) for part in self.counts.values())


@dataclass
class _Tally:
    changed: list[Change] = field(default_factory=list)
    moved: list[Change] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def count(self, part: str, outcome: str) -> None:
        """Count one more outcome of a part."""
        self.counts.setdefault(part, Counter())[outcome] += 1


def compare(was: Baseline, now: Baseline) -> Comparison:
    """Set a baseline beside what the results come to now.

    Parameters
    ----------
    was, now : Baseline
        Then and now.

    Returns
    -------
    Comparison
    """
    tally = _Tally()
    _compare_verdicts(was.verdicts, now.verdicts, tally)
    _compare_losses(was.losses, now.losses, tally)
    _compare_ratios(was.ratios, now.ratios, tally)
    facts_was, facts_now = ({**made.machine, **made.packages} for made in (was, now))
    made_with = {
        key: (facts_was.get(key, "not known"), facts_now.get(key, "not known"))
        for key in {**facts_was, **facts_now}
        if facts_was.get(key) != facts_now.get(key)
    }
    counts = {part: dict(outcomes) for part, outcomes in tally.counts.items()}
    return Comparison(tuple(tally.changed), tuple(tally.moved), counts, tuple(tally.missing), made_with)


# -- verdicts


def verdict_change(was: str, now: str) -> str:
    """Name what became of a verdict.

    Returns
    -------
    str
        ``same``; ``reversed``; ``lost``, where it was decided and is inconclusive; ``decided``, where it was not.

    Examples
    --------
    >>> verdict_change("holds", "does not hold"), verdict_change("holds", "inconclusive")
    ('reversed', 'lost')
    """
    if was == now:
        return "same"
    return "decided" if was == OPEN else "lost" if now == OPEN else "reversed"


def _compare_verdicts(was: Iterable[Verdict], now: Iterable[Verdict], tally: _Tally) -> None:
    then, today = ({verdict.id: verdict for verdict in found} for found in (was, now))
    tally.missing += _only_one(then, today, "claim")
    for key in (key for key in then if key in today):
        old, new = then[key], today[key]
        if not (old.has_data and new.has_data):
            tally.missing.append(f"claim {key}: there are no data {'now' if old.has_data else 'in the baseline'}")
            continue
        if old.offline_twin != new.offline_twin:
            tally.missing.append(f"claim {key}: one of the two was decided on the offline twin of the data")
            continue
        change = verdict_change(old.verdict, new.verdict)
        tally.count("verdicts", change)
        pairs = _pairs(old, new)
        if change != "same":
            kept = tuple(pair for pair in pairs if pair[0].verdict != pair[1].verdict) or pairs
            entry = Change(
                "decided" if change == "decided" else "verdict", f"{key}: {new.text}", old.verdict, new.verdict, kept
            )
            (tally.moved if change == "decided" else tally.changed).append(entry)
        for a, b in pairs:
            beyond = beyond_spread(a, b)
            tally.count("numbers behind the verdicts", BEYOND if beyond else WITHIN)
            if beyond and change == "same":
                tally.moved.append(Change("number", f"{key}: {b.name}", _interval(a), _interval(b), ((a, b),)))


def _pairs(old: Verdict, new: Verdict) -> tuple[tuple[Number, Number], ...]:
    """The numbers that both have, by what they are of."""
    names = {test.name: test for test in old.tests}
    return tuple((names[test.name], test) for test in new.tests if test.name in names)


def beyond_spread(a: Number, b: Number) -> bool:
    """Whether two intervals do not meet; by more than rounding, where they have no width."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    if a.low <= b.high and b.low <= a.high:
        return False
    return not (within_rounding(a.high, b.low) or within_rounding(a.low, b.high))


# -- losses


def within_rounding(a: float, b: float) -> bool:
    """Whether two numbers differ by no more than :data:`ROUNDING` of the larger.

    Examples
    --------
    >>> within_rounding(1.0, 1.000009), within_rounding(1.0, 1.00002)
    (True, False)
    """
    return math.isclose(a, b, rel_tol=ROUNDING)


def loss_change(was: Loss, now: Loss) -> str:
    """Name what became of a cell's final losses.

    Returns
    -------
    str
        ``bit for bit``; ``other statuses``, where not as many runs as before are ok, diverged or in error;
        ``within rounding``; ``within the spread over the seeds``, where each median lies in the other's range;
        ``beyond the spread``.
    """
    if was.digest == now.digest:
        return "bit for bit"
    if dict(was.statuses) != dict(now.statuses):
        return "other statuses"
    if was.median is None or now.median is None or within_rounding(was.median, now.median):
        return "within rounding"
    ranges = ((was, now.median), (now, was.median))
    inside = all(loss.low is not None and loss.high is not None and loss.low <= x <= loss.high for loss, x in ranges)
    return "within the spread over the seeds" if inside else "beyond the spread"


def _compare_losses(was: Iterable[Loss], now: Iterable[Loss], tally: _Tally) -> None:
    then, today = ({loss.key: loss for loss in found} for found in (was, now))
    tally.missing += _only_one(then, today, "cell")
    for key in (key for key in then if key in today):
        old, new = then[key], today[key]
        change = loss_change(old, new)
        tally.count("final losses", change)
        subject = f"{new.study}, {new.label}"
        if change == "other statuses":
            tally.changed.append(Change("status", subject, dict(old.statuses), dict(new.statuses)))
        elif change == "beyond the spread":
            tally.changed.append(Change("loss", subject, _range(old), _range(new)))
        elif change == "within the spread over the seeds":
            tally.moved.append(Change("loss", subject, _range(old), _range(new)))


# -- ratios


def side(ratio: Number) -> str:
    """On which side of one a ratio lies: ``below``, ``above``, or ``about`` where the interval has one in it.

    Examples
    --------
    >>> side(Number("", 0.8, 0.7, 0.9)), side(Number("", 0.98, 0.9, 1.1))
    ('below', 'about')
    """
    if ratio.low is None or ratio.high is None:
        return "about"
    return "above" if ratio.low > 1 else "below" if ratio.high < 1 else "about"


def ratio_change(was: Number, now: Number) -> str:
    """Name what became of a ratio: within or beyond its spread, or beyond it and on the other side of one."""
    if {side(was), side(now)} == {"above", "below"}:
        return "on the other side of one"
    return BEYOND if beyond_spread(was, now) else WITHIN


def _compare_ratios(was: Iterable[Number], now: Iterable[Number], tally: _Tally) -> None:
    then, today = ({ratio.name: ratio for ratio in found} for found in (was, now))
    tally.missing += _only_one(then, today, "ratio")
    for key in (key for key in then if key in today):
        old, new = then[key], today[key]
        change = ratio_change(old, new)
        tally.count("ratios", change)
        if change != WITHIN:
            kind, found = ("ratio", tally.moved) if change == BEYOND else ("order", tally.changed)
            found.append(Change(kind, key, _interval(old), _interval(new), ((old, new),)))


# -- in common


def _only_one(then: Mapping[Any, Any], today: Mapping[Any, Any], noun: str) -> list[str]:
    gone = [f"{noun} {_key(key)}: only the baseline has it" for key in then if key not in today]
    new = [f"{noun} {_key(key)}: the baseline does not have it" for key in today if key not in then]
    return gone + new


def _key(key: Any) -> str:
    return ", ".join(key) if isinstance(key, tuple) else str(key)


def _interval(number: Number) -> list[float | None]:
    return [number.value, number.low, number.high]


def _range(loss: Loss) -> list[float | None]:
    return [loss.median, loss.low, loss.high]
