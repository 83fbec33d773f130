"""A study in words: what was trained, how runs ended, what clock they have, and facts about the data."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from pipeline.analysis.cells import TARGET, costs_to_target, unstable
from pipeline.analysis.study import AnalysedStudy
from pipeline.lab import formats
from pipeline.lab.results import CellResults, StudyResults
from pipeline.report.language import ENGLISH, Language, mark
from pipeline.report.rows import Row
from pipeline.report.sweep_section import sweep_summary

#: What the catalogues must have: the machine's facts, whose names are looked up.
MACHINE = (
    mark("CPU"),
    mark("Cores"),
    mark("Memory"),
    mark("Operating system"),
    mark("Python"),
    mark("Torch threads"),
)


def statuses(study: StudyResults, lang: Language, *, notes: bool) -> dict[str, Any]:
    """Say how many runs ended how, and list the cells about which there is more to say.

    Returns
    -------
    dict
        ``counts`` (a status to a number) and ``notes`` (sentences).
    """
    counts = Counter(map(str, study.runs["status"]))
    counted = {status: counts[status] for status in dict.fromkeys(["ok", "diverged", "error", *counts])}
    return {"counts": counted, "notes": _notes(list(study.cells.values()), lang) if notes else []}


def _notes(cells: Sequence[CellResults], lang: Language) -> list[str]:
    notes = []
    for cell in cells:
        label = formats.quoted(cell.name)
        for status, n in cell.statuses.items():
            if status == "ok":
                continue
            rows = cell.runs[cell.runs["status"] == status]
            seeds = lang.listed([str(seed) for seed in rows["seed"]])
            text = lang.say(
                "{label}: {n} of {total} runs ended with status {status}",
                label=label,
                n=n,
                total=len(cell.runs),
                status=status,
            )
            steps = rows["diverged_step"].dropna().astype(float)
            if len(steps):
                text += lang.say(", noticed at step {step} (median)", step=lang.local(f"{steps.median():,.0f}"))
            notes.append(lang.say("{text}; seeds {seeds}.", text=text, seeds=seeds))
    for cell, initial, final in unstable(cells):
        notes.append(
            lang.say(
                "{label} has status ok and yet its loss rises from {initial} to {final}: it was on its way to "
                "divergence when its epochs were over.",
                label=formats.quoted(cell.name),
                initial=lang.loss(initial),
                final=lang.loss(final),
            )
        )
    return notes


def clock(study: StudyResults, lang: Language) -> str:
    """Say which runs have a clock."""
    engines = Counter(map(str, study.runs["engine"]))
    with_clock = study.runs["seconds_per_epoch"].notna()
    timed = int(with_clock.sum())
    total = len(study.runs)
    if not timed:
        return lang.count(
            total,
            "None of the {n} run has a clock (engine {engines}).",
            "None of the {n} runs has a clock (engine {engines}).",
            engines=lang.listed(sorted(engines)),
        )
    seeds = study.runs[with_clock].groupby("cell_id").size()
    repeats = lang.whole(int(seeds.min()))
    if seeds.min() != seeds.max():
        repeats = lang.say("{low} to {high}", low=int(seeds.min()), high=int(seeds.max()))
    text = lang.count(
        total,
        "{timed} of {n} run have a clock; a cell's seconds are the median of {repeats} repeats.",
        "{timed} of {n} runs have a clock; a cell's seconds are the median of {repeats} repeats.",
        timed=timed,
        repeats=repeats,
    )
    machine, *others = study.clocks or [""]
    if others:
        text += lang.say(
            " Seconds are those of {machine}; those of {others} are left out, because a median over two machines is "
            "the time of neither.",
            machine=machine,
            others=lang.listed(others),
        )
    return text


def data_facts(studies: Iterable[StudyResults], lang: Language) -> list[dict[str, str]]:
    """Title, credit, licence, source and hash of every data set, by their names in the report's language."""
    found = []
    for facts in dict.fromkeys(facts for study in studies for facts in study.data):
        values = {
            lang.say("Data"): facts.title,
            lang.say("Credit"): facts.credit,
            lang.say("Licence"): facts.licence,
            lang.say("Source"): public_source(facts.source, lang) if facts.source else "",
            "SHA-1": facts.sha1,
        }
        entry = {name: value or lang.say("not recorded") for name, value in values.items()}
        if entry not in found:
            found.append(entry)
    return found


def about(studies: Sequence[StudyResults], lang: Language) -> str:
    """Say what the page is about: how many runs of which models on which data, where, and when it was written."""
    data, models, machines = (
        lang.listed(list(dict.fromkeys(found)))
        for found in (
            [facts.title for study in studies for facts in study.data],
            [str(model) for study in studies for model in study.runs["model"].unique()],
            [str(machine) for study in studies for machine in study.runs["machine"].unique()],
        )
    )
    return lang.count(
        sum(len(study.runs) for study in studies),
        "{n} run (model: {models}) on {data}, trained on {machines}; written on {date}.",
        "{n} runs (model: {models}) on {data}, trained on {machines}; written on {date}.",
        **{"models": models, "data": data, "machines": machines, "date": date.today().isoformat()},
    )


def public_source(source: str, lang: Language = ENGLISH) -> str:
    """Name a source without the folders of this machine: a report is made to be given away.

    Examples
    --------
    >>> public_source("/home/ada/data/airfoil.dat"), public_source("https://example.org/airfoil.zip")
    ('a local copy, airfoil.dat', 'https://example.org/airfoil.zip')
    """
    if urlsplit(source).scheme in {"http", "https"} or not ("/" in source or "\\" in source):
        return source
    return lang.say("a local copy, {file}", file=source.replace("\\", "/").rsplit("/", 1)[-1])


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
