"""Three sentences about a study: what was trained, who is fastest, and whether it is what others found."""

import math
from collections import Counter

from pipeline.figures.cells import TARGET, CellSummary, costs_to_target, unstable
from pipeline.figures.registry import Tables
from pipeline.lab import formats
from pipeline.report.language import ENGLISH, Language
from pipeline.report.rows import Row
from pipeline.report.sweep_section import sweep_summary


def summarise(
    tables: Tables, rows: list[Row], data_title: str, *, sweep: bool = False, lang: Language = ENGLISH
) -> list[str]:
    """Write the summary.

    Parameters
    ----------
    tables : Tables
        One study.
    rows : list of Row
        Its lines of the table.
    data_title : str
        What the data are called.
    sweep : bool
        Whether the study is to be read as a grid, whose cells have no names.
    lang : Language
        The report's.

    Returns
    -------
    list of str
        Sentences; every number in them is computed from the tables.
    """
    cells = tables.cells
    if sweep:
        return [_trained(cells, data_title, lang), *sweep_summary(tables, lang)]
    return [_trained(cells, data_title, lang), _fastest(cells, tables, lang), _agreement(cells, rows, lang)]


def _trained(cells: list[CellSummary], data_title: str, lang: Language) -> str:
    counts: Counter[str] = sum((Counter(cell.statuses) for cell in cells), Counter())
    total = counts.total()
    words = lang.say(
        "{runs} of {cells} trained on {data}",
        runs=lang.count(total, "{n} run", "{n} runs"),
        cells=lang.count(len(cells), "{n} cell", "{n} cells"),
        data=data_title,
    )
    if counts["ok"] == total:
        return lang.say("{words}, and all of them ended with status ok.", words=words)
    ended = lang.listed([f"{lang.whole(n)} {status}" for status, n in counts.items()])
    return f"{words}: {ended}."


def _fastest(cells: list[CellSummary], tables: Tables, lang: Language) -> str:
    axis = "seconds" if tables.curves["seconds"].notna().any() else "examples"
    costs = costs_to_target(cells, tables.curves, axis)
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
    if len(reached) < len(cells):
        text += lang.say(
            "; {missed} of {n} cells miss it in half of their runs or more",
            missed=len(cells) - len(reached),
            n=len(cells),
        )
    return f"{text}."


def _cost(value: float, axis: str, lang: Language) -> str:
    if axis == "seconds":
        return lang.say("{seconds} of training", seconds=lang.seconds(value))
    return lang.say("{n} examples", n=lang.local(f"{value:,.0f}"))


def _agreement(cells: list[CellSummary], rows: list[Row], lang: Language) -> str:
    compared = [row for row in rows if row.comparison.inside is not None]
    outside = [formats.quoted(row.label) for row in compared if not row.comparison.inside]
    if not compared:
        text = lang.say("No cell could be compared with published values")
    else:
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
    risen = [
        lang.say(
            "{cell} ends above where it starts ({initial} to {final})",
            cell=formats.quoted(cell.label),
            initial=lang.loss(initial),
            final=lang.loss(final),
        )
        for cell, initial, final in unstable(cells)
    ]
    return f"{text}; {lang.listed(risen)}." if risen else f"{text}."
