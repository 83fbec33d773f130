"""From trajectories to the rows of the two tables."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.lab.machine import cpu_model
from pipeline.lab.tables import CURVES, RUNS
from pipeline.train.placement import backend
from pipeline.train.readings import Trajectories


@cache
def machine_of(device: str) -> str:
    """What a clock belongs to: the processor, and the GPU where ``device`` is ``cuda``."""
    return cpu_model() + (f", {torch.cuda.get_device_name()}" if device == "cuda" else "")


class Tables:
    """Gathers runs as they end, and sorts them by cell and seed.

    Parameters
    ----------
    cells : sequence of Cell
        In the order in which the tables shall have them.
    datasets : mapping
        Data name to data set.
    """

    def __init__(self, cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> None:
        self._datasets = datasets
        self._rank = {cell.id: number for number, cell in enumerate(cells)}
        self._runs: list[pd.DataFrame] = []
        self._curves: list[pd.DataFrame] = []

    def add(self, cells: Sequence[Cell], seeds: Sequence[int], trained: Trajectories | None, *, engine: str) -> None:
        """Add runs that were trained together, seed by seed; None stands for an error.

        Seconds are kept where the clock was asked for: of a solo run, in a study that is timed.
        """
        dataset = self._datasets[cells[0].config.data.name]
        constant = [_constant_columns(cell, dataset, engine) for cell in cells]
        if engine == "stacked" and len(cells) > 1:  # beside which others: their number decides how sums are rounded
            for place, row in enumerate(constant, start=1):
                row["config"] = canonical_json({**json.loads(row["config"]), "stack": f"{place}/{len(cells)}"})
        runs = pd.DataFrame([row | {"seed": seed} for seed in seeds for row in constant])
        if trained is not None:
            timed = cells[0].config.engine == "solo"
            runs = runs.assign(**_outcomes(trained, len(dataset.X), timed))
            self._curves.append(_readings(runs, trained, len(dataset.X), timed))
        self._runs.append(runs)

    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self._sorted(self._runs, RUNS.names, ["seed"]).astype({"diverged_step": "Int64"})

    def curves(self) -> pd.DataFrame:
        """One row a reading."""
        return self._sorted(self._curves, CURVES.names, ["seed", "step"])

    def _sorted(self, parts: list[pd.DataFrame], columns: list[str], then_by: list[str]) -> pd.DataFrame:
        if not parts:
            return pd.DataFrame(columns=columns)
        table = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
        order = np.lexsort([*(table[name] for name in reversed(then_by)), table["cell_id"].map(self._rank)])
        return table.take(order).reset_index(drop=True)


def _constant_columns(cell: Cell, dataset: Dataset, engine: str) -> dict[str, Any]:
    """The columns that training does not decide; an error leaves no more than these."""
    config = cell.config
    return {
        "study": cell.study,
        "cell_id": cell.id,
        "data": dataset.name,
        "model": config.model.name,
        "implementation": config.implementation,
        "optimizer": config.optimizer.name,
        "schedule": config.schedule.name,
        "sampling": config.sampling.name,
        "batch_size": config.batch_size,
        "lr": config.lr,
        "engine": engine,
        "machine": machine_of(backend(config.trainer)),
        "status": "error",
        "epochs": config.epochs,
        "steps": 0,
        "examples": 0,
        "initial_loss": np.nan,
        "final_loss": np.nan,
        "best_loss": np.nan,
        "final_validation_loss": np.nan,
        "best_validation_loss": np.nan,
        "accuracy": np.nan,
        "train_seconds": np.nan,
        "seconds_per_epoch": np.nan,
        "diverged_step": pd.NA,
        "config": cell.config_json,
    }


def _outcomes(trained: Trajectories, examples: int, timed: bool) -> dict[str, Any]:
    """The columns that training decides, an array over the runs each."""
    last = trained.length - 1
    runs = np.arange(len(last))
    kept = np.arange(len(trained.step))[:, None] <= last
    outcomes: dict[str, Any] = {
        "status": np.where(trained.diverged, "diverged", "ok"),
        "steps": trained.step[last],
        "examples": trained.examples[last],
        "initial_loss": trained.loss[0],
        "final_loss": trained.loss[last, runs],
        "best_loss": np.where(kept, trained.loss, np.inf).min(axis=0),
        "diverged_step": pd.array(np.where(trained.diverged, trained.step[last], -1), dtype="Int64"),
    }
    outcomes["diverged_step"][~trained.diverged] = pd.NA
    if trained.validation_loss is not None:
        outcomes["final_validation_loss"] = trained.validation_loss[last, runs]
        outcomes["best_validation_loss"] = np.where(kept, trained.validation_loss, np.inf).min(axis=0)
    if trained.validation_accuracy is not None:
        outcomes["accuracy"] = trained.validation_accuracy[last, runs]
    if timed:
        outcomes["train_seconds"] = trained.seconds[last]
        with np.errstate(invalid="ignore"):  # no example was read where even the first loss was not finite
            outcomes["seconds_per_epoch"] = trained.seconds[last] / (trained.examples[last] / examples)
    return outcomes


def _readings(runs: pd.DataFrame, trained: Trajectories, examples: int, timed: bool) -> pd.DataFrame:
    """The curves' rows, run by run, each up to its end."""
    run = np.repeat(np.arange(len(runs)), trained.length)
    reading = np.concatenate([np.arange(length) for length in trained.length])
    return pd.DataFrame(
        {
            "study": runs["study"].to_numpy()[run],
            "cell_id": runs["cell_id"].to_numpy()[run],
            "seed": runs["seed"].to_numpy()[run],
            "step": trained.step[reading],
            "examples": trained.examples[reading],
            "epoch": trained.examples[reading] / examples,
            "seconds": trained.seconds[reading] if timed else np.nan,
            "loss": trained.loss[reading, run],
            **{
                name: np.nan if values is None else values[reading, run]
                for name, values in (
                    ("validation_loss", trained.validation_loss),
                    ("validation_accuracy", trained.validation_accuracy),
                )
            },
        }
    )
