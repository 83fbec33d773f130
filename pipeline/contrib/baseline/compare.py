"""Join two baselines, row by row: which conclusions changed, which numbers moved, and what stayed."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.contrib.baseline.table import Row
from pipeline.lab import formats

#: Relative difference of two final losses that rounding explains: as far as the engines may differ.
ROUNDING = 1e-5
#: Entries of one outcome that are shown one by one; the JSON has them all.
LONGEST = 20
OPEN = "inconclusive"
#: Outcomes after which what the baseline states can no longer be stated.
CHANGED = ("reversed", "no longer decided", "other statuses", "beyond the seeds' spread", "on the other side of one")
#: Outcomes that change no conclusion, and are shown.
MOVED = ("can be decided now", "within the seeds' spread", "beyond their spread")
PARTS = {
    "verdict": "verdicts",
    "number": "numbers behind the verdicts",
    "loss": "final losses",
    "ratio": "ratios",
}


def outcome(part: str, was: Row, now: Row) -> str:
    """Name what became of a row.

    Parameters
    ----------
    part : str
        ``verdict``, ``number``, ``loss`` or ``ratio``.
    was, now : dict
        The row, then and now.

    Returns
    -------
    str
        One of :data:`CHANGED` or :data:`MOVED`, or how it stayed.

    Examples
    --------
    >>> outcome("verdict", {"state": "holds"}, {"state": "inconclusive"})
    'no longer decided'
    >>> outcome("ratio", {"low": 0.7, "high": 0.9}, {"low": 1.1, "high": 1.3})
    'on the other side of one'
    """
    if part == "verdict":
        if was["state"] == now["state"]:
            return "same"
        return MOVED[0] if was["state"] == OPEN else CHANGED[1] if now["state"] == OPEN else CHANGED[0]
    if part == "loss":
        if was["digest"] == now["digest"]:
            return "bit for bit"
        if was["state"] != now["state"]:
            return "other statuses"
        if was["value"] is None or now["value"] is None or _close(was["value"], now["value"]):
            return "within rounding"
        inside = was["low"] <= now["value"] <= was["high"] and now["low"] <= was["value"] <= now["high"]
        return "within the seeds' spread" if inside else "beyond the seeds' spread"
    if part == "ratio" and {_side(was), _side(now)} == {-1, 1}:
        return "on the other side of one"
    return "beyond their spread" if _apart(was, now) else "within their spread"


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=ROUNDING)


def _side(row: Row) -> int:
    """On which side of one an interval lies, below (-1) or above (1); 0 where it has one in it, or is not known."""
    low, high = row["low"], row["high"]
    return 0 if low is None or high is None else int(low > 1) - int(high < 1)


def _apart(a: Row, b: Row) -> bool:
    """Whether two intervals do not meet; by more than rounding, where they have no width."""
    if None in (a["low"], a["high"], b["low"], b["high"]) or (a["low"] <= b["high"] and b["low"] <= a["high"]):
        return False
    return not (_close(a["high"], b["low"]) or _close(a["low"], b["high"]))


def compare(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Set a baseline beside what the results come to now.

    Parameters
    ----------
    was, now : mapping
        As of :func:`pipeline.contrib.baseline.table.baseline_of`.

    Returns
    -------
    dict
        ``changed`` and ``moved`` (rows with ``part``, ``name``, ``outcome``, ``was``, ``now`` and ``sentence``),
        ``counts`` (part to outcome to number), ``missing`` (what was not compared, and why) and ``made_with`` (facts
        of machine and packages that differ, then and now).
    """
    then, today = ({(row["part"], row["name"]): row for row in found["rows"]} for found in (was, now))
    skipped = {key: why for key in then | today if (why := _not_comparable(key, then, today))}
    claims = {name for (part, name) in skipped if part == "verdict"}
    entries: list[dict[str, Any]] = []
    counts: dict[str, Counter[str]] = {}
    for key in (key for key in then if key not in skipped):
        part, name = key
        if part == "number" and name.split(":")[0] in claims:
            continue
        came = outcome(part, then[key], today[key])
        counts.setdefault(PARTS[part], Counter())[came] += 1
        entries.append({"part": part, "name": name, "outcome": came, "was": then[key], "now": today[key]})
    decided = {entry["name"] for entry in entries if entry["part"] == "verdict" and entry["outcome"] != "same"}
    for entry in entries:
        entry["sentence"] = _sentence(entry, entries)
    listed = [entry for entry in entries if entry["part"] != "number" or entry["name"].split(":")[0] not in decided]
    facts = {key: (was["made_with"].get(key), now["made_with"].get(key)) for key in was["made_with"] | now["made_with"]}
    return {
        "changed": [entry for entry in listed if entry["outcome"] in CHANGED],
        "moved": [entry for entry in listed if entry["outcome"] in MOVED],
        "counts": {part: dict(outcomes) for part, outcomes in counts.items()},
        "missing": [why for (part, _), why in skipped.items() if part != "number"],
        "made_with": {key: [a or "not known", b or "not known"] for key, (a, b) in facts.items() if a != b},
    }


def _not_comparable(key: tuple[str, str], then: Mapping[Any, Row], today: Mapping[Any, Row]) -> str:
    """Why a row cannot be compared; empty where it can."""
    what = f"{ {'verdict': 'claim', 'loss': 'cell'}.get(key[0], key[0]) } {key[1]}"
    if key not in today:
        return f"{what}: only the baseline has it"
    if key not in then:
        return f"{what}: the baseline does not have it"
    was, now = then[key], today[key]
    if key[0] == "verdict" and not (was["n"] and now["n"]):
        return f"{what}: there are no data {'now' if was['n'] else 'in the baseline'}"
    if was.get("twin") != now.get("twin"):
        return f"{what}: one of the two was decided on the offline twin of the data"
    if was.get("steps") != now.get("steps"):
        return f"{what}: {was.get('steps')} steps in the baseline, now {now.get('steps')}"
    return ""


def _sentence(entry: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> str:
    was, now, name = entry["was"], entry["now"], entry["name"]
    if entry["part"] == "verdict":
        numbers = [e for e in entries if e["part"] == "number" and e["name"].startswith(f"{name}: ")]
        turned = [e for e in numbers if e["was"]["state"] != e["now"]["state"]] or numbers
        details = "; ".join(_detail(e["name"].removeprefix(f"{name}: "), e["was"], e["now"]) for e in turned)
        verdict = f"{name}: {now['text']} Was “{was['state']}”, is “{now['state']}” ({entry['outcome']})."
        return f"{verdict} {details}".rstrip()
    if entry["outcome"] == "other statuses":
        return f"{now['text']}: {was['state']}, now {now['state']}"
    if entry["part"] == "loss":
        then, today = (_interval(row, formats.loss) for row in (was, now))
        return f"{now['text']}: median final loss {then}, now {today}{_percent(was['value'], now['value'])}"
    other = "; it was on the other side of one" if entry["outcome"] == "on the other side of one" else ""
    return f"{name}: {_interval(was)}, now {_interval(now)}{other}"


def _detail(name: str, was: Row, now: Row) -> str:
    rule = f" (the rule asks for {now['rule']}: {was['state']}, now {now['state']})"
    return f"{name}: {_interval(was)}, now {_interval(now)}{rule}"


def _interval(row: Row, write: Any = formats.number) -> str:
    value, low, high = (row[key] for key in ("value", "low", "high"))
    return str(write(value)) if low == high else f"{write(value)} [{write(low)}, {write(high)}]"


def _percent(was: float | None, now: float | None) -> str:
    if was is None or now is None or was <= 0 or not math.isfinite(was) or not math.isfinite(now):
        return ""
    return f" ({100 * abs(now / was - 1):.2g} % {'more' if now > was else 'less'})"


def report(found: Mapping[str, Any], baseline: str) -> str:
    """Write a comparison as text: what changed, what moved, what stayed, what could not be compared."""
    changed = len(found["changed"])
    verdict = f"{formats.count(changed, 'conclusion')} changed" if changed else "no conclusion changed"
    counts = [
        f"{part}: {', '.join(f'{number:,} {outcome}' for outcome, number in outcomes.items())}"
        for part, outcomes in found["counts"].items()
    ]
    parts = [
        [f"Beside {baseline}, {verdict}."],
        _section("Made with", [f"{key}: {then}, now {now}" for key, (then, now) in found["made_with"].items()])
        or ["The machine and the packages are the same."],
        _section("Conclusions that changed", _by_outcome(found["changed"])),
        _section("Numbers that moved and changed no conclusion", _by_outcome(found["moved"])),
        _section("In all", counts),
        _section("Not compared", _cut(found["missing"])),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _by_outcome(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sentences, outcome by outcome, so that many of one do not hide another."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        found.setdefault((entry["part"], entry["outcome"]), []).append(entry["sentence"])
    return [line for lines in found.values() for line in _cut(lines)]


def _cut(lines: Sequence[str]) -> list[str]:
    rest = len(lines) - LONGEST
    return list(lines) if rest <= 0 else [*lines[:LONGEST], f"and {rest:,} more: the JSON has them all"]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  - {line}" for line in lines)] if lines else []
