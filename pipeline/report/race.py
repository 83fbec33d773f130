"""The answer of a race: who leads on each clock, how sure that is, and how many seeds each cell had."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.lab.results import StudyResults
from pipeline.report.answer import Answer
from pipeline.report.clocks import CLOCKS
from pipeline.report.language import Language, mark

#: What cells are compared by, as the table calls it.
MEASURES = {
    "loss": mark("final loss"),
    "examples": mark("examples"),
    "steps": mark("steps"),
    "seconds": mark("seconds"),
}
NOWHERE = mark("in no cell do more than half of the seeds get there")
#: Most rivals that are named.
NAMED = 3


def race_section(study: StudyResults, lang: Language) -> dict[str, Any] | None:
    """Write the section on a race.

    Parameters
    ----------
    study : StudyResults
        Its words have the content of ``answer.json``.
    lang : Language
        The report's.

    Returns
    -------
    dict or None
        ``words``, the sentences above the table; ``lines``, a line for each question: what is scarce, among which
        cells, who leads, by how much, how sure; ``seeds``, how many cells had how many. None where there was no race.
    """
    if (found := study.words.get("answer")) is None:
        return None
    counts = Counter(cell["seeds"] for cell in found["cells"].values())
    return {
        "words": [
            lang.say(
                "The cells were raced, with {runs} in all. The loss to reach is {target}. Medians are of {seeds} that "
                "had no part in choosing. {decided} of {total} questions are decided; of the claims made, at most "
                "{alpha} % are expected to be wrong, over all questions and whenever the race was stopped.",
                runs=lang.count(found["runs"], "{n} run", "{n} runs"),
                target=lang.loss(found["target"]),
                seeds=lang.count(found["settings"]["report"], "{n} seed", "{n} seeds"),
                decided=sum(claim["outcome"] != "undecided" for claim in found["claims"]),
                total=len(found["claims"]),
                alpha=lang.number(100 * found["settings"]["alpha"]),
            ),
            lang.say(
                "Everything else about this study, figures, tables and curves, shows the first {seeds} of each cell: "
                "as many for all, and too few to rank by.",
                seeds=lang.count(study.runs["seed"].nunique(), "{n} seed", "{n} seeds"),
            ),
        ],
        "lines": [_line(found, claim, lang) for claim in found["claims"]],
        "seeds": "; ".join(
            f"{lang.count(n, '{n} seed', '{n} seeds')}: {lang.count(cells, '{n} cell', '{n} cells')}"
            for n, cells in sorted(counts.items())
        ),
    }


def raced(shown: Answer, found: Mapping[str, Any], examples: int | None, lang: Language) -> Answer:
    """Put a race's leaders, by seeds that had no part in choosing, in the place of the first seeds' best cells."""
    leaders = {claim["measure"]: claim for claim in found["claims"] if not claim["field"]}
    first = dict.fromkeys(CLOCKS, ("", ""))
    for clock, scale in {**dict.fromkeys(CLOCKS, 1.0), "epochs": float(examples or math.nan)}.items():
        claim = leaders.get("examples" if clock == "epochs" else clock)
        median = math.inf if claim is None else _reported(found, claim).get("median", math.inf) / scale
        if claim is not None and math.isfinite(median):
            who = f"{_cell(found, claim['leader'], lang)}, {_sure(claim, lang)}"
            first[clock] = lang.cost(median, clock), who
    turned = lang.say("The race says how sure each answer is; this study's curves show its first seeds alone.")
    return replace(shown, target=lang.loss(found["target"]), first=first, turned=turned)


def _line(found: Mapping[str, Any], claim: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    leader, numbers = found["cells"][claim["leader"]], _reported(found, claim)
    median, low, high = (
        lang.loss(value) if claim["measure"] == "loss" else lang.cost(value, claim["measure"])
        for value in (numbers.get(key, math.nan) for key in ("median", "low", "high"))
    )
    measure = MEASURES[claim["measure"]]
    named = [_cell(found, cell, lang) for cell in claim["rivals"][:NAMED]]
    if len(claim["rivals"]) > NAMED:
        named.append(lang.count(len(claim["rivals"]) - NAMED, "{n} more", "{n} more"))
    return {
        "measure": lang.word(measure),
        "whole": not claim["field"],
        "field": claim["field"] or lang.say("all cells"),
        "leader": _cell(found, claim["leader"], lang),
        "median": f"{median} {lang.between(low, high)}" if numbers else "–",
        "seeds": lang.whole(leader["seeds"]),
        "outcome": _sure(claim, lang) if math.isfinite(numbers.get("median", 0.0)) else lang.word(NOWHERE),
        "rivals": lang.listed(named) or "–",
    }


def _reported(found: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, float]:
    """The leader's numbers; empty where no further seeds were trained."""
    key = claim["measure"], claim["leader"]
    return next((one for one in found["reported"] if (one["measure"], one["cell"]) == key), {})


def _cell(found: Mapping[str, Any], cell: str, lang: Language) -> str:
    one = found["cells"][cell]
    b, lr = str(one["batch_size"]), lang.rate(one["lr"])
    return lang.say("{optimizer} at b = {b}, lr {lr}", optimizer=one["series"], b=b, lr=lr)


def _sure(claim: Mapping[str, Any], lang: Language) -> str:
    left, outcome = claim["seeds_left"], OUTCOMES[claim["outcome"]]
    if claim["outcome"] == "undecided" and math.isfinite(left):
        return lang.say("undecided: about {n} more seeds would decide", n=math.ceil(left))
    return lang.word(outcome)


#: How sure an answer is.
OUTCOMES = {
    "separated": mark("separated from all others"),
    "equivalent": mark("equivalent within the margin to some"),
    "undecided": mark("undecided against some"),
}
