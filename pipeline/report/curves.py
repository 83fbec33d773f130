"""The loss curves as the page draws them: the cells, their groups, and their readings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.cells import TARGET, curve_table, trouble
from pipeline.analysis.study import AnalysedStudy
from pipeline.lab.command import command_of
from pipeline.lab.results import CellResults
from pipeline.report.clocks import with_seconds

#: Most cells of a study that are drawn, and most readings of one. Beyond, an even choice of them.
MAX_CELLS = 120
MAX_READINGS = 120
#: Up to so many lines, each has a colour and a dash of its own.
MAX_LINES = 10


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
    """

    cells: list[CellResults]
    total: int
    best: bool
    curves: dict[str, pd.DataFrame]
    target: float


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
    return Drawn(cells, len(study.cells), best, with_seconds(study, cells), target)


def records(chosen: Drawn) -> list[dict[str, Any]]:
    """Write the cells and their curves as the page's script reads them.

    Parameters
    ----------
    chosen : Drawn
        The cells.

    Returns
    -------
    list of dict
        ``id``, ``label``, ``optimizer``, ``batch_size``, ``lr``, ``seeds``, ``command`` (None where none is known),
        ``mlflow`` (the filter that finds its run), ``trouble`` (how many runs did not end well), and lists with one
        value a reading: ``step``, ``examples``, ``epochs``, ``seconds`` (None without a clock), ``loss`` (the median
        over the seeds), ``low``, ``high`` (its 10 and 90 % quantiles), ``seed`` (the run next to the median).
    """
    return [_record(cell, chosen.curves[cell.id]) for cell in chosen.cells]


def views(cells: Sequence[CellResults]) -> list[dict[str, Any]]:
    """The groups of cells that are drawn together.

    Parameters
    ----------
    cells : sequence of CellResults
        The cells of a study that are drawn.

    Returns
    -------
    list of dict
        ``kind`` (``all``, ``optimizer`` or ``batch_size``), ``value``, ``colour`` (what tells the lines apart:
        ``label``, ``optimizer`` or ``batch_size``) and ``cells`` (positions). Every cell is in the first one, unless
        there are so many that only groups can be read.
    """
    everything = range(len(cells))
    axes: dict[str, dict[Any, list[int]]] = {"optimizer": {}, "batch_size": {}}
    for position, cell in enumerate(cells):
        axes["optimizer"].setdefault(cell.optimizer, []).append(position)
        axes["batch_size"].setdefault(cell.batch_size, []).append(position)
    found = []
    if len(cells) <= MAX_LINES:
        return [{"kind": "all", "value": "", "colour": "label", "cells": list(everything)}]
    if len(cells) <= 3 * MAX_LINES:
        kinds = [kind for kind in axes if 1 < len(axes[kind]) <= MAX_LINES]
        found.append({"kind": "all", "value": "", "colour": (kinds or ["batch_size"])[0], "cells": list(everything)})
    for kind, groups in axes.items():
        for value, group in sorted(groups.items()) if len(groups) > 1 else []:
            other = "batch_size" if kind == "optimizer" else "optimizer"
            colour = "label" if len(group) <= MAX_LINES else other
            found.append({"kind": kind, "value": str(value), "colour": colour, "cells": group})
    return found or [{"kind": "all", "value": "", "colour": "batch_size", "cells": list(everything)}]


def _record(cell: CellResults, curves: pd.DataFrame) -> dict[str, Any]:
    seeds = sorted(int(seed) for seed in cell.runs["seed"])
    from_zero = seeds == list(range(len(seeds)))
    first = cell.runs.iloc[0]
    return {
        "id": cell.id,
        "label": cell.name,
        "optimizer": cell.optimizer,
        "batch_size": cell.batch_size,
        "lr": cell.lr,
        "seeds": f"0–{seeds[-1]}" if from_zero and len(seeds) > 1 else ", ".join(map(str, seeds)),
        "command": command_of(cell.config, cell.id, seeds[-1] + 1, str(first["engine"])),
        "mlflow": f'tags.cell_id = "{cell.id}"',
        "trouble": trouble(cell),
        **_readings(curves),
    }


def _readings(curves: pd.DataFrame) -> dict[str, Any]:
    """Medians, quantiles and the run next to the median, reading by reading, up to where half of the runs diverged."""
    table = curve_table(curves).reset_index().rename(columns={"epoch": "epochs"})
    table = table[np.isfinite(table["loss"].astype(float))]
    if len(table) > MAX_READINGS:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, MAX_READINGS).round().astype(int))]
    counts = {name: table[name].astype(int).tolist() for name in ("step", "examples", "seed")}
    values = {name: _short(table[name]) for name in ("epochs", "seconds", "loss", "low", "high")}
    return {**counts, **values, "seconds": None if table["seconds"].isna().all() and len(table) else values["seconds"]}


def _short(values: Any) -> list[float | None]:
    """Seven digits are more than a screen shows; what is not finite is none."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values]
