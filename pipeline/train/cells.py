"""``train_cells``: cells in, tables out."""

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple

import pandas as pd

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.lab.grouping import grouped
from pipeline.train import failures as failed
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.fit import quiet_lightning
from pipeline.train.isolation import isolated
from pipeline.train.many_devices import train_on_many
from pipeline.train.model_probe import check_model
from pipeline.train.placement import placed, reproducible
from pipeline.train.plan import Stack, plan
from pipeline.train.probe import check_rule
from pipeline.train.readings import Progress, Stop, Trajectories
from pipeline.train.rows import Tables
from pipeline.train.solo import train_solo, warm_up
from pipeline.train.stacked import train_stacked

logger = logging.getLogger(__name__)


def train_cells(
    cells: Sequence[Cell],
    datasets: Mapping[str, Dataset],
    progress: Progress | None = None,
    failures: dict[str, str] | None = None,
    stop: Stop | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every run of every cell.

    Cells whose ``engine`` is ``stacked`` are grouped into stacks; what cannot be stacked is trained solo. Solo runs are
    interleaved, seed by seed over the cells, so that a machine that slows down for a while slows all cells alike.

    Parameters
    ----------
    cells : sequence of Cell
        Each is trained with the seeds ``cell.config.replicates``.
    datasets : mapping
        Data name to data set.
    progress : callable, optional
        Called at every reading of the loss.
    failures : dict, optional
        Filled with the reason, in one line, for each cell with runs of status ``error``; each is logged once, too.
    stop : Stop, optional
        Where runs on one device end early, before their final losses.

    Returns
    -------
    runs : DataFrame
        One row per run; see :data:`pipeline.lab.tables.RUNS`. A run that raised has the status ``error``.
    curves : DataFrame
        One row per reading; see :data:`pipeline.lab.tables.CURVES`.

    Raises
    ------
    UserError
        Before anything is trained: if a cell asks for GPUs that are not there, or a data set is missing or has
        another number of rows than the configuration says, or an update rule or a model cannot train (see
        :func:`pipeline.train.probe.check_rule`, :func:`pipeline.train.model_probe.check_model`).
    """
    failures = {} if failures is None else failures
    cells = placed(cells)
    _check_data(cells, datasets)
    for cell in cells:
        check_rule(cell.config)
    for cell in {(c.config.data.name, c.config.data.task, str(c.config.model)): c for c in cells}.values():
        check_model(cell, datasets[cell.config.data.name])
    tables = Tables(cells, datasets)
    alone, stacks = plan(cells, datasets)
    solo = [cell for cell in alone if cell.config.trainer.devices == 1]
    with quiet_lightning(), torch_threads(), no_garbage_collection(), reproducible(cells):
        _warm_up(solo, datasets)
        for cell, seed in _interleaved(solo):
            tables.add([cell], [seed], _train_solo(cell, seed, datasets, progress, failures, stop), engine="solo")
            gc.collect()  # between the runs, where no clock is running
        many = [cell for cell in alone if cell.config.trainer.devices > 1]
        for together in grouped((astuple(cell.config.trainer), cell) for cell in many).values():  # share processes
            for cell, seed, ended in train_on_many(list(_interleaved(together)), datasets, progress):
                if isinstance(ended, Exception):
                    failed.record(failures, [cell], ended)
                tables.add([cell], [seed], None if isinstance(ended, Exception) else ended, engine="solo")
        for stack in stacks:
            trained = _train_stacked(stack, datasets, progress, failures, stop)
            tables.add(stack.kept[0], stack.seeds, trained, engine="stacked")
            gc.collect()
    return tables.runs(), tables.curves()


def _check_data(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> None:
    """Refuse data sets that are not those of the configurations: steps and epochs are counted by the latter."""
    for cell in cells:
        data = cell.config.data
        if data.name not in datasets:
            raise UserError(f"data={data.name} is not among the data sets given: {', '.join(datasets) or 'none'}")
        rows = len(datasets[data.name].X)
        if rows != data.examples:
            raise UserError(
                f"data={data.name}: the data set given has {rows} training examples, and the configuration of "
                f"{cell.name} says {data.examples}; they must be equal: set data.rows"
            )
        given, held_out = datasets[data.name].X, datasets[data.name].held_out
        if held_out is not None and (not len(held_out.X) or held_out.X.shape[1:] != given.shape[1:]):
            raise UserError(
                f"data={data.name}: the examples held out have the shape {held_out.X.shape}; they must be one or more, "
                f"each of the shape {given.shape[1:]} of the training examples"
            )


def _interleaved(cells: Sequence[Cell]) -> Iterator[tuple[Cell, int]]:
    """Every run, seed by seed over the cells."""
    for number in range(max((cell.config.seeds for cell in cells), default=0)):
        for cell in cells:
            if number < cell.config.seeds:
                yield cell, cell.config.replicates[number]


def _train_solo(
    cell: Cell,
    seed: int,
    datasets: Mapping[str, Dataset],
    progress: Progress | None,
    failures: dict[str, str],
    stop: Stop | None,
) -> Trajectories | None:
    """Train one run; one that fails is a row with status ``error``, and the others go on."""
    try:
        with isolated(seed):
            return train_solo(cell, seed, datasets[cell.config.data.name], progress, stop)
    except Exception as error:
        failed.record(failures, [cell], error)
        return None


def _train_stacked(
    stack: Stack,
    datasets: Mapping[str, Dataset],
    progress: Progress | None,
    failures: dict[str, str],
    stop: Stop | None,
) -> Trajectories | None:
    """Train a stack; if it fails all its runs are rows with status ``error``."""
    try:
        dataset = datasets[stack.cells[0].config.data.name]
        with isolated(stack.seeds[0]):
            return train_stacked(stack.cells, stack.seeds, dataset, stack.update, progress, stop).of(stack.kept[1])
    except Exception as error:
        failed.record(failures, stack.cells, error)
        return None


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
            with isolated(0):
                warm_up(cell, datasets[cell.config.data.name])
        except Exception:  # its runs will fail too, and become rows
            logger.debug("the warm-up of %s failed", cell.id)
