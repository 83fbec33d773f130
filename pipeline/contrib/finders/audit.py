"""Every method on one problem: what it found, how far that is from the best, and what finding it cost."""

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.contrib.finders.judge import Judge, regret, spread
from pipeline.contrib.finders.landscape import MEASURES, Array, Landscape, Measure
from pipeline.contrib.finders.libraries import version_of
from pipeline.contrib.finders.method import Found, Method, NothingFound
from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import first_line
from pipeline.parts.own import short
from pipeline.train.cells import train_cells

#: What the others are held against, and its own row.
BEST = "every cell, twenty seeds"
#: Seeds of the stacks whose time is measured: as many as in a race's first round.
STACK_SEEDS = 3

#: What came of a repetition: what it found, or why it found nothing.
Repetition = Found | str


def measure_steps(landscape: Landscape, cells: Sequence[Cell]) -> None:
    """Measure a step of each kind of cell, and an epoch of a stack of each kind of the landscape's, alone."""
    kinds = {landscape.times.kind(cell): cell for cell in [*landscape.cells, *cells]}
    new = [cell for kind, cell in kinds.items() if kind not in landscape.times.samples]
    landscape.times.measure([replace(c, config=replace(c.config, engine="solo")) for c in new], landscape.dataset)
    for cell in landscape.cells:
        kind = landscape.times.kind(cell)
        if kind in landscape.stacked:
            continue
        own = landscape.rates(cell.config.optimizer.name, cell.config.batch_size)
        few = [replace(c, config=replace(c.config, seeds=STACK_SEEDS)) for c in own]
        started = time.perf_counter()
        train_cells(few, {landscape.dataset.name: landscape.dataset})
        landscape.stacked[kind] = (time.perf_counter() - started) / (len(few) * STACK_SEEDS * landscape.epochs)


def search(landscape: Landscape, method: Method, reasons: Mapping[str, str]) -> tuple[list[Repetition], str]:
    """Repeat a method, each time with another seed.

    Parameters
    ----------
    landscape : Landscape
        The problem.
    method : Method
        What is repeated.
    reasons : mapping
        Library to why it is not there.

    Returns
    -------
    repetitions : list
        What came of each; none where the method cannot be run.
    message : str
        Why it cannot.
    """
    found: list[Repetition] = []
    if method.library in reasons:
        return [], reasons[method.library]
    try:
        for repetition in range(method.repetitions):
            try:
                found.append(method.find(landscape, repetition))
            except NothingFound as error:
                found.append(str(error))
    except Exception as error:  # whatever a library may raise is its row
        return [], f"{type(error).__name__}: {first_line(error)}"
    return found, ""


def audit(
    landscape: Landscape, methods: Sequence[Method], reasons: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Run every method, judge what it found, and count what that cost.

    Parameters
    ----------
    landscape : Landscape
        The problem.
    methods : sequence of Method
        What is audited.
    reasons : mapping, optional
        Library to why it is not there.

    Returns
    -------
    list of dict
        A row a method, the measured best first; columns in ``conf/measurement/finders.yaml``.
    """
    measure_steps(landscape, [])
    searched = {method.name: search(landscape, method, reasons or {}) for method in methods}
    settings = [cell for found, _ in searched.values() for one in found for cell in cells_of(one)]
    measure_steps(landscape, settings)
    judge = Judge(landscape, settings)
    best: dict[str, Cell] = {measure: landscape.best(measure) for measure in MEASURES}
    every = [(cell, float(landscape.epochs)) for cell in landscape.cells for _ in range(landscape.choosing)]
    oracle = Method(BEST, "minibatch-lab", lambda *_: Found(best, every, stacked=True), repetitions=1)
    searched = {BEST: search(landscape, oracle, {}), **searched}
    return [row(landscape, judge, best, method, *searched[method.name]) for method in [oracle, *methods]]


def cells_of(one: Repetition) -> list[Cell]:
    """The cells that a repetition recommends."""
    return [] if isinstance(one, str) else list(one.settings.values())


def row(
    landscape: Landscape,
    judge: Judge,
    best: Mapping[str, Cell],
    method: Method,
    found: Sequence[Repetition],
    message: str,
) -> dict[str, Any]:
    """The row of a method."""
    written: dict[str, Any] = {
        "problem": landscape.problem,
        "method": method.name,
        "library": method.library,
        "version": version_of(method.library),
        "target": landscape.target,
        "load": os.getloadavg()[0],
        "repetitions": len(found),
        "failed": sum(isinstance(one, str) for one in found),
        "status": "error" if message else "ok",
        "message": message or next((one for one in found if isinstance(one, str)), ""),
        "found": _most_often(found),
    }
    if message or written["failed"] == len(found):
        return written | {"status": "error"}
    for measure in MEASURES:
        values = np.array([_values(judge, one, measure) for one in found])
        above = regret(values, judge.values(best[measure], measure))
        written[f"median_{measure}"] = float(np.median(np.median(values, axis=1)))
        written |= _named(f"regret_{measure}", above)
    costs = [cost(landscape, one) for one in found if not isinstance(one, str)]
    for name in costs[0]:
        written |= _named(f"cost_{name}", spread([each[name] for each in costs]))
    return written


def _named(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _values(judge: Judge, one: Repetition, measure: Measure) -> Array:
    if isinstance(one, str):
        return np.full(judge.landscape.judged, np.inf)
    return judge.values(one.settings[measure], measure)


def cost(landscape: Landscape, found: Found) -> dict[str, float]:
    """Runs, run-epochs and seconds that finding it took.

    Seconds of runs that are looked up are those that training them takes: steps times the measured time of a step, one
    run after the other; or, where a method trains many at once, the measured time of a stack's epoch.
    """
    spent = 0.0
    for cell, epochs in () if found.timed else found.trained:
        kind = landscape.times.kind(cell)
        one = landscape.times.seconds(cell) * cell.steps_per_epoch
        spent += epochs * (landscape.stacked[kind] if found.stacked else one)
    return {
        "runs": float(len(found.trained)),
        "epochs": float(sum(epochs for _, epochs in found.trained)),
        "seconds": spent + found.own_seconds,
    }


def _most_often(found: Sequence[Repetition]) -> str:
    """The setting that was found most often for the final loss, in words."""
    cells = {one.settings["loss"].id: one.settings["loss"] for one in found if not isinstance(one, str)}
    times = Counter(one.settings["loss"].id for one in found if not isinstance(one, str))
    if not cells:
        return ""
    config = cells[times.most_common(1)[0][0]].config
    often = f", {max(times.values())} of {len(found)}" if len(found) > 1 else ""
    return f"{short(config.optimizer.name)}, b {config.batch_size}, lr {config.lr:.4g}{often}"
