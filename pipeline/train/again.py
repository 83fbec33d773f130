"""Train one run again, and keep what it has learnt."""

import copy

from torch import nn

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.fit import fit, quiet_lightning
from pipeline.train.intervals import intervals_of
from pipeline.train.isolation import isolated
from pipeline.train.placement import placed, reproducible
from pipeline.train.plan import plan
from pipeline.train.readings import Trajectories
from pipeline.train.solo import SoloRun
from pipeline.train.stacked import StackedRun


def train_again(cell: Cell, seed: int, dataset: Dataset) -> tuple[nn.Module, Trajectories]:
    """Train one run as :func:`pipeline.train.cells.train_cells` does, on one device.

    Parameters
    ----------
    cell : Cell
        With the engine, the seeds and the ``stack`` of its runs, so that each repeats to the last bit.
    seed : int
        The run.
    dataset : Dataset
        All examples.

    Returns
    -------
    net : Module
        The model at the end of the run, on the CPU, in ``eval()`` mode, with the parameters that it is judged by.
    readings : Trajectories
        Of this run.
    """
    (cell,) = placed([cell])
    _, stacks = plan([cell], {cell.config.data.name: dataset})
    stack = next((one for one in stacks if seed in one.seeds), None)
    number = 0
    with quiet_lightning(), torch_threads(), no_garbage_collection(), reproducible([cell]):
        if stack is None:
            with isolated(seed):
                alone = SoloRun(cell, seed, dataset)
                readings = fit(alone, cell.config.trainer, intervals_of(cell), None)
            with alone.update.evaluating():
                net = copy.deepcopy(alone.net)
        else:
            with isolated(stack.seeds[0]):
                run = StackedRun(stack.cells, stack.seeds, dataset, stack.update)
                readings = fit(run, cell.config.trainer, intervals_of(cell), None)
            place, width = cell.config.place
            number = stack.seeds.index(seed) * width + place
            net = run.net.model_of(number)
    return net.cpu().eval(), readings.of(slice(number, number + 1))
