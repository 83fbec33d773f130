"""A study in a few sentences: what was trained, the first cell at the target, agreement with published values."""

import math
from collections import Counter

from pipeline.analysis.cells import TARGET, costs_to_target, unstable
from pipeline.analysis.study import AnalysedStudy
from pipeline.lab import formats
from pipeline.report.language import ENGLISH, Language
from pipeline.report.rows import Row
from pipeline.report.sweep_section import sweep_summary


def summarise(study: AnalysedStudy, rows: list[Row], lang: Language = ENGLISH) -> list[str]:
    """Write the summary.

    Parameters
    ----------
    study : AnalysedStudy
        The study.
    rows : list of Row
        Its rows of the table.
    lang : Language
        The report's.

    Returns
    -------
    list of str
        Sentences; every number in them is computed from the tables.
    """
    if study.kind == "sweep":
        return [_trained(study, lang), *sweep_summary(study, lang)]
    return [_trained(study, lang), _fastest(study, lang), *_agreement(study, rows, lang)]


def _trained(study: AnalysedStudy, lang: Language) -> str:
    counts = Counter(map(str, study.runs["status"]))
    total = len(study.runs)
    words = lang.say(
        "{runs} of {cells} trained on {data}",
        runs=lang.count(total, "{n} run", "{n} runs"),
        cells=lang.count(len(study.cells), "{n} cell", "{n} cells"),
        data=lang.listed(list(dict.fromkeys(facts.title for facts in study.data))),
    )
    if counts["ok"] == total:
        return lang.say("{words}, and all of them ended with status ok.", words=words)
    ended = lang.listed([f"{lang.whole(n)} {status}" for status, n in counts.items()])
    return f"{words}: {ended}."


def _fastest(study: AnalysedStudy, lang: Language) -> str:
    axis = "seconds" if study.timed else "examples"
    costs = costs_to_target(study.cells.values(), study.curves, axis)
    reached = sorted((cost, label) for label, cost in costs.items() if math.isfinite(cost))
    target = lang.local(f"{TARGET:g}")
    if not reached:
        return lang.say("Every cell misses a loss of {target} in half of its runs or more.", target=target)
    (least, first), (most, last) = reached[0], reached[-1]
    text = lang.say(
        "{first} is the first to reach a loss of {target}, after a median of {least}",
        first=formats.quoted(first),
        target=target,
        least=_cost(least, axis, lang),
    )
    if len(reached) > 1:
        text += lang.say(", and {last} the last, after {most}", last=formats.quoted(last), most=_cost(most, axis, lang))
        times = lang.number(most / least, 2)
        text += (
            lang.say(", {times} times as long", times=times)
            if axis == "seconds"
            else lang.say(", {times} times as many", times=times)
        )
    if len(reached) < len(costs):
        text += lang.say(
            "; {missed} of {n} cells miss it in half of their runs or more",
            missed=len(costs) - len(reached),
            n=len(costs),
        )
    return f"{text}."


def _cost(value: float, axis: str, lang: Language) -> str:
    if axis == "seconds":
        return lang.say("{seconds} of training", seconds=lang.seconds(value))
    return lang.say("{n} examples", n=lang.local(f"{value:,.0f}"))


def _agreement(study: AnalysedStudy, rows: list[Row], lang: Language) -> list[str]:
    """How many cells agree with published values, and which end above where they start; nothing where none does."""
    compared = [row for row in rows if row.comparison.inside is not None]
    outside = [formats.quoted(row.label) for row in compared if not row.comparison.inside]
    sentences = []
    if compared:
        text = lang.count(
            len(compared),
            "The mean final loss is within three standard errors of what 1000 earlier seeds gave in {inside} of {n} "
            "comparable cell",
            "The mean final loss is within three standard errors of what 1000 earlier seeds gave in {inside} of {n} "
            "comparable cells",
            inside=len(compared) - len(outside),
        )
        if outside:
            text += lang.say(" (not in {cells})", cells=lang.listed(outside))
        sentences.append(f"{text}.")
    risen = [
        lang.say(
            "{cell} ends above where it starts ({initial} to {final})",
            cell=formats.quoted(cell.name),
            initial=lang.loss(initial),
            final=lang.loss(final),
        )
        for cell, initial, final in unstable(study.cells.values())
    ]
    return [*sentences, f"{lang.listed(risen)}."] if risen else sentences
