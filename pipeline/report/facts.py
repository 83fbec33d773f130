"""How runs ended, what clock they have, and facts about the data."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from pipeline.analysis.cells import unstable
from pipeline.lab import formats
from pipeline.lab.results import CellResults, StudyResults
from pipeline.report.language import ENGLISH, Language, mark

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
    timed = int(study.runs["seconds_per_epoch"].notna().sum())
    total = len(study.runs)
    if not timed:
        return lang.count(
            total,
            "None of the {n} run has a clock (engine {engines}).",
            "None of the {n} runs has a clock (engine {engines}).",
            engines=lang.listed(sorted(engines)),
        )
    seeds = study.runs.groupby("cell_id").size()
    repeats = lang.whole(int(seeds.min()))
    if seeds.min() != seeds.max():
        repeats = lang.say("{low} to {high}", low=int(seeds.min()), high=int(seeds.max()))
    return lang.count(
        total,
        "{timed} of {n} run have a clock; a cell's seconds are the median of {repeats} repeats.",
        "{timed} of {n} runs have a clock; a cell's seconds are the median of {repeats} repeats.",
        timed=timed,
        repeats=repeats,
    )


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
