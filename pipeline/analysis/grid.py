"""A study's final losses as an array, cells by seeds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.results import StudyResults

Array = NDArray[np.float64]

#: Every status that a run can have, in the order in which they are shown.
STATUSES = ("ok", "diverged", "error")


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a study and what their runs came to.

    Parameters
    ----------
    cells : DataFrame, n rows
        ``cell_id``, ``optimizer``, ``rule``, ``batch_size``, ``lr``, ``steps`` (of a run that is not cut short), and
        how many runs ended ``ok``, ``diverged``, ``error``. In the order of the table. ``rule`` is the name of the
        update rule; ``optimizer`` is the same, with what tells cells apart beside batch size and rate where the study
        varies more than these: ``sgd, mlp``.
    seeds : ndarray of int, shape (s,)
        The seeds that every cell was run with.
    losses : ndarray, shape (n, s)
        Final losses; infinite where a run diverged or failed, because neither got anywhere.
    """

    cells: pd.DataFrame
    seeds: NDArray[np.int64]
    losses: Array

    @property
    def medians(self) -> Array:
        """Median final loss of each cell, infinite where half of the runs or more are, (n,)."""
        return np.asarray(np.median(self.losses, axis=1))

    @property
    def optimizers(self) -> list[str]:
        """The optimizers, in the order of the table."""
        return [str(name) for name in self.cells["optimizer"].unique()]

    @property
    def batch_sizes(self) -> list[int]:
        """The batch sizes, ascending."""
        return sorted(int(b) for b in self.cells["batch_size"].unique())

    def rows(self, optimizer: str, batch_size: int | None = None) -> NDArray[np.intp]:
        """Positions of an optimizer's cells, of one batch size or of all."""
        chosen = (self.cells["optimizer"] == optimizer).to_numpy()
        if batch_size is not None:
            chosen = chosen & (self.cells["batch_size"] == batch_size).to_numpy()
        return np.flatnonzero(chosen)


def grid_of(study: StudyResults) -> Grid:
    """Arrange a study's runs.

    Parameters
    ----------
    study : StudyResults
        With at least one run.

    Returns
    -------
    Grid
        Where cells were run with different seeds, with those that all of them have; the counts of
        statuses are of all runs.
    """
    runs = study.runs
    codes, ids = pd.factorize(runs["cell_id"])
    seed_codes, seeds = pd.factorize(runs["seed"], sort=True)
    status = runs["status"].to_numpy(dtype=object)
    losses = np.full((len(ids), len(seeds)), np.nan)
    found = runs["final_loss"].to_numpy(dtype=float, na_value=np.nan)
    losses[codes, seed_codes] = np.where((status == "ok") & np.isfinite(found), found, np.inf)
    common = ~np.isnan(losses).any(axis=0)
    firsts = runs.drop_duplicates("cell_id")
    cells = firsts[["cell_id", "optimizer", "batch_size", "lr"]].reset_index(drop=True)
    cells["rule"] = cells["optimizer"]
    cells["optimizer"] = cells["cell_id"].map(study.series)
    cells["steps"] = runs.groupby("cell_id", sort=False)["steps"].max().to_numpy(dtype=float)
    for name in STATUSES:
        cells[name] = np.bincount(codes, weights=status == name, minlength=len(ids)).astype(int)
    return Grid(cells, np.asarray(seeds)[common].astype(np.int64), losses[:, common])
