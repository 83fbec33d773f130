"""The cells of a study as figures and the report name them, and their seeds summarised."""

import functools
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: The loss at which costs are compared: all four of the textbook's runs come below it.
TARGET = 0.25

#: Stands for infinity where quantiles are interpolated, because inf - inf is not a number.
_HUGE = 1e300


@dataclass(frozen=True, eq=False)
class CellSummary:
    """One cell with its runs.

    Parameters
    ----------
    cell_id : str
        Its id.
    label : str
        Its name for people, unique within the study.
    config : dict
        The effective configuration.
    runs : DataFrame
        Its rows of the table of runs.
    """

    cell_id: str
    label: str
    config: dict[str, Any]
    runs: pd.DataFrame = field(repr=False)

    @property
    def batch_size(self) -> int:
        """Examples per minibatch."""
        return int(self.runs["batch_size"].iloc[0])

    @property
    def implementation(self) -> str:
        """``scratch`` or ``torch``."""
        return str(self.runs["implementation"].iloc[0])

    @property
    def optimizer(self) -> str:
        """The update rule's name."""
        return str(self.runs["optimizer"].iloc[0])

    @functools.cached_property
    def statuses(self) -> dict[str, int]:
        """How many runs have each status, ``ok`` first."""
        counts = Counter(map(str, self.runs["status"]))
        return dict(sorted(counts.items(), key=lambda item: ("ok", "diverged", "error", item[0]).index(item[0])))

    @property
    def note(self) -> str:
        """The label, and how many runs did not end well.

        Examples: ``sgd``, ``sgd (3 of 20 diverged)``.
        """
        return f"{shortened(self.label)} ({self.trouble})" if self.trouble else shortened(self.label)

    @property
    def trouble(self) -> str:
        """How many runs did not end well; empty where all did."""
        return ", ".join(f"{n} of {len(self.runs)} {status}" for status, n in self.statuses.items() if status != "ok")

    @functools.cached_property
    def losses(self) -> NDArray[np.float64]:
        """Final losses, infinite where a run diverged, without the runs that have none."""
        status = self.runs["status"].to_numpy(dtype=object)
        losses = self.runs["final_loss"].to_numpy(dtype=float, na_value=np.nan)
        losses = np.where((status == "diverged") | np.isinf(losses), np.inf, losses)
        return np.asarray(losses[~np.isnan(losses) & (status != "error")])

    @property
    def seconds_per_epoch(self) -> NDArray[np.float64]:
        """Training seconds per epoch of each run that has a clock."""
        values = self.runs["seconds_per_epoch"].to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(values[np.isfinite(values)])


def cells_of(runs: pd.DataFrame) -> list[CellSummary]:
    """The cells of a table of runs, in the order in which they first occur.

    Labels that several cells share, as those of a grid do, are told apart by batch size and rate.
    """
    groups = [(str(cell_id), rows) for cell_id, rows in runs.groupby("cell_id", sort=False)]
    configs = [json.loads(str(rows["config"].iloc[0])) for _, rows in groups]
    labels = [str(config.get("label") or "") for config in configs]
    shared = Counter(labels)
    cells = []
    for (cell_id, rows), config, label in zip(groups, configs, labels, strict=True):
        first = rows.iloc[0]
        if not label or shared[label] > 1:
            point = f"b = {first['batch_size']}, lr {first['lr']:g}"
            label = f"{label or first['optimizer']}, {point}"
        cells.append(CellSummary(cell_id, label, config, rows))
    repeated = Counter(cell.label for cell in cells)
    return [CellSummary(c.cell_id, c.cell_id, c.config, c.runs) if repeated[c.label] > 1 else c for c in cells]


def shortened(label: str, longest: int = 36) -> str:
    """Cut a label that would push everything else out of a figure."""
    return label if len(label) <= longest else label[: longest - 1].rstrip() + "…"


def quantiles(values: NDArray[np.float64], q: float | list[float]) -> Any:
    """Quantiles over the first axis; infinite values count as larger than all others.

    Parameters
    ----------
    values : ndarray, shape (n, ...)
        Not NaN.
    q : float or list of float
        From 0 to 1.

    Returns
    -------
    float or ndarray
        As :func:`numpy.quantile`; infinite where runs at that quantile are.
    """
    found = np.quantile(np.where(np.isinf(values), _HUGE, values), q, axis=0)
    return np.where(found > _HUGE / 1e6, np.inf, found)


def curve_table(cell: CellSummary, curves: pd.DataFrame) -> pd.DataFrame:
    """Summarise a cell's curves over its seeds, reading by reading.

    A run that diverged stops; from then on it counts as infinite, so that the median is not one of
    the survivors.

    Parameters
    ----------
    cell : CellSummary
        The cell.
    curves : DataFrame
        The study's readings.

    Returns
    -------
    DataFrame
        Index ``step``; columns ``examples``, ``epoch``, ``seconds`` (medians over the seeds that got
        there), ``loss`` (median), ``low`` and ``high`` (10 and 90 % quantiles).
    """
    own = curves[curves["cell_id"] == cell.cell_id]
    losses = own.set_index(["step", "seed"])["loss"].astype(float).unstack("seed")  # noqa: PD010 -- no aggregation
    axes = own.groupby("step")[["examples", "epoch", "seconds"]].median().astype(float)
    if losses.empty:
        return axes.assign(loss=[], low=[], high=[])
    low, middle, high = quantiles(losses.fillna(np.inf).to_numpy().T, [0.1, 0.5, 0.9])
    return axes.assign(loss=middle, low=low, high=high)


def costs_to_target(
    cells: list[CellSummary], curves: pd.DataFrame, axis: str, target: float = TARGET
) -> dict[str, float]:
    """Median over the seeds of what a run spends until its loss is at most the target.

    Parameters
    ----------
    cells : list of CellSummary
        A study's cells.
    curves : DataFrame
        The study's readings.
    axis : str
        ``seconds``, ``examples`` or ``epoch``.
    target : float
        The loss.

    Returns
    -------
    dict
        Label to the cost at the first such reading; infinite where half of the runs or more never
        get there, NaN where the cost was not measured.
    """
    reached = curves[curves["loss"] <= target].groupby(["cell_id", "seed"])[axis].min()
    firsts = {str(cell_id): own.droplevel(0) for cell_id, own in reached.groupby(level=0)}
    readings = curves.groupby("cell_id")[axis].agg(["size", "count"])
    unmeasured = set(readings.index[(readings["size"] > 0) & (readings["count"] == 0)])
    costs = {}
    for cell in cells:
        first = firsts.get(cell.cell_id, pd.Series(dtype=float)).reindex(cell.runs["seed"]).astype(float).fillna(np.inf)
        median = float(quantiles(np.asarray(first, dtype=np.float64), 0.5))
        costs[cell.label] = math.nan if cell.cell_id in unmeasured else median
    return costs


def unstable(cells: list[CellSummary]) -> list[tuple[CellSummary, float, float]]:
    """The cells whose runs are ``ok`` and whose loss rose all the same.

    Parameters
    ----------
    cells : list of CellSummary
        A study's cells.

    Returns
    -------
    list of (CellSummary, float, float)
        Cell, median initial and median final loss.
    """
    found = []
    for cell in cells:
        rows = cell.runs[cell.runs["status"] == "ok"]
        initial, final = (float(rows[name].astype(float).median()) for name in ("initial_loss", "final_loss"))
        if math.isfinite(final) and final > initial:
            found.append((cell, initial, final))
    return found
