"""Three sentences about a study: what was trained, who is fastest, and whether it is what others found."""

import math
from collections import Counter

from pipeline.figures import formats
from pipeline.figures.cells import TARGET, CellSummary, costs_to_target, unstable
from pipeline.figures.registry import Tables
from pipeline.report.rows import Row
from pipeline.report.sweep_section import sweep_summary


def summarise(tables: Tables, rows: list[Row], data_title: str, *, sweep: bool = False) -> list[str]:
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

    Returns
    -------
    list of str
        Sentences; every number in them is computed from the tables.
    """
    cells = tables.cells
    if sweep:
        return [_trained(cells, data_title), *sweep_summary(tables)]
    return [_trained(cells, data_title), _fastest(cells, tables), _agreement(cells, rows)]


def _trained(cells: list[CellSummary], data_title: str) -> str:
    counts: Counter[str] = sum((Counter(cell.statuses) for cell in cells), Counter())
    total = counts.total()
    words = f"{formats.count(total, 'run')} of {formats.count(len(cells), 'cell')} trained on {data_title}"
    if counts["ok"] == total:
        return f"{words}, and all of them ended with status ok."
    return f"{words}: {formats.listed([f'{n:,} {status}' for status, n in counts.items()])}."


def _fastest(cells: list[CellSummary], tables: Tables) -> str:
    axis = "seconds" if tables.curves["seconds"].notna().any() else "examples"
    costs = costs_to_target(cells, tables.curves, axis)
    reached = sorted((cost, label) for label, cost in costs.items() if math.isfinite(cost))
    if not reached:
        return f"Every cell misses a loss of {TARGET:g} in half of its runs or more."
    (least, first), (most, last) = reached[0], reached[-1]
    text = f"{formats.quoted(first)} is the first to reach a loss of {TARGET:g}, after a median of {_cost(least, axis)}"
    if len(reached) > 1:
        text += f", and {formats.quoted(last)} the last, after {_cost(most, axis)}"
        text += f", {formats.number(most / least, 2)} times as {'long' if axis == 'seconds' else 'many'}"
    if len(reached) < len(cells):
        text += f"; {len(cells) - len(reached)} of {len(cells)} cells miss it in half of their runs or more"
    return f"{text}."


def _cost(value: float, axis: str) -> str:
    return f"{formats.seconds(value)} of training" if axis == "seconds" else f"{value:,.0f} examples"


def _agreement(cells: list[CellSummary], rows: list[Row]) -> str:
    compared = [row for row in rows if row.comparison.inside is not None]
    outside = [formats.quoted(row.label) for row in compared if not row.comparison.inside]
    if not compared:
        text = "No cell could be compared with published values"
    else:
        text = (
            f"The mean final loss is within three standard errors of what 1000 earlier seeds gave in "
            f"{len(compared) - len(outside)} of {formats.count(len(compared), 'comparable cell')}"
        )
        if outside:
            text += f" (not in {formats.listed(outside)})"
    risen = [
        f"{formats.quoted(cell.label)} ends above where it starts ({formats.loss(initial)} to {formats.loss(final)})"
        for cell, initial, final in unstable(cells)
    ]
    return f"{text}; {formats.listed(risen)}." if risen else f"{text}."
