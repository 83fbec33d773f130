"""The numbers of a cell's MLflow run: finals and curves, few enough for one batch."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: The columns of a table, of one cell: numbers as float64, texts as objects.
Columns = dict[str, NDArray[Any]]

#: Before the names of numbers that a run has one of: MLflow draws what has no folder first, the loss against steps.
SUMMARY = "summary/"
#: What the curves have of the examples held out.
HELD_OUT = ("validation_loss", "validation_accuracy")


class Reading(NamedTuple):
    """One value of a metric.

    ``seconds`` are training seconds since the run's start, so that MLflow's relative time axis
    shows the loss against them.
    """

    key: str
    value: float
    step: int
    seconds: float


def by_cell(table: pd.DataFrame, order: list[str]) -> Iterator[tuple[str, Columns]]:
    """Give the columns of each cell; far faster than a DataFrame for each.

    Parameters
    ----------
    table : DataFrame
        With a column ``cell_id``.
    order : list of str
        Columns to sort by, ``cell_id`` first.

    Yields
    ------
    tuple of str and dict
        The cell's id, and its columns by name.
    """
    table = table.sort_values(order, kind="stable")
    columns = {str(name): _array(table[name]) for name in sorted(table.columns)}
    cell_ids = columns["cell_id"]
    bounds = np.flatnonzero(cell_ids[1:] != cell_ids[:-1]) + 1
    for start, stop in pairwise([0, *bounds.tolist(), len(cell_ids)]):
        if start < stop:
            yield str(cell_ids[start]), {name: values[start:stop] for name, values in columns.items()}


def _array(column: "pd.Series[Any]") -> NDArray[Any]:
    """Numbers as float64, in which every whole number of the tables is exact; texts as objects."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    # A column of numbers without any may come without a type.
    return np.full(len(column), np.nan) if column.isna().all() else column.astype(object).to_numpy()


@np.errstate(over="ignore")  # to infinity, which is left out
def finals_of(cell: Columns) -> dict[str, float]:
    """Give one number a metric; those that are not finite are left out.

    A diverged run's final loss is infinite, whatever it was frozen at; an errored run has none.
    """
    ok, diverged = cell["status"] == "ok", cell["status"] == "diverged"
    losses = cell["final_loss"][ok]
    finals = {"steps": _median(cell["steps"]), "examples": _median(cell["examples"])}
    if ok.any() or diverged.any():
        infinite = [np.inf] * int(diverged.sum())
        finals["final_loss"] = float(np.median([*losses, *infinite]))
        finals["final_validation_loss"] = float(np.median([*cell["final_validation_loss"][ok], *infinite]))
    if ok.any() and not diverged.any():
        finals["final_loss_mean"] = float(losses.mean())
        finals["final_loss_sd"] = float(losses.std(ddof=1)) if len(losses) > 1 else np.nan
    finals |= {name: _median(cell[name]) for name in ("best_loss", "best_validation_loss")}
    finals["accuracy"] = _median(cell["accuracy"][ok])
    # A diverged run stopped early: its seconds are not a run's.
    finals |= {name: _median(cell[name][ok]) for name in ("train_seconds", "seconds_per_epoch")}
    finals["diverged_step"] = _median(cell["diverged_step"][diverged])
    return {key: value for key, value in finals.items() if np.isfinite(value)}


def _median(values: NDArray[np.float64]) -> float:
    """Median of what is there; NaN where nothing is."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def curve_statistics(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Give mean and quartiles of the loss at every step of every cell, over the runs that are well so far.

    Of what is read of the examples held out, the means; NaN where there are none.

    Returns
    -------
    DataFrame
        Columns ``cell_id, step, loss, loss_q25, loss_q75, validation_loss, validation_accuracy, seconds, runs``, in
        the order of cell and step.
    """
    readings = curves[["cell_id", "seed", "step", "seconds", "loss", *HELD_OUT]].merge(
        runs[["cell_id", "seed", "diverged_step"]], on=["cell_id", "seed"]
    )
    diverged_step = readings["diverged_step"].to_numpy(dtype="float64", na_value=np.inf)
    diverged_step[np.isnan(diverged_step)] = np.inf
    loss = readings["loss"].to_numpy(dtype="float64", na_value=np.nan)
    well = np.isfinite(loss) & (readings["step"].to_numpy() < diverged_step)
    readings = readings[well].astype(dict.fromkeys(["seconds", "loss", *HELD_OUT], "float64"))
    by_step = readings.groupby(["cell_id", "step"], sort=True)
    return pd.DataFrame(
        {
            "loss": by_step["loss"].mean(),
            "loss_q25": by_step["loss"].quantile(0.25),
            "loss_q75": by_step["loss"].quantile(0.75),
            **{name: by_step[name].mean() for name in HELD_OUT},
            "seconds": by_step["seconds"].median().fillna(0.0),
            "runs": by_step.size(),
        }
    ).reset_index()


def metrics_of(finals: Mapping[str, float], curve: Columns | None, room: int) -> tuple[list[Reading], dict[str, str]]:
    """Fit a cell's metrics into one batch; the tags say what was thinned."""
    notes: dict[str, str] = {}
    metrics = [
        Reading(f"{SUMMARY}{key}", value, int(finals["steps"]), finals.get("train_seconds", 0.0))
        for key, value in finals.items()
    ]
    if curve is None:
        return metrics, notes
    series = ["loss", "loss_q25", "loss_q75", *(name for name in HELD_OUT if np.isfinite(curve[name]).any())]
    if curve["runs"].min() < curve["runs"].max():  # some run was lost on the way: say how many a mean is over
        series.append("runs")
    kept = _evenly(len(curve["step"]), (room - len(metrics)) // len(series))
    if len(kept) < len(curve["step"]):
        notes["curve_thinned"] = f"{len(kept)} of {len(curve['step'])} readings"
    curve = {key: values[kept] for key, values in curve.items()}
    steps, seconds = curve["step"].tolist(), curve["seconds"].tolist()
    for key in series:
        values = curve[key].tolist()
        metrics += [
            Reading("loss_runs" if key == "runs" else key, float(value), int(step), second)
            for value, step, second in zip(values, steps, seconds, strict=True)
            if np.isfinite(value)
        ]
    return metrics, notes


def _evenly(count: int, most: int) -> list[int]:
    """At most ``most`` positions of ``count``, evenly spread, with the first and the last.

    Examples
    --------
    >>> _evenly(9, 3), _evenly(3, 9)
    ([0, 4, 8], [0, 1, 2])
    """
    if count <= most:
        return list(range(count))
    return [int(position) for position in np.unique(np.linspace(0, count - 1, most).round())]
