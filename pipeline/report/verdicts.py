"""The verdicts of the claims, as the report shows them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError
from pipeline.report.claim_figures import figures_of
from pipeline.report.language import ENGLISH, Language, mark

#: A verdict's sign and its style: colour alone never carries it.
SIGNS = {
    mark("holds"): ("✓", "good"),
    mark("does not hold"): ("✗", "bad"),
    mark("inconclusive"): ("?", "open"),
}
#: The source of what the lab itself found.
_OWN = "lab"
#: What samples consist of, why there may be no verdict, and what verdicts rest on.
_WORDS = (
    mark("seeds"),
    mark("rows"),
    mark("runs"),
    mark("repeats"),
    mark("readings"),
    mark("processes"),
    mark("minibatches"),
    mark("batch sizes"),
    mark("the interval is on both sides of the threshold"),
    mark("too few runs arrive for an interval"),
    mark("this machine's clock"),
    mark("theory"),
    mark("construction"),
)
_RULE = re.compile(r"(above|below|within) (\S+)(?: to (\S+))?")


@dataclass(frozen=True)
class Source:
    """Where claims come from.

    Parameters
    ----------
    number : int
        Its place in the list, from one.
    name, title : str
        Short and long.
    """

    number: int
    name: str
    title: str


@dataclass(frozen=True)
class Test:
    """One test of a claim, as text for people."""

    name: str
    verdict: str
    symbol: str
    style: str
    effect: str
    threshold: str
    n: str


@dataclass(frozen=True)
class Line:
    """One claim, as text for people; ``figures`` are those that may show it, by study and name."""

    id: str
    text: str
    lang: str
    verdict: str
    symbol: str
    style: str
    test: str
    reason: str
    effect: str
    threshold: str
    n: str
    source: int
    source_name: str
    setting: str
    why: str
    figures: tuple[str, ...]
    tests: tuple[Test, ...]
    offline_twin: bool
    rests_on: str


@dataclass(frozen=True)
class Verdicts:
    """Everything that the report says about claims.

    Parameters
    ----------
    summary : str
        How many claims have which verdict.
    lines, headlines : tuple of Line
        All claims; those that the lab itself makes.
    sources : tuple of Source
        Where the claims come from.
    not_applicable : str
        The claims about other data than the results are of; empty where there are none.
    """

    summary: str
    lines: tuple[Line, ...]
    headlines: tuple[Line, ...]
    sources: tuple[Source, ...]
    not_applicable: str = ""

    @property
    def groups(self) -> list[tuple[str, list[Line]]]:
        """The claims of each document together, those of the field together, and the lab's own, with a heading each."""
        groups: dict[str, list[Line]] = {}
        for line in self.lines:
            groups.setdefault(line.id.rstrip("0123456789"), []).append(line)
        named = {key: lines[0].source_name for key, lines in groups.items() if len({li.source for li in lines}) == 1}
        return [(named.get(key, ""), lines) for key, lines in groups.items()]


def read_verdicts(path: Path, lang: Language = ENGLISH) -> Verdicts:
    """Read what ``python -m pipeline.claims`` wrote.

    Raises
    ------
    UserError
        If the file is missing or is no such file.
    """
    try:
        return verdicts_of(json.loads(path.read_text(encoding="utf-8")), lang)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it with python -m pipeline.claims") from None
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise UserError(f"{path} is no list of verdicts ({error}): make it with python -m pipeline.claims") from None


def verdicts_of(decided: dict[str, Any], lang: Language = ENGLISH) -> Verdicts:
    """Put the verdicts into words.

    Parameters
    ----------
    decided : dict
        As of :func:`pipeline.claims.decide.decide_all`.
    lang : Language
        The report's.

    Returns
    -------
    Verdicts
    """
    names = {key: _source_name(key, str(title), lang) for key, title in decided["sources"].items()}
    sources = {
        key: Source(number, names[key], str(title)) for number, (key, title) in enumerate(decided["sources"].items(), 1)
    }
    lines = tuple(_line(claim, sources[claim["source"]], lang) for claim in decided["claims"])
    holds, fails, open_ = (int(decided["counts"][verdict]) for verdict in SIGNS)
    counts = [
        lang.count(holds, "{n} holds", "{n} hold"),
        lang.count(fails, "{n} does not hold", "{n} do not hold"),
        lang.count(open_, "{n} is inconclusive", "{n} are inconclusive"),
    ]
    total = lang.count(len(lines), "{n} claim", "{n} claims")
    return Verdicts(
        summary=lang.say("Verdicts on {claims}: {counts}.", claims=total, counts=lang.listed(counts)),
        lines=lines,
        headlines=tuple(line for line, claim in zip(lines, decided["claims"], strict=True) if claim["source"] == _OWN),
        sources=tuple(sources.values()),
        not_applicable=lang.listed([str(claim["id"]) for claim in decided.get("not_applicable", ())]),
    )


def _line(claim: dict[str, Any], source: Source, lang: Language) -> Line:
    symbol, style = SIGNS[claim["verdict"]]
    deciding = next(test for test in claim["tests"] if test["verdict"] == claim["verdict"])
    translated = lang.claims.get(str(claim["id"]))
    return Line(
        id=str(claim["id"]),
        text=translated or str(claim["text"]),
        lang=lang.code if translated else "en",
        verdict=lang.word(str(claim["verdict"])),
        symbol=symbol,
        style=style,
        test=str(deciding["name"]),
        reason=lang.word(str(claim["reason"])),
        effect=_effect(claim, lang),
        threshold=_threshold(str(claim["threshold"]), lang),
        n=_sample(claim, lang),
        source=source.number,
        source_name=source.name,
        setting=str(claim["setting"]),
        why=str(claim["why"]),
        figures=tuple(figures_of(str(claim["id"]), claim.get("tables", []))),
        tests=tuple(_test(test, lang) for test in claim["tests"]),
        offline_twin=bool(claim["offline_twin"]),
        rests_on=lang.word(str(claim["rests_on"])),
    )


def _test(test: dict[str, Any], lang: Language) -> Test:
    symbol, style = SIGNS[test["verdict"]]
    return Test(
        name=str(test["name"]),
        verdict=lang.word(str(test["verdict"])),
        symbol=symbol,
        style=style,
        effect=_effect(test, lang),
        threshold=_threshold(str(test["threshold"]), lang),
        n=_sample(test, lang),
    )


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


def _source_name(key: str, title: str, lang: Language) -> str:
    """What a source is called: a document by its letter, else its title up to the first comma."""
    if len(key) == 1:
        return lang.say("Document {letter}", letter=key)
    return lang.say("This lab") if key == _OWN else title.split(",")[0]
