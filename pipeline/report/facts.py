"""What the page says of how runs ended, of their clock, and of the data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pipeline.figures.cells import CellSummary, unstable
from pipeline.figures.registry import Tables
from pipeline.lab import formats
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


def statuses(tables: Tables, lang: Language, *, notes: bool) -> dict[str, Any]:
    """Say how many runs ended how, and list the cells about which there is more to say.

    Returns
    -------
    dict
        ``counts`` (a status to a number) and ``notes`` (sentences).
    """
    cells = tables.cells
    counts: Counter[str] = sum((Counter(cell.statuses) for cell in cells), Counter())
    counted = {status: counts.get(status, 0) for status in dict.fromkeys(["ok", "diverged", "error", *counts])}
    return {"counts": counted, "notes": _notes(cells, lang) if notes else []}


def _notes(cells: Sequence[CellSummary], lang: Language) -> list[str]:
    notes = []
    for cell in cells:
        label = formats.quoted(cell.label)
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
    for cell, initial, final in unstable(list(cells)):
        notes.append(
            lang.say(
                "{label} has status ok and yet its loss rises from {initial} to {final}: it was on its way to "
                "divergence when its epochs were over.",
                label=formats.quoted(cell.label),
                initial=lang.loss(initial),
                final=lang.loss(final),
            )
        )
    return notes


def clock(tables: Tables, lang: Language) -> str:
    """Say which runs have a clock."""
    engines = Counter(map(str, tables.runs["engine"]))
    timed = int(tables.runs["seconds_per_epoch"].notna().sum())
    total = len(tables.runs)
    if not timed:
        return lang.count(
            total,
            "None of the {n} run has a clock (engine {engines}).",
            "None of the {n} runs has a clock (engine {engines}).",
            engines=lang.listed(sorted(engines)),
        )
    seeds = tables.runs.groupby("cell_id").size()
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


def data_facts(
    studies: Mapping[str, Tables], provenance: Mapping[str, Any] | None, lang: Language
) -> dict[str, dict[str, str]]:
    """Title, credit, licence, source and hash of the data.

    Returns
    -------
    dict
        A key to its ``name`` in the report's language and its ``value``.
    """
    if provenance is None:
        config = next(tables.cells[0].config.get("data", {}) for tables in studies.values())
        found = {
            "title": config.get("title") or config.get("name"),
            **{k: config.get(k) for k in ("credit", "licence")},
        }
    else:
        found = {key: provenance.get(key) for key in ("title", "credit", "licence", "source", "sha1")}
        found["source"] = found["source"] and public_source(str(found["source"]), lang)
    names = {
        "title": lang.say("Data"),
        "credit": lang.say("Credit"),
        "licence": lang.say("Licence"),
        "source": lang.say("Source"),
        "sha1": "SHA-1",
    }
    missing = {"title": lang.say("unknown data")}
    not_recorded = lang.say("not recorded")
    return {
        key: {"name": names[key], "value": str(value or missing.get(key, not_recorded))} for key, value in found.items()
    }


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
