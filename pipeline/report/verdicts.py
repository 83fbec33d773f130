"""The verdicts of the claims, as the report shows them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.figures import formats

#: A verdict's sign and its style: never told by colour alone.
_SIGNS = {"holds": ("✓", "good"), "does not hold": ("✗", "bad"), "inconclusive": ("?", "open")}
#: The source of what the lab itself found.
_OWN = "lab"


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
class Line:
    """One line of the table of claims, as text for people."""

    id: str
    text: str
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
    sentence: str
    setting: str
    why: str
    offline_twin: bool


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
    """

    summary: str
    lines: tuple[Line, ...]
    headlines: tuple[Line, ...]
    sources: tuple[Source, ...]


def read_verdicts(path: Path) -> Verdicts:
    """Read what ``python -m pipeline.claims`` wrote.

    Raises
    ------
    UserError
        If the file is missing or is no such file.
    """
    try:
        return verdicts_of(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): make it with python -m pipeline.claims") from None
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise UserError(f"{path} is no list of verdicts ({error}): make it with python -m pipeline.claims") from None


def verdicts_of(decided: dict[str, Any]) -> Verdicts:
    """Put the verdicts into words.

    Parameters
    ----------
    decided : dict
        As of :func:`pipeline.claims.decide.decide_all`.

    Returns
    -------
    Verdicts
    """
    names = {key: ("Document " + key if len(key) == 1 else _short(title)) for key, title in decided["sources"].items()}
    sources = {
        key: Source(number, names[key], str(title)) for number, (key, title) in enumerate(decided["sources"].items(), 1)
    }
    lines = tuple(_line(claim, sources[claim["source"]]) for claim in decided["claims"])
    counts = [f"{decided['counts'][verdict]} {verdict}" for verdict in _SIGNS]
    return Verdicts(
        summary=f"Verdicts on {formats.count(len(lines), 'claim')}: {formats.listed(counts)}.",
        lines=lines,
        headlines=tuple(line for line, claim in zip(lines, decided["claims"], strict=True) if claim["source"] == _OWN),
        sources=tuple(sources.values()),
    )


def _line(claim: dict[str, Any], source: Source) -> Line:
    symbol, style = _SIGNS[claim["verdict"]]
    deciding = next(test for test in claim["tests"] if test["verdict"] == claim["verdict"])
    return Line(
        id=str(claim["id"]),
        text=str(claim["text"]),
        verdict=str(claim["verdict"]),
        symbol=symbol,
        style=style,
        test=str(deciding["name"]),
        reason=str(claim["reason"]),
        effect=_effect(claim),
        threshold=str(claim["threshold"]),
        n=f"{claim['n']:,}\N{NO-BREAK SPACE}{claim['of']}" if claim["n"] else "–",
        source=source.number,
        source_name=source.name,
        sentence=str(claim["sentence"]),
        setting=str(claim["setting"]),
        why=str(claim["why"]),
        offline_twin=bool(claim["offline_twin"]),
    )


def _effect(claim: dict[str, Any]) -> str:
    if claim["effect"] is None:
        return "–"
    value, low, high = (_number(number) for number in (claim["effect"], *claim["interval"]))
    return value if value == low == high else f"{value} [{low},\N{NO-BREAK SPACE}{high}]"


def _number(value: float | str | None) -> str:
    if isinstance(value, str):
        return formats.number(float(value.replace("infinite", "inf")))
    near_one = value is not None and value != 1 and 0.95 < abs(value) < 1.05
    return formats.number(value, 5 if near_one else 3)


def _short(title: str) -> str:
    """What a source is called: its title up to the first comma."""
    return title.split(",")[0]
