"""Which runs are stacked, and which are trained alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline import parts
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.paths import PACKAGE
from pipeline.train.model_probe import model_stacks
from pipeline.train.probe import stack_update
from pipeline.train.stack_update import Elementwise, StackUpdate

#: The numbers that one step of a stack may touch. Measured: at batch size 1500 a stack of 520 runs costs six
#: times a stack of 130, because it leaves the processor's cache; at batch size 1, a third more.
STEP_VALUES = 2**18
#: No stack is cut smaller than this, whatever the model.
LEAST_RUNS = 16


@dataclass(frozen=True)
class Stack:
    """Cells alike in everything but ``lr``, the seeds that each is run with, and how their rule updates a stack."""

    cells: tuple[Cell, ...]
    seeds: range
    update: type[StackUpdate]


def can_stack(cell: Cell) -> bool:
    """Whether a cell's runs can be stacked.

    From scratch, for the lab's regression, on one device, by a rule and of a model whose steps in a stack are those
    alone; see
    :func:`pipeline.train.probe.stack_update`.
    """
    config = cell.config
    return (
        config.engine == "stacked"
        and config.implementation == "scratch"
        and parts.find("task", config.data.task) == PACKAGE / "parts/tasks/regression.py"
        and config.trainer.devices == 1
        and model_stacks(config)
        and stack_update(config) is not None
    )


def plan(cells: Iterable[Cell]) -> tuple[list[Cell], list[Stack]]:
    """Divide cells into those trained solo and stacks.

    Parameters
    ----------
    cells : iterable of Cell
        In any order.

    Returns
    -------
    solo : list of Cell
        Cells whose engine is solo, and those that cannot be stacked.
    stacks : list of Stack
        Each within :data:`STEP_VALUES`.
    """
    solo: list[Cell] = []
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        if can_stack(cell):
            alike = {key: value for key, value in cell.identity.items() if key != "lr"}
            groups.setdefault(canonical_json([alike, cell.config.seeds]), []).append(cell)
        else:
            solo.append(cell)
    return solo, [stack for group in groups.values() for stack in _within_memory(group)]


def _within_memory(cells: Sequence[Cell]) -> list[Stack]:
    """Cut a group into stacks: along the seeds only where one cell's seeds are too many already."""
    config = cells[0].config
    most = max(LEAST_RUNS, STEP_VALUES // values_per_run(cells[0]))
    update = stack_update(config) or Elementwise
    seeds = min(config.seeds, most)
    width = max(1, most // seeds)
    return [
        Stack(tuple(cells[i : i + width]), range(first, min(first + seeds, config.seeds)), update)
        for first in range(0, config.seeds, seeds)
        for i in range(0, len(cells), width)
    ]


def values_per_run(cell: Cell) -> int:
    """Numbers that one step of one run touches: hidden values, gradients, parameters, states."""
    config = cell.config
    widths: list[int] = getattr(config.model, "widths", [])
    layers = [config.data.features + 1, *widths, config.data.outputs]  # and one, for the target that is read along
    parameters = sum((i + 1) * o for i, o in pairwise(layers))
    return config.batch_size * (1 + 2 * sum(widths)) + 8 * parameters
