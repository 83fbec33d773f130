"""Statistics of readings: pure functions from a study's curves to an effect."""

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.claims.effect import Effect, bootstrapped, ratio_of_medians
from pipeline.claims.evidence import Evidence, NoData, StudyTables


def loss_ratio(evidence: Evidence, study: str, cell: str, epoch: float, over: float) -> Effect:
    """Median over seeds of the loss at an epoch over that at another, each the last reading by then."""
    tables = evidence.study(study)
    return bootstrapped(ratio_of_medians, loss_at(tables, cell, epoch), loss_at(tables, cell, over))


def progress_ratio(evidence: Evidence, study: str, cell: str, epoch: float, over: float) -> Effect:
    """How much the median loss falls from ``over`` to ``epoch``, as a share of its fall from the start to ``over``."""
    tables = evidence.study(study)

    def share(start: Array, middle: Array, end: Array) -> Array:
        """The fall from middle to end, over that from start to middle."""
        first, second, third = (np.median(losses, axis=-1) for losses in (start, middle, end))
        return np.asarray((second - third) / (first - second))

    return bootstrapped(share, *(loss_at(tables, cell, at) for at in (0.0, over, epoch)))


def loss_gap(evidence: Evidence, study: str, cell: str, other: str, epoch: float) -> Effect:
    """Median over seeds of the relative difference ``|a / b - 1|`` of two cells' losses at an epoch, seed by seed."""
    tables = evidence.study(study)
    if not tables.cell(cell).index.equals(tables.cell(other).index):
        raise NoData(f"no data: {cell!r} and {other!r} of study {study} have different seeds")
    a, b = (loss_at(tables, name, epoch) for name in (cell, other))
    return bootstrapped(lambda gaps: np.asarray(np.median(gaps, axis=-1)), np.abs(a / b - 1))


def target_ratio(evidence: Evidence, study: str, cell: str, over: str, axis: str, target: float) -> Effect:
    """Median cost of a cell's runs until the loss is first read at or below a target, over that of another cell.

    A run that never gets there costs infinitely much.
    """
    tables = evidence.study(study)
    a, b = costs(tables, cell, axis, target), costs(tables, over, axis, target)
    shared = a.index.intersection(b.index)
    if not len(shared):
        raise NoData(f"no data: {cell!r} and {over!r} of study {study} share no seed")
    return bootstrapped(ratio_of_medians, *(np.asarray(x.loc[shared], dtype=np.float64) for x in (a, b)))


def share_of_readings(evidence: Evidence, study: str, cells: list[str], column: str, low: float, high: float) -> Effect:
    """Share of a run's readings after the first that lie between two limits, the mean over cells; seeds resampled."""
    tables = evidence.study(study)
    shares = []
    for cell in cells:
        own = _curves(tables, cell)
        own = own[own["step"] > 0]
        if own[column].isna().any():
            raise NoData(f"no data: {column} was not measured in study {study}")
        inside = own[column].between(low, high)
        shares.append(inside.groupby(own["seed"]).mean())
    mean: Array = np.asarray(pd.concat(shares, axis=1).dropna().mean(axis=1), dtype=np.float64)
    return bootstrapped(lambda values: np.asarray(np.mean(values, axis=-1)), mean)


def loss_at(tables: StudyTables, cell: str, epoch: float) -> Array:
    """Each seed's last loss read by an epoch, by seed, (s,); infinite after a run has diverged.

    Raises
    ------
    NoData
        If the runs are shorter than that.
    """
    own = _curves(tables, cell)
    if own["epoch"].max() < epoch - 0.5:
        raise NoData(f"no data: {cell!r} is trained for {own['epoch'].max():g} epochs, not {epoch:g}")
    early = own[own["epoch"] <= epoch + 1e-9]
    last = early.loc[early.groupby("seed")["step"].idxmax()].set_index("seed").sort_index()["loss"]
    losses = last.to_numpy(dtype=float)
    return np.asarray(np.where(np.isfinite(losses), losses, np.inf), dtype=float)


def costs(tables: StudyTables, cell: str, axis: str, target: float) -> "pd.Series[float]":
    """What each run spends until its loss is first read at or below a target, by seed; infinite if never.

    Raises
    ------
    NoData
        If the cost was not measured.
    """
    own = _curves(tables, cell)
    if own[axis].isna().all():
        raise NoData(f"no data: {axis} were not measured for {cell!r}")
    first = own[own["loss"] <= target].groupby("seed")[axis].min()
    return first.reindex(tables.cell(cell).index).astype(float).fillna(np.inf)


def _curves(tables: StudyTables, cell: str) -> pd.DataFrame:
    cell_id = tables.cell(cell)["cell_id"].iloc[0]
    own: pd.DataFrame = tables.curves[tables.curves["cell_id"] == cell_id]
    return own
