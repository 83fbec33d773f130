"""The verdicts of the claims, as the report shows them."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.claims.repeats import read_repeats
from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.grouping import grouped
from pipeline.report.language import ENGLISH, Language, mark

#: A verdict's sign and its style: colour alone never carries it.
SIGNS = {
    mark("holds"): ("✓", "good"),
    mark("does not hold"): ("✗", "bad"),
    mark("depends"): ("±", "mixed"),
    mark("inconclusive"): ("?", "open"),
    mark("by construction"): ("=", "given"),
}
#: The source of what the lab itself found.
_OWN = "lab"
#: What samples consist of, what verdicts rest on, why there may be none, and what they may depend on.
_WORDS = (
    mark("seeds"),
    mark("rows"),
    mark("runs"),
    mark("repeats"),
    mark("readings"),
    mark("processes"),
    mark("rounds"),
    mark("minibatches"),
    mark("batch sizes"),
    mark("this machine's clock"),
    mark("theory"),
    mark("construction"),
    mark("the interval is on both sides of the threshold"),
    mark("too few runs arrive for an interval"),
    mark("loader"),
    mark("target"),
    mark("threads"),
    mark("batch_size"),
    mark("data"),
    mark("study"),
)
#: Most claims that the first screen shows.
MAX_SURPRISES = 3
#: How the reason begins where a verdict depends on the machine.
_MACHINE = "this machine: "
_RULE = re.compile(r"(above|below|within) (\S+)(?: to (\S+))?")


@dataclass(frozen=True)
class Verdicts:
    """Everything that the report says about claims, as text for people.

    Parameters
    ----------
    summary : str
        How many claims have which verdict.
    lines : list of dict
        A claim each: ``number`` (its anchor, for ids may hold anything), ``id``, ``text``, ``lang`` (of the ledger's
        words), what :func:`_found` says of it, ``reason`` and ``reason_lang``, ``stored`` (the date, where it was not
        decided now), ``setting``, ``why``, ``rests_on``, ``source`` (one of ``sources``), ``own`` (whether the lab
        itself makes it), ``figures`` (those that may show it), ``tests``, ``offline_twin``, ``cases`` (of what depends,
        in how many it holds), ``trust`` (what it rests on, as the ledger calls it), ``alike`` and ``repeated`` (in how
        many whole runs of the lab the verdict was this one, and which ones there were, in words; empty where that is
        not known), ``group`` (the letter of those it is listed with).
    sources : list of dict
        ``name`` and ``title`` of where the claims come from, and whether it is a ``document``.
    not_applicable : str
        The claims about other data than the results are of; empty where there are none.
    remarks : dict
        Id to why a sentence of a source has no verdict.
    """

    summary: str
    lines: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    not_applicable: str
    remarks: dict[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> list[tuple[str, str, list[dict[str, Any]]]]:
        """The claims of each document together, those of the field together, and the lab's own: letter, name, lines."""
        groups = grouped((line["group"], line) for line in self.lines)
        names = {key: {line["source"]["name"] for line in lines} for key, lines in groups.items()}
        return [(key, names[key].pop() if len(names[key]) == 1 else "", lines) for key, lines in groups.items()]

    @property
    def surprises(self) -> list[dict[str, Any]]:
        """Up to three claims that do not hold here, then those that depend; of documents before those of the field.

        What depends on the machine, and holds on this one, surprises nobody.
        """
        found = [
            line
            for line in self.lines
            if line["style"] in {"bad", "mixed"}
            and not line["own"]
            and not line["stored"]
            and {test["style"] for test in line["tests"]} != {"good"}
        ]
        return sorted(found, key=lambda line: (not line["source"]["document"], line["style"]))[:MAX_SURPRISES]


def read_verdicts(path: Path, lang: Language = ENGLISH) -> Verdicts:
    """Read what ``python -m pipeline.claims`` wrote.

    Raises
    ------
    UserError
        If the file is missing or is no such file.
    """
    try:
        return verdicts_of(json.loads(path.read_text(encoding="utf-8")), lang, read_repeats())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it with python -m pipeline.claims") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no list of verdicts ({error}): {MAKE_AGAIN}") from None


def verdicts_of(
    decided: dict[str, Any], lang: Language = ENGLISH, repeats: Mapping[str, Any] | None = None
) -> Verdicts:
    """Put the verdicts into words.

    Parameters
    ----------
    decided : dict
        As of :func:`pipeline.claims.decide.decide_all`.
    lang : Language
        The report's.
    repeats : mapping, optional
        What whole runs of the lab said, as of :func:`pipeline.claims.repeats.read_repeats`.

    Returns
    -------
    Verdicts
    """
    sources = {
        key: {
            "name": lang.say("This lab") if key == _OWN else str(title).split(",")[0],
            "title": str(title),
            "document": len(key) == 1,
        }
        for key, title in decided["sources"].items()
    }
    lines = [
        {
            "number": number,
            **_line(claim, lang),
            **_repeated(claim, lang, repeats),
            "source": sources[claim["source"]],
            "own": claim["source"] == _OWN,
        }
        for number, claim in enumerate(decided["claims"], 1)
    ]
    holds, fails, depends, open_, given = (int(decided["counts"][verdict]) for verdict in SIGNS)
    counts = {
        lang.count(holds, "{n} holds", "{n} hold"): True,
        lang.count(fails, "{n} does not hold", "{n} do not hold"): fails,
        lang.count(depends, "{n} depends on how it is asked", "{n} depend on how they are asked"): depends,
        lang.count(open_, "{n} is inconclusive", "{n} are inconclusive"): open_,
    }
    total = lang.count(len(lines) - given, "{n} claim", "{n} claims")
    summary = lang.say(
        "Verdicts on {claims}: {counts}.", claims=total, counts=lang.listed([words for words, n in counts.items() if n])
    )
    if given:
        more = lang.count(given, "{n} more cannot be otherwise.", "{n} more cannot be otherwise.")
        summary = f"{summary} {more}"
    others = lang.listed([str(claim["id"]) for claim in decided.get("not_applicable", ())])
    return Verdicts(summary, lines, list(sources.values()), others, dict(decided["remarks"]))


def _line(claim: dict[str, Any], lang: Language) -> dict[str, Any]:
    translated = lang.claims.get(str(claim["id"]), {})
    on_machine = translated.get("machine") if str(claim["reason"]).startswith(_MACHINE) else None
    said = on_machine and lang.say("this machine: {why}", why=on_machine)
    return {
        "id": str(claim["id"]),
        **{key: translated.get(key, str(claim[key])) for key in ("text", "setting", "why")},
        "lang": lang.code if translated else "en",
        **_found(claim, lang),
        "reason": said or lang.word(str(claim["reason"])),
        "reason_lang": lang.code if said or claim["verdict"] != "depends" else "en",
        "stored": str(claim["stored"]),
        "rests_on": lang.word(str(claim["rests_on"])),
        "trust": str(claim["rests_on"]),
        "cases": _cases(claim, lang),
        "group": re.split(r"\d", str(claim["id"]))[0],
        "figures": figures_of(str(claim["id"]), claim.get("tables", [])),
        "tests": [
            {
                "name": lang.tests.get(str(test["name"]), str(test["name"])),
                "lang": lang.code if test["name"] in lang.tests else "en",
                "needed": lang.whole(test["needed"]),
                **_found(test, lang),
            }
            for test in claim["tests"]
        ],
        "offline_twin": bool(claim["offline_twin"]),
    }


def _repeated(claim: dict[str, Any], lang: Language, repeats: Mapping[str, Any] | None) -> dict[str, str]:
    """Say how whole runs of the lab decided; nothing of a verdict that is stored, and was not theirs."""
    counts = {} if repeats is None or claim["stored"] else repeats["claims"].get(str(claim["id"]), {})
    if repeats is None or not counts:
        return {"alike": "", "repeated": ""}
    found = [lang.say("{verdict} in {n}", verdict=lang.word(verdict), n=count) for verdict, count in counts.items()]
    return {
        "alike": lang.say("the same in {n} of {runs} runs", n=counts.get(claim["verdict"], 0), **repeats),
        "repeated": lang.say(
            "Of {runs} whole runs of the lab ({machine}, {date}): {verdicts}.", verdicts=lang.listed(found), **repeats
        ),
    }


def _cases(claim: dict[str, Any], lang: Language) -> str:
    """In how many of the cases that its source leaves open a claim holds; empty where it does not depend on them.

    What depends on the machine alone has the same outcome in all of its cases here.
    """
    points = [
        point for test in claim["tests"] if claim["verdict"] == test["verdict"] == "depends" for point in test["points"]
    ]
    verdicts = Counter(point["verdict"] for point in points)
    said = lang.say(
        "it depends on {axes}: of {total} cases it holds in {holds} and does not in {fails}.",
        axes=lang.listed(list(dict.fromkeys(lang.word(axis) for point in points for axis in point["at"]))),
        total=len(points),
        holds=verdicts["holds"],
        fails=verdicts["does not hold"],
    )
    return said if points else ""


def _found(found: dict[str, Any], lang: Language) -> dict[str, str]:
    """Verdict, numbers and rule of a claim, or of one of its tests."""
    symbol, style = SIGNS[found["verdict"]]
    return {
        "verdict": lang.word(str(found["verdict"])),
        "symbol": symbol,
        "style": style,
        "effect": _effect(found, lang),
        "threshold": _threshold(str(found["threshold"]), lang),
        "n": _sample(found, lang),
    }


def _sample(found: dict[str, Any], lang: Language) -> str:
    return f"{lang.whole(found['n'])}\N{NO-BREAK SPACE}{lang.word(str(found['of']))}" if found["n"] else "–"


def _threshold(words: str, lang: Language) -> str:
    """The rule, which is a word and one or two numbers."""
    match = _RULE.fullmatch(words)
    if match is None:
        return words
    kind, first, last = match[1], lang.local(match[2]), lang.local(match[3] or "")
    if kind == "above":
        return lang.say("above {limit}", limit=first)
    if kind == "below":
        return lang.say("below {limit}", limit=first)
    return lang.say("within {low} to {high}", low=first, high=last)


def _effect(found: dict[str, Any], lang: Language) -> str:
    if found["effect"] is None:
        return "–"
    value, low, high = (_number(number, lang) for number in (found["effect"], *found["interval"]))
    return value if value == low == high else f"{value} {lang.between(low, high)}"


def _number(value: float | str | None, lang: Language) -> str:
    if isinstance(value, str):
        return lang.number(float(value.replace("infinite", "inf")))
    near_one = value is not None and value != 1 and 0.95 < abs(value) < 1.05
    return lang.number(value, 5 if near_one else 3)


#: The figure of the claim's study. A claim about a measurement alone is shown by that measurement's figure.
FIGURES = {
    **dict.fromkeys(("A10a", "A10b", "A11", "A15", "A18", "H1", "H5"), "loss_by_epoch"),
    **dict.fromkeys(("A16a", "A16b", "A16c"), "loss_by_time"),
    "F2": "best_lr_by_batch",
}


def figures_of(claim: str, tables: Sequence[str]) -> list[str]:
    """Find the figures that may show a claim.

    Parameters
    ----------
    claim : str
        Its id.
    tables : sequence of str
        The tables that decided it, such as ``results/measure/memory.parquet``.

    Returns
    -------
    list of str
        Study, or ``measure``, and figure.

    Examples
    --------
    >>> figures_of("A1a", ["results/measure/memory.parquet"])
    ['measure-memory']
    >>> figures_of("F2", ["results/sweep/runs.parquet"])
    ['sweep-best_lr_by_batch']
    """
    paths = [PurePosixPath(table) for table in tables]
    studies = dict.fromkeys(path.parent.name for path in paths if path.parent.name != "measure")
    measured = [f"measure-{path.stem}" for path in paths if path.parent.name == "measure"]
    return [f"{study}-{FIGURES[claim]}" for study in studies] if claim in FIGURES else measured
