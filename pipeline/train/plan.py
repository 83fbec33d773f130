"""Which runs are stacked, and which are trained alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline import optimizers
from pipeline.config.cell import Cell, canonical_json

#: What a stack may take, in bytes of predictions and hidden values on all training examples. Larger
#: stacks stop being faster once they leave the processor's caches, long before memory runs out.
STACK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Stack:
    """Cells alike in everything but ``lr``, and the seeds that each is run with."""

    cells: tuple[Cell, ...]
    seeds: range


def can_stack(cell: Cell) -> bool:
    """Whether a cell's runs can be stacked: from scratch, by a rule that treats every number alone."""
    config = cell.config
    return config.engine == "stacked" and config.implementation == "scratch" and _elementwise(config.optimizer.name)


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
        Each within :data:`STACK_BYTES`.
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
    most = max(1, STACK_BYTES // bytes_per_run(cells[0]))
    seeds = min(config.seeds, most)
    width = max(1, most // seeds)
    return [
        Stack(tuple(cells[i : i + width]), range(first, min(first + seeds, config.seeds)))
        for first in range(0, config.seeds, seeds)
        for i in range(0, len(cells), width)
    ]


def bytes_per_run(cell: Cell) -> int:
    """What a run keeps while its loss is read: every layer's values for every training example."""
    config = cell.config
    widths: list[int] = getattr(config.model, "widths", [])
    return 4 * config.data.rows * (1 + 2 * sum(widths))


def _elementwise(name: str) -> bool:
    return optimizers.load(name).elementwise
