"""From a question to its answer: race, then measure what was chosen with seeds that had no part in choosing."""

import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.analysis.bootstrap import median_interval
from pipeline.answer.live import Live
from pipeline.answer.question import Question
from pipeline.answer.race import PILOT, Claim, Race
from pipeline.answer.training import AGAIN, Training
from pipeline.answer.units import Work, workers
from pipeline.lab.config.cell import Cell
from pipeline.lab.facts import json_object
from pipeline.lab.files import write_whole
from pipeline.lab.machine import usable_cores

#: Most rivals that a claim's numbers are reported of.
NAMED = 5
#: What a run takes of what it took in the first round, which has few to a stack, and in which workers start.
WARM = 0.5


@dataclass(frozen=True)
class Reported:
    """A cell's median by fresh seeds, with its 95 % interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Answer:
    """What a race found.

    Parameters
    ----------
    question : Question
        What was asked.
    cells : list of Cell
        What was raced, with the learning rates that joined.
    fields : sequence of str
        Each cell's optimizer.
    claims : list of Claim
        Its claims.
    reported : dict
        Measure and cell to the numbers of fresh seeds.
    target : float
        The loss to reach.
    metric : str
        The loss that decides.
    runs : int
        Trained by the race, and for its numbers.
    epochs : float
        Passes over the data of all runs.
    seconds : float
        The command took.
    per_run : float
        Seconds per run, on all cores.
    failures : dict
        Cell to why it failed.
    seeds : list of int
        That each cell was raced with.
    """

    question: Question
    cells: list[Cell]
    fields: Sequence[str]
    claims: list[Claim]
    reported: dict[tuple[str, int], Reported]
    target: float
    metric: str
    runs: int
    epochs: float
    seconds: float
    per_run: float
    failures: dict[str, str]
    seeds: list[int]


def answer(question: Question, started: float, work: AbstractContextManager[Work] | None = None) -> Answer:
    """Race a question's cells within its budget.

    Parameters
    ----------
    question : Question
        What is asked.
    started : float
        When the command was, by :func:`time.monotonic`: the budget counts from there.
    work : context manager, optional
        What trains; by default processes on this machine, see :func:`pipeline.answer.units.workers`.

    Returns
    -------
    Answer
        Written to ``answer.json`` in the question's folder, too.
    """
    settings = question.settings
    with work or workers(settings.cores or usable_cores()) as work_on_all:
        training = Training(
            list(question.cells),
            question.folder,
            Path(settings.data_dir),
            work_on_all,
            settings.metric,
            settings.target,
            clock=any(one.name == "seconds" for one in question.measures),
        )
        race = Race(
            training,
            question.fields,
            question.measures,
            settings.alpha,
            training.weigh,
            training.spread,
            training.widen,
            training.measure,
        )
        _run(race, training, question, started)
        claims = race.claims()
        reported = _reported(race, claims, settings.report) if settings.report else {}
        trained = (~np.isnan(race.values[race.measures[0].name])).sum(axis=1)
    found = Answer(
        question=question,
        cells=training.cells,
        fields=race.fields,
        claims=claims,
        reported=reported,
        target=float(training.target or math.nan),
        metric=training.metric,
        runs=race.runs,
        epochs=training.epochs,
        seconds=time.monotonic() - started,
        per_run=training.seconds / max(race.runs, 1),
        failures=training.failures,
        seeds=[*trained.tolist(), *[0] * (len(training.cells) - len(trained))],  # some may have joined at the very end
    )
    _write(found)
    if settings.tables:
        training.write_tables(Path(settings.tables))
    return found


def _run(race: Race, training: Training, question: Question, started: float) -> None:
    """Go through the rounds, first those of a race that was interrupted, as far as the budget goes."""
    budget_seconds, budget_runs = question.settings.limits()
    path = question.folder / "rounds.json"
    planned: list[tuple[int, float]] = json_object(path, AGAIN).get("rounds", []) if path.exists() else []
    kept = question.settings.report * min(2 * len(race.contests), len(question.cells))

    live, rate = Live(sys.stderr), math.inf

    def afford() -> float:
        """Runs that the budget still allows at the pace of the last round, those for the numbers set aside."""
        if not race.runs:
            return math.inf
        left = (budget_seconds - (time.monotonic() - started)) / rate
        return max(0.0, min(left, budget_runs - race.runs) - kept)

    done: list[tuple[int, float]] = []
    before = 0, 0.0
    for upto in race.rounds(afford, [seeds for seeds, _ in planned]):
        if len(done) < len(planned):  # what it took then, not what reading it takes
            training.seconds = max(training.seconds, planned[len(done)][1])
        done.append((upto, training.seconds))
        if len(done) > len(planned):
            write_whole(path, json.dumps({"rounds": done}) + "\n")
        if race.runs > before[0]:  # else steps were measured
            rate = (training.seconds - before[1]) / (race.runs - before[0]) * (WARM if upto == PILOT else 1)
        before = race.runs, training.seconds
        live.show(race, training.cells, time.monotonic() - started, rate)


def _reported(race: Race, claims: list[Claim], seeds: int) -> dict[tuple[str, int], Reported]:
    """Train what was chosen with seeds that had no part in choosing."""
    wanted = {(c.measure, i) for c in claims for i in (c.leader, *c.rivals[:NAMED])}
    cells = np.array(sorted({i for _, i in wanted}))
    fresh = range(race.seeds, race.seeds + seeds)
    values = race.train(cells, fresh, np.isin(cells, [i for name, i in wanted if name == "loss"]))
    race.runs += len(cells) * len(fresh)
    found = {}
    for name, i in sorted(wanted):
        own = values[name][[int(np.flatnonzero(cells == i)[0])]] * race.weigh(name, np.array([i]))[:, None]
        low, high = median_interval(own)
        found[name, i] = Reported(float(np.median(own)), float(low[0]), float(high[0]))
    return found


def _write(found: Answer) -> None:
    cells, settings = [cell.id for cell in found.cells], found.question.settings
    content = {
        "target": found.target,
        "metric": found.metric,
        "runs": found.runs,
        "settings": {key: getattr(settings, key) for key in ("alpha", "margin_loss", "margin_cost", "report")},
        "cells": {
            cell.id: {"series": series, "batch_size": cell.config.batch_size, "lr": cell.config.lr, "seeds": seeds}
            for cell, series, seeds in zip(found.cells, found.fields, found.seeds, strict=True)
        },
        "claims": [
            {**asdict(one), "leader": cells[one.leader], "rivals": [cells[i] for i in one.rivals]}
            for one in found.claims
        ],
        "reported": [{"measure": name, "cell": cells[i], **asdict(one)} for (name, i), one in found.reported.items()],
    }
    for folder in (found.question.folder, *([Path(settings.tables)] if settings.tables else [])):
        write_whole(folder / "answer.json", json.dumps(content, indent=1) + "\n")
