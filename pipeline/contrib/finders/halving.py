"""Successive halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943), on runs already made."""

import numpy as np

from pipeline.contrib.finders.landscape import Landscape
from pipeline.contrib.finders.method import Found, Method, for_all
from pipeline.lab.config.cell import Cell

#: Cells in the first round.
CELLS = 64


def halve(landscape: Landscape, repetition: int) -> Found:
    """Train random cells for an epoch, and the better half of them for twice as long, until one is left.

    Runs go on where they stopped. Those of the last rounds are whole: then the losses decide.
    """
    draw = np.random.default_rng(repetition)
    alive = draw.choice(len(landscape.cells), min(CELLS, len(landscape.cells)), replace=False)
    epochs = 1
    trained: dict[int, int] = {}
    while True:
        losses = landscape.all.by_epoch[epochs - 1, alive, repetition]
        trained |= dict.fromkeys(alive.tolist(), epochs)
        order = np.argsort(losses, kind="stable")
        if epochs == landscape.epochs:
            break
        alive, epochs = alive[order[: max(1, len(alive) // 2)]], min(2 * epochs, landscape.epochs)
    runs: list[tuple[Cell, float]] = [(landscape.cells[i], float(spent)) for i, spent in trained.items()]
    return Found(for_all(landscape.cells[int(alive[order[0]])]), runs)


def methods() -> list[Method]:
    """The methods of this file."""
    return [Method("successive halving", "minibatch-lab", halve)]
