"""Statistics of a study's readings."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.analysis.costs import costs as costs_of
from pipeline.claims.effect import Effect, bootstrapped, ratio_of_medians
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import statistic


@statistic()
def excess_ratio(evidence: Evidence, study: str, cell: str, epoch: float, over: float) -> Effect:
    """Median over seeds of what is left to gain at an epoch, above the minimum, over what was left at another."""
    least = evidence.minimum(study)
    a, b = (loss_at(evidence, study, cell, at) - least for at in (epoch, over))
    return bootstrapped(ratio_of_medians, a, b)


@statistic()
def progress_ratio(evidence: Evidence, study: str, cell: str, epoch: float, over: float) -> Effect:
    """How much the median loss falls from ``over`` to ``epoch``, as a share of its fall from the start to ``over``."""

    def share(start: Array, middle: Array, end: Array) -> Array:
        """The fall from middle to end, over that from start to middle."""
        first, second, third = (np.median(losses, axis=-1) for losses in (start, middle, end))
        return np.asarray((second - third) / (first - second))

    return bootstrapped(share, *(loss_at(evidence, study, cell, at) for at in (0.0, over, epoch)))


@statistic()
def loss_gap(evidence: Evidence, study: str, cell: str, other: str, epoch: float) -> Effect:
    """Median over seeds of the relative difference ``|a / b - 1|`` of two cells' losses at an epoch, seed by seed."""
    if not _seeds(evidence, study, cell).equals(_seeds(evidence, study, other)):
        raise NoData(f"no data: {cell!r} and {other!r} of study {study} have different seeds")
    a, b = (loss_at(evidence, study, name, epoch) for name in (cell, other))
    return bootstrapped(lambda gaps: np.asarray(np.median(gaps, axis=-1)), np.abs(a / b - 1))


@statistic()
def target_ratio(evidence: Evidence, study: str, cell: str, over: str, axis: str, target: float) -> Effect:
    """Median cost of a cell's runs until the loss is at a target, over that of another cell.

    Between two readings the loss is taken to fall evenly. A run that never gets there costs infinitely much.
    """
    a, b = (costs(evidence, study, name, target)[axis] for name in (cell, over))
    shared = a.index.intersection(b.index)
    if not len(shared):
        raise NoData(f"no data: {cell!r} and {over!r} of study {study} share no seed")
    return bootstrapped(ratio_of_medians, *(np.asarray(x.loc[shared], dtype=np.float64) for x in (a, b)))


def loss_at(evidence: Evidence, study: str, cell: str, epoch: float) -> Array:
    """Each seed's last loss read by an epoch, by seed, (s,); infinite after a run has diverged.

    Raises
    ------
    NoData
        If the runs are shorter than that.
    """
    own = _curves(evidence, study, cell)
    if own["epoch"].max() < epoch - 0.5:
        raise NoData(f"no data: {cell!r} is trained for {own['epoch'].max():g} epochs, not {epoch:g}")
    early = own[own["epoch"] <= epoch + 1e-9]
    last = early.loc[early.groupby("seed")["step"].idxmax()].set_index("seed").sort_index()["loss"]
    losses = last.to_numpy(dtype=float)
    return np.asarray(np.where(np.isfinite(losses), losses, np.inf), dtype=float)


def costs(evidence: Evidence, study: str, cell: str, target: float) -> pd.DataFrame:
    """``steps`` and ``examples`` of each run until its loss is at a target, by seed; infinite if it never is."""
    found = costs_of(_curves(evidence, study, cell), "loss", target).set_index("seed")
    return found.reindex(_seeds(evidence, study, cell)).fillna({"steps": np.inf, "examples": np.inf})


def _curves(evidence: Evidence, study: str, cell: str) -> pd.DataFrame:
    curves = evidence.study(study).curves
    own: pd.DataFrame = curves[curves["cell_id"] == evidence.cell(study, cell).id]
    return own


def _seeds(evidence: Evidence, study: str, cell: str) -> "pd.Index[Any]":
    return evidence.cell(study, cell).runs.set_index("seed").sort_index().index
