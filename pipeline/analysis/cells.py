"""A study's cells, summarised over their seeds."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.costs import costs
from pipeline.lab.language import ENGLISH, Language, mark
from pipeline.lab.results import CellResults

#: The loss at which costs are compared: all four of the textbook's runs come below it.
TARGET = 0.25

#: How runs end that do not end well; looked up.
_STATUSES = (mark("diverged"), mark("error"))

#: Stands for infinity where quantiles are interpolated, because inf - inf is not a number.
_HUGE = 1e300


def trouble(cell: CellResults, lang: Language = ENGLISH) -> str:
    """How many runs did not end well, as ``3 of 20 diverged``; empty where all did."""
    bad = {lang.word(status): n for status, n in cell.statuses.items() if status != "ok"}
    return ", ".join(
        lang.say("{n} of {total} {status}", n=n, total=len(cell.runs), status=status) for status, n in bad.items()
    )


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


def curve_table(own: pd.DataFrame, band: tuple[float, float] = (0.1, 0.9)) -> pd.DataFrame:
    """Summarise a cell's curves over its seeds, reading by reading.

    A run that diverged stops; from then on it counts as infinite, so that the median is not one of
    the survivors.

    Parameters
    ----------
    own : DataFrame
        The cell's readings.
    band : tuple of float
        The quantiles over the seeds that ``low`` and ``high`` are.

    Returns
    -------
    DataFrame
        Index ``step``; columns ``examples``, ``epoch``, ``seconds`` (medians over the seeds that got
        there), ``loss`` (median), ``low`` and ``high``, ``seed`` (of the run nearest to the
        median).
    """
    losses = own.set_index(["step", "seed"])["loss"].astype(float).unstack("seed")  # noqa: PD010 -- no aggregation
    axes = own.groupby("step")[["examples", "epoch", "seconds"]].median().astype(float)
    if losses.empty:
        return axes.assign(loss=[], low=[], high=[], seed=[])
    values = losses.fillna(np.inf).to_numpy()
    low, middle, high = quantiles(values.T, [band[0], 0.5, band[1]])
    with np.errstate(invalid="ignore"):  # inf - inf, where half of the runs diverged
        distance = np.where(np.isinf(values), np.inf, abs(values - middle[:, None]))
    return axes.assign(loss=middle, low=low, high=high, seed=losses.columns.to_numpy()[distance.argmin(axis=1)])


def costs_to_target(
    cells: Iterable[CellResults], curves: pd.DataFrame, axis: str, target: float = TARGET
) -> dict[str, float]:
    """Median over the seeds of what a run spends until its loss is at most the target.

    Parameters
    ----------
    cells : iterable of CellResults
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
        Name to the cost, between readings too (:func:`pipeline.analysis.costs.costs`); infinite where half of the runs
        or more never get there, NaN where the cost was not measured.
    """
    readings = {str(cell_id): own for cell_id, own in curves.groupby("cell_id")}
    spent = {cell.name: costs_of_runs(cell, readings.get(cell.id, curves.iloc[:0]), axis, target) for cell in cells}
    return {
        name: math.nan if each is None else float(quantiles(np.asarray(each, dtype=np.float64), 0.5))
        for name, each in spent.items()
    }


def costs_of_runs(cell: CellResults, readings: pd.DataFrame, axis: str, target: float) -> "pd.Series[float] | None":
    """What each run of a cell spends until its loss is at a target, between readings too.

    See :func:`pipeline.analysis.costs.costs`.

    Parameters
    ----------
    cell : CellResults
        The cell.
    readings : DataFrame
        Its rows of the table of curves.
    axis : str
        The column that is spent: ``step``, ``examples``, ``epoch`` or ``seconds``.
    target : float
        The loss.

    Returns
    -------
    Series or None
        By seed, infinite where a run never gets there; None where there are readings and the cost was not measured.
    """
    if len(readings) and readings[axis].isna().all():
        return None
    spent = costs(readings, "loss", target, [(axis, axis)]).set_index("seed")[axis]
    return spent.reindex(cell.runs["seed"]).astype(float).fillna(np.inf)


def unstable(cells: Iterable[CellResults]) -> list[tuple[CellResults, float, float]]:
    """The cells whose runs are ``ok`` and whose loss rose all the same.

    Parameters
    ----------
    cells : iterable of CellResults
        A study's cells.

    Returns
    -------
    list of (CellResults, float, float)
        Cell, median initial and median final loss.
    """
    found = []
    for cell in cells:
        rows = cell.runs[cell.runs["status"] == "ok"]
        initial, final = (float(rows[name].astype(float).median()) for name in ("initial_loss", "final_loss"))
        if math.isfinite(final) and final > initial:
            found.append((cell, initial, final))
    return found
