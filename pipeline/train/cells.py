"""``train_cells``: cells in, tables out."""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple

import pandas as pd

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import is_memory_short, memory_error
from pipeline.train.clock import no_garbage_collection, one_thread
from pipeline.train.fit import quiet_lightning
from pipeline.train.many_devices import train_on_many
from pipeline.train.placement import placed, reproducible
from pipeline.train.plan import Stack, plan
from pipeline.train.readings import Progress, Trajectories
from pipeline.train.rows import Tables
from pipeline.train.solo import train_solo, warm_up
from pipeline.train.stacked import train_stacked

logger = logging.getLogger(__name__)


def train_cells(
    cells: Sequence[Cell], datasets: Mapping[str, Dataset], progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every run of every cell.

    Cells whose ``engine`` is ``stacked`` are grouped into stacks; what cannot be stacked is trained solo.
    Solo runs are interleaved, seed by seed over the cells, so that a machine that slows down for a while
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
        One row a run; see :data:`pipeline.lab.tables.RUNS`.
    curves : DataFrame
        One row a reading; see :data:`pipeline.lab.tables.CURVES`.

    Raises
    ------
    UserError
        If a cell asks for GPUs that are not there.
    """
    cells = placed(cells)
    tables = Tables(cells, datasets)
    alone, stacks = plan(cells)
    solo = [cell for cell in alone if cell.config.trainer.devices == 1]
    with quiet_lightning(), one_thread(), no_garbage_collection(), reproducible(cells):
        _warm_up(solo, datasets)
        for cell, seed in _interleaved(solo):
            tables.add([cell], [seed], _train_solo(cell, seed, datasets, progress), engine="solo")
            gc.collect()  # between the runs, where no clock is running
        for together in _alike_in_trainer([cell for cell in alone if cell.config.trainer.devices > 1]):
            runs = _interleaved(together)
            for cell, seed, trained in train_on_many(list(runs), datasets, progress):
                tables.add([cell], [seed], trained, engine="solo")
        for stack in stacks:
            tables.add(stack.cells, stack.seeds, _train_stacked(stack, datasets, progress), engine="stacked")
            gc.collect()
    return tables.runs(), tables.curves()


def _alike_in_trainer(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells that can share their processes, together."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(astuple(cell.config.trainer), []).append(cell)
    yield from groups.values()


def _interleaved(cells: Sequence[Cell]) -> Iterator[tuple[Cell, int]]:
    """Every run, seed by seed over the cells."""
    for seed in range(max((cell.config.seeds for cell in cells), default=0)):
        for cell in cells:
            if seed < cell.config.seeds:
                yield cell, seed


def _train_solo(
    cell: Cell, seed: int, datasets: Mapping[str, Dataset], progress: Progress | None
) -> Trajectories | None:
    """Train one run; one that fails is a row with status ``error``, and the others go on."""
    try:
        return train_solo(cell, seed, datasets[cell.config.data.name], progress)
    except Exception as error:
        _tell(error, f"cell {cell.id}, seed {seed} failed")
        return None


def _train_stacked(stack: Stack, datasets: Mapping[str, Dataset], progress: Progress | None) -> Trajectories | None:
    """Train a stack; if it fails all its runs are rows with status ``error``."""
    try:
        return train_stacked(stack.cells, stack.seeds, datasets[stack.cells[0].config.data.name], progress)
    except Exception as error:
        _tell(error, f"a stack of {len(stack.cells)} cells failed, the first is {stack.cells[0].id}")
        return None


def _tell(error: Exception, what: str) -> None:
    """Say why runs are rows with status ``error``: with a traceback, unless it is the machine's memory."""
    if is_memory_short(error):
        logger.error("%s: %s", what, memory_error(error))
    else:
        logger.error(what, exc_info=error)


def _warm_up(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> None:
    """Warm up once for each kind of step the cells take."""
    kinds = {}
    for cell in cells:
        config = cell.config
        kinds[config.data.name, config.model.name, config.optimizer.name, config.batch_size, config.implementation] = (
            cell
        )
    for cell in kinds.values():
        try:
            warm_up(cell, datasets[cell.config.data.name])
        except Exception:  # its runs will fail too, and become rows
            logger.debug("the warm-up of %s failed", cell.id)
