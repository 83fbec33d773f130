"""The lab's own race, ``python -m pipeline.answer``, on runs already made: each repetition draws its own seeds."""

import time

import numpy as np
from numpy.typing import NDArray

from pipeline.answer.contest import Cells, Measure
from pipeline.answer.question import Settings
from pipeline.answer.race import PILOT, Race
from pipeline.contrib.finders.landscape import MEASURES, Array, Landscape
from pipeline.contrib.finders.method import Found, Method
from pipeline.lab.config.cell import Cell


def race(landscape: Landscape, repetition: int) -> Found:
    """Race all cells until all is decided, or the seeds are spent; recommend each measure's leader.

    A repetition may spend half of the seeds for searching, so that repetitions differ. Runs that may stop at the target
    are counted as whole ones.
    """
    order = np.random.default_rng(repetition).permutation(landscape.searched)[: max(PILOT, landscape.searched // 2)]
    values = {"loss": landscape.all.final, "steps": landscape.steps, "seconds": landscape.steps}
    trained: list[tuple[Cell, float]] = []

    def train(cells: Cells, seeds: range, whole: NDArray[np.bool_]) -> dict[str, Array]:
        """Look runs up."""
        trained.extend((landscape.cells[i], float(landscape.epochs)) for i in cells for _ in seeds)
        found = {name: each[np.ix_(cells, order[seeds])] for name, each in values.items()}
        found["loss"] = np.where(whole[:, None], found["loss"], np.nan)
        return found

    started = time.perf_counter()
    defaults = Settings()
    margins = {"loss": defaults.margin_loss}
    running = Race(
        train,
        [cell.config.optimizer.name for cell in landscape.cells],
        [Measure(name, margins.get(name, defaults.margin_cost)) for name in MEASURES],
        defaults.alpha,
        lambda name, cells: landscape.step_seconds[cells] if name == "seconds" else np.ones(len(cells)),
        lambda name, leader, cells: _spread(landscape, name, leader, cells),
    )
    for _ in running.rounds(lambda: (len(order) - running.seeds) * max(1, len(running.live()))):
        pass
    leaders = {claim.measure: landscape.cells[claim.leader] for claim in running.claims() if not claim.field}
    return Found(leaders, trained, time.perf_counter() - started, stacked=True)


def _spread(landscape: Landscape, name: str, leader: int, cells: Cells) -> Array:
    """How far the time of a step may be wrong, as in a real race."""
    if name != "seconds":
        return np.zeros(len(cells))
    return landscape.times.spread(landscape.cells[leader], [landscape.cells[i] for i in cells])


def methods() -> list[Method]:
    """The methods of this file."""
    return [Method("the race", "minibatch-lab", race)]
