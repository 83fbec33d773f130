"""``python -m pipeline.contrib.ledger_page docs/ledger.md``: write what is known of every claim as a page."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.lab.paths import CONF, ROOT
from pipeline.lab.stage import Options, argument, command

_HEAD = """# The ledger of the claims

Written by `make picture` from `conf/claims.yaml` and the verdicts of a run on two cores with the measured table. What
the outcomes mean, and how intervals are made: [claims.md](claims.md). In which simulated worlds each rule decides
rightly in 95 % of cases: `tests/claims/sides.py`, and `POWER` in `tests/claims/test_power.py`. *Repeated* counts whole
runs of the lab, each from no results (`benchmarks/repeat_runs.py`).
"""
#: Outcome to what would turn it into another.
_CHANGE = {
    "holds": "A number whose whole interval misses a rule.",
    "does not hold": "A number whose whole interval satisfies the rule that fails now.",
    "depends": "The same outcome in all of the cases.",
    "by construction": "Nothing that anybody could measure.",
}


@command(
    "pipeline.contrib.ledger_page",
    "Write the page of every claim.",
    argument("file", type=Path, metavar="FILE.md", help="the page"),
    argument("--claims", type=Path, default=Path("results/claims.json"), metavar="FILE.json", help="verdicts"),
)
def main(options: Options) -> None:
    """Write the page."""
    from pipeline.claims.ledger import read_ledger
    from pipeline.claims.repeats import read_repeats
    from pipeline.contrib.verdicts import read_decided
    from pipeline.lab.files import write_whole

    decided = read_decided(options.claims)
    repeats = read_repeats()
    pages = [
        page(claim, decided["sources"], history(claim["id"]), repeated(claim["id"], repeats))
        for claim in decided["claims"]
    ]
    remarks = [f"- **{name}.** {why}" for name, why in read_ledger(CONF / "claims.yaml").remarks.items()]
    write_whole(options.file, "\n".join([_HEAD, *pages, "## Remarks, without a verdict\n", *remarks, ""]))
    print(options.file)


def repeated(name: str, repeats: Mapping[str, Any]) -> str:
    """Say in how many whole runs, and where, a claim had which verdict; nothing where it was in none."""
    counts = repeats["claims"].get(name, {})
    said = ", ".join(f"{verdict} in {number} of {repeats['runs']}" for verdict, number in counts.items())
    return f"{said} whole runs, {repeats['machine']}, {repeats['date']}" if said else ""


def page(claim: Mapping[str, Any], sources: Mapping[str, str], changed: Sequence[str], repeats: str = "") -> str:
    """One claim: its source, our words, rules with numbers, what they rest on, what would change it, its history.

    Parameters
    ----------
    claim : mapping
        As in ``claims.json``.
    sources : mapping
        Key to title.
    changed : sequence of str
        Commits that changed the entry, the latest first.
    repeats : str
        What :func:`repeated` says of it.

    Returns
    -------
    str
        Markdown.
    """
    date = f", decided on {claim['stored']}" if claim["stored"] else ""
    lines = [
        f"## {claim['id']}: {claim['text']}",
        "",
        f"**{claim['verdict'].capitalize()}**{date}. {_change(claim)}",
        "",
    ]
    facts = {
        "Source": sources[claim["source"]],
        "Setting": claim["setting"],
        "Why these rules": claim["why"],
        "Depends on": claim["reason"] if claim["verdict"] == "depends" else "",
        "Rests on": claim["rests_on"] + (f"; {', '.join(claim['tables'])}" if claim["tables"] else ""),
        "Repeated": repeats,
        "Changed by": ", ".join(changed),
    }
    lines += [f"- {name}: {words}" for name, words in facts.items() if words]
    if claim["tests"]:
        lines += ["", "| test | number [95 %] | n | rule | outcome |", "| --- | --- | --- | --- | --- |"]
    for test in claim["tests"]:
        for point in test["points"]:
            at = "".join(f", {name} {value}" for name, value in point["at"].items())
            row = (f"{test['name']}{at}", _number(point), _sample(point), test["threshold"], point["verdict"])
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def _change(claim: Mapping[str, Any]) -> str:
    """What would change the verdict."""
    needed = max((test["needed"] for test in claim["tests"]), default=0)
    more = f"About n = {needed:,} would decide." if needed else f"{claim['reason'][:1].upper()}{claim['reason'][1:]}."
    words = _CHANGE.get(claim["verdict"])
    return f"What would change it: {words[0].lower()}{words[1:]}" if words else more


def _number(point: Mapping[str, Any]) -> str:
    from pipeline.lab import formats

    if point["effect"] is None:
        return "–"
    value, low, high = (
        formats.number(float(str(x).replace("infinite", "inf")), 3) if x is not None else "–"
        for x in (point["effect"], *point["interval"])
    )
    return value if low == high == value else f"{value} [{low}, {high}]"


def _sample(point: Mapping[str, Any]) -> str:
    return f"{point['n']:,} {point['of']}" if point["n"] else "–"


def history(name: str) -> list[str]:
    """Commits that changed the entry of a claim, the latest first; none where there is no repository."""
    where = f"/id: {name}$/,/^$/:conf/claims.yaml"
    log = ["git", "log", "--date=short", "--format=%h (%ad)", "-s", f"-L{where}"]
    found = subprocess.run(log, capture_output=True, text=True, cwd=ROOT, check=False)
    return found.stdout.split("\n")[:-1] if found.returncode == 0 else []


if __name__ == "__main__":
    main()
