"""Which runs are stacked, and which are trained alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from pipeline import parts
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.dataset import Dataset
from pipeline.lab.paths import PACKAGE
from pipeline.parts import models
from pipeline.train.model_probe import model_stacks
from pipeline.train.order import generator
from pipeline.train.probe import stack_update
from pipeline.train.size import size_of
from pipeline.train.stack_update import Elementwise, StackUpdate

#: The numbers that one step of a stack may touch. Measured: at batch size 1500 a stack of 520 runs costs six
#: times a stack of 130, because it leaves the processor's cache; at batch size 1, a third more.
STEP_VALUES = 2**18
#: No stack is cut smaller than this, whatever the model.
LEAST_RUNS = 16
#: Models whose sizes are known without making them.
CHAINS = [PACKAGE / f"parts/models/{name}.py" for name in ("linear", "mlp")]


@dataclass(frozen=True)
class Stack:
    """Cells alike in everything but ``lr``, the seeds that each is run with, and how their rule updates a stack.

    With ``stack=3/13`` one cell stands 13 times, and what the third of them does is kept: that does not depend on the
    others, but on how wide the matrix products are, and on the place in them.
    """

    cells: tuple[Cell, ...]
    seeds: range
    update: type[StackUpdate]

    @property
    def kept(self) -> tuple[tuple[Cell, ...], slice]:
        """The cells that are in the tables, and which of the runs are theirs."""
        config = self.cells[0].config
        place, width = config.place
        return (self.cells[:1], slice(place, None, width)) if config.stack else (self.cells, slice(None))


def can_stack(cell: Cell, dataset: Dataset | None = None) -> bool:
    """Whether a cell's runs can be stacked.

    From scratch, on one device, of examples in memory, by a rule and of a model whose steps in a stack are those
    alone; see :func:`pipeline.train.probe.stack_update` and :func:`pipeline.train.model_probe.model_stacks`.
    """
    config = cell.config
    return (
        config.engine == "stacked"
        and config.implementation == "scratch"
        and config.trainer.devices == 1
        and getattr(config.data, "loading", "tensors") == "tensors"
        and model_stacks(config, dataset)
        and stack_update(config) is not None
    )


def plan(cells: Iterable[Cell], datasets: Mapping[str, Dataset] | None = None) -> tuple[list[Cell], list[Stack]]:
    """Divide cells into those trained solo and stacks.

    Parameters
    ----------
    cells : iterable of Cell
        In any order.
    datasets : mapping, optional
        Data name to data set: a model is tried on its examples, and not on generated ones.

    Returns
    -------
    solo : list of Cell
        Cells whose engine is solo, and those that cannot be stacked.
    stacks : list of Stack
        Each within :data:`STEP_VALUES`.
    """
    datasets = datasets or {}
    solo: list[Cell] = []
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if can_stack(cell, datasets.get(cell.config.data.name)):
            alike = {key: value for key, value in cell.identity.items() if key != "lr"}
            shared = [cell.config.seeds, cell.config.first_seed, cell.config.stack and cell.id]
            groups.setdefault(canonical_json([alike, *shared]), []).extend([cell] * cell.config.place[1])
        else:
            solo.append(cell)
    return solo, [stack for group in groups.values() for stack in _within_memory(group, datasets)]


def _within_memory(cells: Sequence[Cell], datasets: Mapping[str, Dataset]) -> list[Stack]:
    """Cut a group into stacks: along the seeds only where one cell's seeds are too many already."""
    config = cells[0].config
    most = max(LEAST_RUNS, STEP_VALUES // values_per_run(cells[0], datasets.get(config.data.name)))
    update = stack_update(config) or Elementwise
    seeds = min(config.seeds, most)
    width = len(cells) if config.stack else max(1, most // seeds)
    return [
        Stack(tuple(cells[i : i + width]), config.replicates[first : first + seeds], update)
        for first in range(0, config.seeds, seeds)
        for i in range(0, len(cells), width)
    ]


def values_per_run(cell: Cell, dataset: Dataset | None = None) -> int:
    """Numbers that one step of one run touches: hidden values, gradients, parameters, states."""
    config = cell.config
    if dataset is not None and parts.find("model", config.model.name) not in CHAINS:
        net = models.build(config.model, dataset.X.shape[1], generator(0, "init"), config.data.outputs)
        parameters, values = size_of(net, torch.from_numpy(dataset.X[:1]))
        return config.batch_size * 2 * values + 8 * parameters
    widths: list[int] = getattr(config.model, "widths", [])
    layers = [config.data.features + 1, *widths, config.data.outputs]  # and one, for the target that is read along
    parameters = sum((i + 1) * o for i, o in pairwise(layers))
    return config.batch_size * (config.data.outputs + 2 * sum(widths)) + 8 * parameters
