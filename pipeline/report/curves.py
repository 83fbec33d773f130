"""The loss curves as the page draws them: the cells, their groups, and their readings."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.cells import TARGET, curve_table, quantiles, trouble
from pipeline.analysis.study import AnalysedStudy
from pipeline.lab.command import command_of
from pipeline.lab.grouping import grouped
from pipeline.lab.results import CellResults
from pipeline.report.clocks import with_seconds
from pipeline.report.language import ENGLISH, Language

#: Most cells of a study that are drawn, and most readings of one. Beyond, an even choice of them.
MAX_CELLS = 120
MAX_READINGS = 120
#: Most cells of a sweep on its map, each with its curve.
MAX_MAPPED = 2000
#: What the bands go from and to.
QUARTILES = 0.25, 0.75
#: More than any run has steps.
FAR = 10**12


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn of a study.

    Parameters
    ----------
    cells : list of CellResults
        In the order of the study.
    total : int
        How many cells the study has.
    best : bool
        Whether they are, for each optimizer and batch size, the cell that is first at the target.
    curves : dict
        A cell's id to its readings, with seconds where they can be known.
    target : float
        The loss to reach.
    others : list of CellResults
        The sweep's other cells, which are on its map; empty where they are too many.
    series : dict
        A cell's id to what it shares with the cells that differ in batch size and learning rate alone.
    """

    cells: list[CellResults]
    total: int
    best: bool
    curves: dict[str, pd.DataFrame]
    target: float
    others: list[CellResults]
    series: dict[str, str]


@lru_cache(maxsize=16)  # the page asks, and then the terminal
def drawn(study: AnalysedStudy) -> Drawn:
    """Choose the cells of a study that are drawn.

    Parameters
    ----------
    study : AnalysedStudy
        The study.

    Returns
    -------
    Drawn
        Every cell, or of a sweep those that reach the target first, one for each optimizer and batch size.
    """
    cells, best, target = list(study.cells.values()), study.kind == "sweep", TARGET
    if best:
        target = study.sweep.target.loss
        ids = study.sweep.grid.cells["cell_id"].iloc[study.sweep.scaling["row"]]
        cells = [study.cells[cell_id] for cell_id in study.cells if cell_id in set(ids)]
    if len(cells) > MAX_CELLS:
        cells = [cells[i] for i in np.linspace(0, len(cells) - 1, MAX_CELLS).round().astype(int)]
    mapped = list(study.cells.values()) if best and len(study.cells) <= MAX_MAPPED else cells
    others = list(dict.fromkeys([*cells, *mapped]))[len(cells) :]
    return Drawn(cells, len(study.cells), best, with_seconds(study, [*cells, *others]), target, others, study.series)


def records(chosen: Drawn, lang: Language = ENGLISH) -> list[dict[str, Any]]:
    """Write the cells and their curves as the page's script reads them.

    Parameters
    ----------
    chosen : Drawn
        The cells.
    lang : Language
        The report's.

    Returns
    -------
    list of dict
        Those that are drawn, then the others. Each has ``id``, ``label``, ``optimizer``, ``batch_size``, ``lr``,
        ``seeds``, ``series``, ``stack``, ``final`` (the median final loss, None where it is not finite), ``trouble``
        (how many runs did not end well), and lists with one value a reading: ``steps``, ``examples``, ``epochs``,
        ``seconds`` (None without a clock), ``loss`` (the median over the seeds), ``low``, ``high`` (their quartiles),
        ``seed`` (the run next to the median). Those that are drawn have a ``command``, None where none is known; that
        of another cell of the series differs from it in batch size, learning rate and stack.
    """
    tables, known = _tables(chosen.curves), {cell.id: command(cell) for cell in chosen.cells}
    found = [_record(cell, tables[cell.id], chosen.series[cell.id], lang) for cell in [*chosen.cells, *chosen.others]]
    return [one | ({"command": known[one["id"]]} if one["id"] in known else {}) for one in found]


def _tables(curves: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Summarise each cell up to where half of its runs diverged; those of the same seeds together, which is quicker."""
    found: dict[str, pd.DataFrame] = {}
    for ids in grouped((tuple(own["seed"].unique()), cell_id) for cell_id, own in curves.items()).values():
        far = [curves[one].assign(step=curves[one]["step"] + FAR * place) for place, one in enumerate(ids)]
        table = curve_table(pd.concat(far), QUARTILES)
        table = table[np.isfinite(table["loss"].astype(float))].rename(columns={"epoch": "epochs"})
        parts = dict(iter(table.assign(steps=table.index % FAR).groupby(table.index // FAR)))
        found |= {one: parts.get(place, table.assign(steps=0).iloc[:0]) for place, one in enumerate(ids)}
    return found


@lru_cache(maxsize=4096)
def command(cell: CellResults) -> str | None:
    """The command that trains a cell again; None where no command composes to it."""
    return command_of(cell.config, cell.id, int(cell.runs["seed"].max()) + 1, str(cell.runs["engine"].iloc[0]))


def _record(cell: CellResults, table: pd.DataFrame, series: str, lang: Language) -> dict[str, Any]:
    seeds = sorted(int(seed) for seed in cell.runs["seed"])
    from_zero = seeds == list(range(len(seeds)))
    if len(table) > MAX_READINGS:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, MAX_READINGS).round().astype(int))]
    values = {name: _short(table[name]) for name in ("epochs", "seconds", "loss", "low", "high")}
    return {
        "id": cell.id,
        "label": cell.name,
        "optimizer": cell.optimizer,
        "batch_size": cell.batch_size,
        "lr": cell.lr,
        "seeds": f"0–{seeds[-1]}" if from_zero and len(seeds) > 1 else ", ".join(map(str, seeds)),
        "series": series,
        "stack": cell.config.get("stack"),
        "final": _short([quantiles(cell.losses, 0.5) if cell.losses.size else math.nan])[0],
        "trouble": trouble(cell, lang),
        **{name: table[name].astype(int).tolist() for name in ("steps", "examples", "seed")},
        **values,
        "seconds": None if len(table) and set(values["seconds"]) == {None} else values["seconds"],
    }


def _short(values: Any) -> list[float | None]:
    """Seven digits are more than a screen shows; what is not finite is none."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values]
