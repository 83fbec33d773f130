"""The loss curves as the page draws them: the cells, their groups, and their readings."""

import math
from dataclasses import dataclass
from functools import lru_cache
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
#: What the bands go from and to.
QUARTILES = 0.25, 0.75


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
        ``trouble`` (how many runs did not end well), and lists with one value a reading: ``steps``, ``examples``,
        ``epochs``, ``seconds`` (None without a clock), ``loss`` (the median over the seeds), ``low``, ``high`` (their
        quartiles), ``seed`` (the run next to the median).
    """
    return [_record(cell, chosen.curves[cell.id]) for cell in chosen.cells]


@lru_cache(maxsize=4096)
def command(cell: CellResults) -> str | None:
    """The command that trains a cell again; None where no command composes to it."""
    return command_of(cell.config, cell.id, int(cell.runs["seed"].max()) + 1, str(cell.runs["engine"].iloc[0]))


def _record(cell: CellResults, curves: pd.DataFrame) -> dict[str, Any]:
    seeds = sorted(int(seed) for seed in cell.runs["seed"])
    from_zero = seeds == list(range(len(seeds)))
    return {
        "id": cell.id,
        "label": cell.name,
        "optimizer": cell.optimizer,
        "batch_size": cell.batch_size,
        "lr": cell.lr,
        "seeds": f"0–{seeds[-1]}" if from_zero and len(seeds) > 1 else ", ".join(map(str, seeds)),
        "command": command(cell),
        "trouble": trouble(cell),
        **_readings(curves),
    }


def _readings(curves: pd.DataFrame) -> dict[str, Any]:
    """Medians, quantiles and the run next to the median, reading by reading, up to where half of the runs diverged."""
    table = curve_table(curves, QUARTILES).reset_index().rename(columns={"step": "steps", "epoch": "epochs"})
    table = table[np.isfinite(table["loss"].astype(float))]
    if len(table) > MAX_READINGS:
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, MAX_READINGS).round().astype(int))]
    counts = {name: table[name].astype(int).tolist() for name in ("steps", "examples", "seed")}
    values = {name: _short(table[name]) for name in ("epochs", "seconds", "loss", "low", "high")}
    return {**counts, **values, "seconds": None if table["seconds"].isna().all() and len(table) else values["seconds"]}


def _short(values: Any) -> list[float | None]:
    """Seven digits are more than a screen shows; what is not finite is none."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values]
