"""Making the problem that every framework computes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pipeline.contrib.frameworks.problem import Problem, Run
from pipeline.lab.config import Cell, load_study
from pipeline.lab.config.schema import CellConfig
from pipeline.lab.dataset import Dataset, load_dataset
from pipeline.lab.errors import UserError
from pipeline.parts import models
from pipeline.train.intervals import intervals_of
from pipeline.train.order import draw_epoch, generator

#: The study whose cells are run, and what they are called here.
STUDY = "textbook"
RUNS = {
    "gd": "gd",
    "sgd": "sgd",
    "minibatch 100": "minibatch 100",
    "minibatch 10": "minibatch 10",
    "concise, bias 0": "concise",
}

#: Rows and columns of the chapter's matrices.
MATRIX = 256

#: The replicate: weights and orders are those of the lab's own runs with this seed.
SEED = 0


def chosen_cells(overrides: Sequence[str] = ()) -> list[Cell]:
    """The study's cells that the frameworks run.

    Parameters
    ----------
    overrides : sequence of str
        Hydra overrides that reach every cell.

    Returns
    -------
    list of Cell

    Raises
    ------
    UserError
        If an override asks for what the scripts do not do.
    """
    cells = [cell for cell in load_study(STUDY, overrides).cells if cell.label in RUNS]
    for cell in cells:
        config = cell.config
        for key, value, allowed in (
            ("optimizer", config.optimizer.name, "sgd"),
            ("schedule", config.schedule.name, "constant"),
            ("model", config.model.name, "linear"),
        ):
            if value != allowed:
                raise UserError(f"{key}={value} is not allowed: the frameworks run {key}={allowed}")
    return cells


def make_problem(cells: Sequence[Cell], dataset: Dataset) -> Problem:
    """Gather data, starts and orders.

    Parameters
    ----------
    cells : sequence of Cell
        As :func:`chosen_cells` returns them.
    dataset : Dataset
        What they train on.

    Returns
    -------
    Problem
        Weights and orders are those that the lab's own runs meet with seed 0.
    """
    config = cells[0].config
    net = models.build(config.model, dataset.X.shape[1], generator(SEED, "init"))
    source = generator(SEED, "order")
    epochs = max(cell.config.epochs for cell in cells)
    orders = [draw_epoch(len(dataset.X), config.sampling.name, source).numpy() for _ in range(epochs)]
    B, C = torch.randn(2, MATRIX, MATRIX, generator=generator(SEED, "matrices")).numpy()
    weight, bias = (p.detach().numpy() for p in net.parameters())
    return Problem(
        X=dataset.X,
        y=dataset.y[:, None].astype(np.float32),
        w=np.ascontiguousarray(weight.T),
        b=bias,
        orders=np.stack(orders),
        B=B,
        C=C,
        runs=[_run(cell) for cell in cells],
        data=dataset.name,
        offline_twin=dataset.offline_twin,
    )


def _run(cell: Cell) -> Run:
    config: CellConfig = cell.config
    intervals = intervals_of(cell)
    return Run(
        name=RUNS[cell.label],
        kind="concise" if config.implementation == "torch" else "scratch",
        batch_size=config.batch_size,
        lr=config.lr,
        epochs=config.epochs,
        intervals=list(intervals),
        seen=intervals.seen,
    )


def prepare(table: Path, overrides: Sequence[str]) -> Problem:
    """Make the problem from a whitened table.

    Parameters
    ----------
    table : Path
        As written by ``python -m pipeline.whiten``.
    overrides : sequence of str
        Hydra overrides that reach every cell.

    Returns
    -------
    Problem

    Raises
    ------
    UserError
        If the table cannot be read, or an override is wrong.
    """
    cells = chosen_cells(overrides)
    return make_problem(cells, load_dataset(table, cells[0].config.data.rows))
