"""How a run of the workflow ends: stopped by a signal, or with the failed cells and what to open as its last lines."""

import atexit
import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import UserError, printable
from pipeline.lab.grouping import grouped
from pipeline.lab.settings import Tracking

#: Seconds that jobs have to end after SIGTERM, before they are killed.
_PATIENCE = 10.0


def stop_jobs_on_signals() -> None:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: end the running jobs, then Snakemake, which removes its lock.

    Snakemake itself would wait for running jobs after SIGTERM, and leave them running after SIGHUP. A signal that is
    ignored, as SIGHUP is under ``nohup``, stays so.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    import psutil  # here, because it is seldom needed

    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    jobs = psutil.Process(os.getpid()).children(recursive=True)
    for kill in (psutil.Process.terminate, psutil.Process.kill):
        for job in jobs:
            try:
                kill(job)
            except psutil.NoSuchProcess:
                continue
        end = time.monotonic() + _PATIENCE
        # Snakemake waits for its processes in other threads, so their status must not be fetched here.
        while any(map(_lives, jobs)) and time.monotonic() < end:
            time.sleep(0.05)
    raise KeyboardInterrupt


def _lives(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def print_last(lines: Sequence[str]) -> None:
    """Print lines to stderr once Snakemake has said everything else."""
    if lines:
        atexit.register(lambda: print(*map(printable, lines), sep="\n", file=sys.stderr))


def failed_jobs(jobs: Iterable[Any]) -> list[str]:
    """A line for each of Snakemake's jobs that failed: its rule, its wildcards, the reason and the log."""
    return [f"failed: {_name(job)}{_reason(job.log)}" for job in sorted(jobs, key=_name)]


def _name(job: Any) -> str:
    return " ".join([job.rule.name, *map(str, job.wildcards)])


def _reason(logs: Sequence[str]) -> str:
    """The last line of a log that is an error's, and where the log is."""
    if not logs:
        return ""
    try:
        lines = Path(logs[0]).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line.strip() for line in lines if "error" in line.lower()]
    return f": {errors[-1]} ({logs[0]})" if errors else f" ({logs[0]})"


def failed_cells(studies: Iterable[str], results: str, jobs: Callable[[str], dict[str, list[Cell]]]) -> list[str]:
    """A line for each cell whose runs ended in an error: how many did, and the log of its job.

    Parameters
    ----------
    studies : iterable of str
        Names of studies; those without a table are passed over.
    results : str
        The folder of the results.
    jobs : callable
        Gives the jobs of a study, each with its cells.

    Returns
    -------
    list of str
    """
    from pipeline.lab.tables import RUNS, read_batches  # here, because pyarrow is needed only at the end

    lines = []
    for study in sorted(studies):
        try:
            table = read_batches(Path(results, study, "runs.parquet"), RUNS, ["cell_id", "status"])
            rows = (zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in table)
            counts = grouped((cell_id, status == "error") for cell_id, status in chain.from_iterable(rows))
        except UserError:
            continue
        cells = {cell.id: (cell, job) for job, cells in jobs(study).items() for cell in cells}
        for cell_id, failed in counts.items():
            if any(failed) and cell_id in cells:
                cell, job = cells[cell_id]
                log = f"{results}/logs/train/{study}/{job}.log"
                lines.append(f"failed: cell {cell.name} of {study}: {sum(failed)} of {len(failed)} runs ({log})")
    return lines


def answers(results: str) -> list[str]:
    """The answer of each study, as the report's log has it below the report's path, and what says how sure the last is.

    The last of the lab's own is the sweep.
    """
    log = Path(results, "logs", "report.log")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    found = [line for line in lines if re.match(r"[\w-]+: a loss of .* is reached", line)]
    sure = ["python", "-m", "pipeline.analysis.advise", "--study", f"{results}/{''.join(found[-1:]).partition(':')[0]}"]
    return [*found, f"How sure that is: {shlex.join(sure)}"] if found else []


def mlflow_pages(counts: Iterable[Path]) -> list[str]:
    """Where MLflow shows the cells of the largest study, the lowest loss first.

    Parameters
    ----------
    counts : iterable of Path
        As of :func:`earlier_runs`.
    """
    done: list[dict[str, Any]] = [
        one for path in counts if path.is_file() for one in json.loads(path.read_text()).values()
    ]
    found = max(done, key=lambda one: one["logged"] + one["unchanged"], default={}).get("address")
    return [f"Browse the runs: {Tracking.read().browse(found)}"] if found else []


def earlier_runs(counts: Iterable[Path], results: str) -> list[str]:
    """Say that MLflow shows runs twice, those of a removed results folder too, and which command removes them.

    Parameters
    ----------
    counts : iterable of Path
        What ``python -m pipeline.track --done`` wrote; the first one that is there is read.
    results : str
        The folder of the results.

    Returns
    -------
    list of str
    """
    done: dict[str, Any] = next((json.loads(path.read_text()) for path in counts if path.is_file()), {})
    left = {study: one["left"] for study, one in done.items() if one["left"]}
    if not left:
        return []
    command = shlex.join(["python", "-m", "pipeline.track", "--replace", *(f"{results}/{study}" for study in left)])
    return [
        f"MLflow: {sum(left.values())} runs of an earlier folder at the same path remain beside these; if it is gone, "
        f"remove them: {command}"
    ]
