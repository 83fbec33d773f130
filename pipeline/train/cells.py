"""``train_cells``: cells in, tables out."""

import gc
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from pipeline.config.cell import Cell
from pipeline.dataset import Dataset
from pipeline.tables import CURVES, RUNS
from pipeline.train.clock import no_garbage_collection, one_thread
from pipeline.train.readings import Curve, Progress
from pipeline.train.solo import train_solo, warm_up

logger = logging.getLogger(__name__)


def train_cells(
    cells: Sequence[Cell], datasets: Mapping[str, Dataset], progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every run of every cell.

    Runs are interleaved, seed by seed over the cells, so that a machine that slows down for a while
    slows all cells alike.

    Parameters
    ----------
    cells : sequence of Cell
        Each is trained with the seeds ``0 .. cell.config.seeds - 1``.
    datasets : mapping
        Data name to data set.
    progress : callable, optional
        Told of every reading of the loss.

    Returns
    -------
    runs : DataFrame
        One row a run; see :data:`pipeline.tables.RUNS`.
    curves : DataFrame
        One row a reading; see :data:`pipeline.tables.CURVES`.
    """
    runs: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    with quiet_lightning(), one_thread(), no_garbage_collection():
        _warm_up(cells, datasets)
        for seed in range(max((cell.config.seeds for cell in cells), default=0)):
            for cell in cells:
                if seed >= cell.config.seeds:
                    continue
                dataset = datasets[cell.config.data.name]
                curve = _train(cell, seed, dataset, progress)
                runs.append(_run_row(cell, seed, dataset, curve))
                if curve is not None:
                    curves.append(_curve_rows(cell, seed, dataset, curve))
                gc.collect()  # between the runs, where no clock is running
    return (
        pd.DataFrame(runs, columns=RUNS.names).astype({"diverged_step": "Int64"}),
        pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=CURVES.names),
    )


def _train(cell: Cell, seed: int, dataset: Dataset, progress: Progress | None) -> Curve | None:
    """Train one run; one that fails is a row with status ``error``, and the others go on."""
    try:
        return train_solo(cell, seed, dataset, progress)
    except Exception:
        logger.exception("cell %s, seed %d failed", cell.id, seed)
        return None


def _warm_up(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> None:
    """Warm up once for each kind of step the cells take."""
    kinds: dict[tuple[Any, ...], Cell] = {}
    for cell in cells:
        config = cell.config
        groups = (config.data.name, config.model.name, config.optimizer.name)
        kinds[*groups, config.batch_size, config.implementation] = cell
    for cell in kinds.values():
        try:
            warm_up(cell, datasets[cell.config.data.name])
        except Exception:  # its runs will fail too, and become rows
            logger.debug("warm-up of %s failed", cell.id)


def _run_row(cell: Cell, seed: int, dataset: Dataset, curve: Curve | None) -> dict[str, Any]:
    config = cell.config
    row: dict[str, Any] = {
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
        "seed": seed,
        "engine": config.engine,
        "status": "error",
        "epochs": config.epochs,
        "steps": 0,
        "examples": 0,
        "diverged_step": None,
        "config": cell.config_json,
    }
    if curve is None:
        return row
    diverged = curve.diverged_step is not None
    epochs_done = curve.examples[-1] / len(dataset.X)
    return row | {
        "status": "diverged" if diverged else "ok",
        "steps": curve.step[-1],
        "examples": curve.examples[-1],
        "initial_loss": curve.loss[0],
        "final_loss": curve.loss[-1],
        "best_loss": min(curve.loss),
        "train_seconds": curve.seconds[-1],
        "seconds_per_epoch": curve.seconds[-1] / epochs_done,
        "diverged_step": curve.diverged_step,
    }


def _curve_rows(cell: Cell, seed: int, dataset: Dataset, curve: Curve) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "study": cell.study,
            "cell_id": cell.id,
            "seed": seed,
            "step": curve.step,
            "examples": curve.examples,
            "epoch": [seen / len(dataset.X) for seen in curve.examples],
            "seconds": curve.seconds,
            "loss": curve.loss,
        }
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says to people who train one large model, once per run."""
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    lightning.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        lightning.setLevel(level)
