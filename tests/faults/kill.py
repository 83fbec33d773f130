"""Kill the whole workflow at random moments, start it again, and hold what it makes against an undisturbed run.

    python -m tests.faults.kill --seed 1 --kills 20 --report kill-report.json

Each kill has a number, and its moment is drawn from (seed, number) alone: a fraction of the time that the
undisturbed run took here. ``--only 7`` repeats the one with that number.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.workspace import COMMAND, Workspace, kill


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed.

    Attributes
    ----------
    pristine : Workspace
        The folder before the run, to be copied.
    after : Workspace
        The folder after it, to be copied.
    seconds : float
        How long the run took.
    files : set of str
        What lies in the folder after it.
    tables : dict
        A digest of every table, clocks aside.
    cells : Counter
        How often each (study, cell) is in the MLflow store.
    """

    pristine: Workspace
    after: Workspace
    seconds: float
    files: set[str]
    tables: dict[str, str]
    cells: Counter


@dataclass(frozen=True)
class Verdict:
    """What came of one kill.

    Attributes
    ----------
    seed, number : int
        They reproduce the moment.
    fraction, moment : float
        When it was killed: a part of the undisturbed run's time, and seconds after the start.
    running : list of str
        The stages that were running.
    done : int
        Tables that were there already.
    recovery_seconds : float
        How long the second run took.
    problems : list of str
        What is wrong after it; empty where all is well.
    """

    seed: int
    number: int
    fraction: float
    moment: float
    running: list[str]
    done: int
    recovery_seconds: float
    problems: list[str]

    @property
    def recovered(self):
        """Whether all is well."""
        return not self.problems

    def __str__(self):
        verdict = "recovered" if self.recovered else "; ".join(self.problems)
        running = ", ".join(self.running)
        return (
            f"{self.number:>3}  killed after {self.moment:5.1f} s ({self.fraction:.2f}) in {running}, "
            f"{self.done} tables done; {self.recovery_seconds:.1f} s to recover: {verdict}"
        )


def undisturbed(folder):
    """Run the workflow once, to its end.

    Parameters
    ----------
    folder : Path
        An empty one.

    Returns
    -------
    Undisturbed
    """
    pristine = Workspace.fresh(folder / "pristine")
    workspace = pristine.copy(folder / "undisturbed")
    status, seconds = workspace.run()
    assert status == 0, workspace.last_words()
    active = [run for run in workspace.logged() if not run[3]]
    made = Undisturbed(
        pristine, workspace, seconds, workspace.files(), workspace.tables(), Counter(run[:2] for run in active)
    )
    assert made.tables and made.cells, "the undisturbed run made nothing"
    assert set(made.cells.values()) == {1}, f"the undisturbed run logged a cell twice: {made.cells}"
    return made


def fraction_of(seed, number):
    """The moment of a kill, as a part of the undisturbed run's time."""
    return random.Random(f"{seed}/{number}").random()


def killed_and_started_again(made, folder, seed, number):
    """Kill the workflow once, at its moment, and run the same command again.

    Parameters
    ----------
    made : Undisturbed
        What to compare with.
    folder : Path
        Does not exist yet; removed again if all is well.
    seed, number : int
        They decide the moment.

    Returns
    -------
    Verdict
    """
    workspace = made.pristine.copy(folder)
    fraction = fraction_of(seed, number)
    moment = fraction * made.seconds
    running = None
    while running is None:
        start = time.monotonic()
        leader = workspace.start()
        try:
            leader.wait(moment)
        except subprocess.TimeoutExpired:  # it is alive, as it should be
            running = kill(workspace, leader)
        else:  # this machine has become faster: the same part of the time that it takes now
            moment = fraction * (time.monotonic() - start)
            shutil.rmtree(folder)
            workspace = made.pristine.copy(folder)
    done = len(workspace.tables())
    status, seconds = workspace.run()
    problems = problems_of(workspace, made, status)
    if not problems:
        shutil.rmtree(folder)
    return Verdict(seed, number, round(fraction, 4), round(moment, 2), running, done, round(seconds, 1), problems)


def problems_of(workspace, made, status):
    """What is wrong after the second run, a sentence each."""
    if status != 0:
        return [f"the second run ended with status {status}: {workspace.last_words()}"]
    problems = []
    files, tables = workspace.files(), workspace.tables()
    problems += [f"{name} is left behind" for name in sorted(files - made.files)]
    problems += [f"{name} is missing" for name in sorted(made.files - files)]
    differ = sorted(name for name in made.tables if tables.get(name) != made.tables[name])
    problems += [f"results/{name} differs" for name in differ]
    runs = workspace.logged()
    cells = Counter(run[:2] for run in runs if not run[3])
    problems += [
        f"MLflow has {cell} {cells[cell]} times, not {made.cells[cell]}"
        for cell in cells | made.cells
        if cells[cell] != made.cells[cell]
    ]
    problems += [f"MLflow has a run of {run[:2]} that seems to be running" for run in runs if run[2] == "RUNNING"]
    # A deleted run keeps its artifacts until `mlflow gc`; one that the store does not know could never be found.
    problems += [f"artifacts of an unknown run {one}" for one in workspace.artifact_runs() - {run[4] for run in runs}]
    problems += [f"PID {process.pid} still runs" for process in workspace.processes()]
    return problems


def report(made, verdicts, seed):
    """What the report file holds."""
    recovered = sum(verdict.recovered for verdict in verdicts)
    return {
        "recovered": f"{recovered} of {len(verdicts)}",
        "seed": seed,
        "command": " ".join(COMMAND),
        "undisturbed_seconds": round(made.seconds, 1),
        "tables_compared": len(made.tables),
        "cells_in_mlflow": len(made.cells),
        "kills": [asdict(verdict) | {"recovered": verdict.recovered} for verdict in verdicts],
    }


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="decides the moments")
    parser.add_argument("--kills", type=int, default=20, help="how many")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="repeat one of them")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    parser.add_argument("--report", type=Path, metavar="FILE", help="written at the end, as JSON")
    options = parser.parse_args()
    numbers = range(options.kills) if options.only is None else [options.only]
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    start = time.monotonic()
    made = undisturbed(folder)
    print(f"undisturbed: {made.seconds:.1f} s, {len(made.tables)} tables, {len(made.cells)} cells", flush=True)

    def one(number):
        verdict = killed_and_started_again(made, folder / f"kill-{number}", options.seed, number)
        print(verdict, flush=True)
        return verdict

    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(one, numbers))
    said = report(made, verdicts, options.seed) | {"seconds": round(time.monotonic() - start)}
    if options.report:
        options.report.write_text(json.dumps(said, indent=2) + "\n")
    print(f"{said['recovered']} recovered, seed {options.seed}, {said['seconds']} s")
    if not all(verdict.recovered for verdict in verdicts):
        sys.exit(f"what is left of the others is in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
