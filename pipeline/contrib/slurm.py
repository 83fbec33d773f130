"""``python -m pipeline.contrib.slurm [KEY=VALUE ...]``: a race whose rounds are arrays of Slurm jobs.

It takes the words of ``python -m pipeline.answer`` and is started where jobs may be sent from. Each round is one job
array, a task for each of its units, and it waits for that; steps are measured by a job that has a node to itself. What
decides runs here, on files that the tasks have written, so that it comes to the decisions of one machine.

A race that was killed may have left an array: the next one waits for it (``--dependency=singleton``), and its tasks
pass over what is there. sbatch's own variables say where jobs go: ``SBATCH_PARTITION``, ``SBATCH_ACCOUNT``,
``SBATCH_TIMELIMIT``, ``SBATCH_MEM_PER_NODE`` (2000 MB where nothing is said).
"""

import getpass
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.answer.__main__ import DESCRIPTION
from pipeline.answer.question import Question, read_question
from pipeline.answer.units import Steps, Unit, Work, work_on
from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.errors import UserError
from pipeline.lab.files import write_whole
from pipeline.lab.stage import CONFIG_DIR, Options, argument, command

#: Most tasks of an array, which Slurm limits (MaxArraySize, 1001 by default); of more units each task does some.
MOST_TASKS = 500


@contextmanager
def arrays(question: Question, words: Sequence[str]) -> Iterator[Work]:
    """What trains a race's units: job arrays, one at a time; those of a race that is stopped are cancelled.

    Parameters
    ----------
    question : Question
        What is asked.
    words : sequence of str
        The same, as each task reads it.

    Yields
    ------
    callable
        As of :func:`pipeline.answer.units.workers`.
    """
    name, folder = f"race-{question.name}", question.folder / "slurm"

    def work(jobs: Sequence[Unit | Steps]) -> list[dict[str, str]]:
        """Send an array for some jobs and wait for its end."""
        if not jobs:
            return []
        task_file = folder / f"{jobs[0].path.stem}.json"
        write_whole(task_file, json.dumps([to_json(question, job) for job in jobs]) + "\n")
        task = [sys.executable, "-m", "pipeline.contrib.slurm", *words, "--task", str(task_file)]
        sent = subprocess.run(
            [
                *("sbatch", "--wait", "--dependency=singleton", f"--job-name={name}", "--cpus-per-task=1"),
                *(["--exclusive"] if isinstance(jobs[0], Steps) else []),
                *(f"--array=0-{min(len(jobs), MOST_TASKS) - 1}", f"--output={folder}/%A-%a.log"),
                f"--wrap=exec {shlex.join(task)}",
            ],
            env={"SBATCH_MEM_PER_NODE": "2000", **os.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        left = sum(not job.path.exists() for job in jobs)
        if left or sent.returncode:
            raise UserError(
                f"{left} of {len(jobs)} units of this round were not made (sbatch: status {sent.returncode}"
                f"{', ' + sent.stderr.strip() if sent.stderr.strip() else ''}); the tasks' logs are in {folder}; mend "
                "that, and start again with the same words: what is finished is kept"
            )
        return [json.loads(reasons_of(job.path).read_text(encoding="utf-8")) for job in jobs]

    try:
        yield work
    except BaseException:
        subprocess.run(["scancel", f"--name={name}", f"--user={getpass.getuser()}"], check=False)
        raise


def reasons_of(path: Path) -> Path:
    """Where a task writes why cells of a unit have failed."""
    return path.with_suffix(".reasons.json")


def to_json(question: Question, job: Unit | Steps) -> dict[str, Any]:
    """Write a job for another process; a cell by one of the question's that differs in its learning rate at most."""
    alike = {_but_lr(cell): number for number, cell in enumerate(question.cells)}
    cells = [
        [alike[_but_lr(cell)], cell.config.lr, cell.config.seeds, cell.config.first_seed, cell.id] for cell in job.cells
    ]
    return {**vars(job), "cells": cells, "data_dir": str(job.data_dir), "path": str(job.path)}


def from_json(question: Question, given: dict[str, Any]) -> Unit | Steps:
    """Read a job; the inverse of :func:`to_json`."""
    cells = []
    for number, lr, seeds, first_seed, cell_id in given["cells"]:
        like = question.cells[number]
        cells.append(replace(like, config=replace(like.config, lr=lr, seeds=seeds, first_seed=first_seed)))
        if cells[-1].id != cell_id:
            raise UserError(f"{cell_id} is no cell of this race: the lab or a file of yours was edited since it began")
    kind = Unit if "metric" in given else Steps
    return kind(**{**given, "cells": tuple(cells), "data_dir": Path(given["data_dir"]), "path": Path(given["path"])})


def _but_lr(cell: Cell) -> str:
    return canonical_json({**cell.identity, "lr": None})


def do_task(question: Question, path: Path) -> None:
    """Do this task's share of a round, but for what is there."""
    number, count = (int(os.environ[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "COUNT"))
    for given in json.loads(path.read_text(encoding="utf-8"))[number::count]:
        job = from_json(question, given)
        if not (job.path.exists() and reasons_of(job.path).exists()):
            reasons = work_on(job)
            write_whole(reasons_of(job.path), json.dumps(reasons) + "\n")


@command(
    "pipeline.contrib.slurm",
    f"A race whose rounds are arrays of Slurm jobs.\n\n{DESCRIPTION}",
    argument("words", nargs="*", metavar="KEY=VALUE"),
    argument("--task", type=Path, metavar="FILE", help="given by the race to its own jobs"),
    CONFIG_DIR,
)
def main(options: Options) -> None:
    """Race, and print the answer; or do a task of a race."""
    started = time.monotonic()
    question = read_question(options.words)
    if options.task:
        do_task(question, options.task)
        return
    print(f"{len(question.cells):,} cells; runs are kept in {question.folder}", flush=True)
    from pipeline.answer.answer import answer
    from pipeline.answer.words import table_of

    print(table_of(answer(question, started, arrays(question, options.words))))


if __name__ == "__main__":
    main()
