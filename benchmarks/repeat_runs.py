"""``python -m benchmarks.repeat_runs --runs 10 --out DIR``: hold whole runs on one machine against each other.

Each run is a plain ``snakemake`` in a fresh copy of the files that git knows, with this environment; ``DIR`` keeps its
``claims.json``. With ``--load 1`` a process that never rests holds a core meanwhile. Files or folders that are named
are compared without running anything. ``--store conf/repeats.json`` keeps how often each claim had which verdict, for
the page of the ledger. What is said of them is Markdown: claims whose verdicts differ, and how often the
95 % intervals of two runs meet, for numbers that rest on this machine's clock. Intervals that cover as they say meet in
95 % of pairs or more. Status 1 where a verdict differs that is not marked beforehand as depending on this machine.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from pipeline.claims.statistics import CLOCK
from pipeline.lab import formats
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.files import write_whole
from pipeline.lab.machine import cpu_model, usable_cores
from pipeline.lab.paths import ROOT

#: Pairs of intervals that meet, at least, if both cover in 95 % of runs and miss on either side alike.
NOMINAL = 0.95
#: How the reason of a claim begins that was marked beforehand.
MARKED = "this machine: "

Decided = Mapping[str, Any]


@dataclass(frozen=True)
class Verdicts:
    """What several runs said of a claim.

    Parameters
    ----------
    claim : str
        Its id.
    counts : mapping
        Verdict to runs.
    marked : bool
        Whether the ledger says that it depends on this machine.
    """

    claim: str
    counts: Mapping[str, int]
    marked: bool


@dataclass(frozen=True)
class Overlap:
    """How often the intervals of two runs meet.

    Parameters
    ----------
    name : str
        The claim, the test and the case.
    meet, pairs : int
        Pairs of runs whose intervals meet, and all of them.
    lowest, highest : float
        The least and the greatest number.
    """

    name: str
    meet: int
    pairs: int
    lowest: float
    highest: float


def verdicts(runs: Sequence[Decided]) -> list[Verdicts]:
    """Count the verdicts of each claim that any run has decided, in the order of the ledger."""
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        for claim in run["claims"]:
            by_claim.setdefault(claim["id"], []).append(claim)
    return [
        Verdicts(name, Counter(one["verdict"] for one in own), all(one["reason"].startswith(MARKED) for one in own))
        for name, own in by_claim.items()
    ]


def overlaps(runs: Sequence[Decided]) -> list[Overlap]:
    """Hold the intervals of every number that rests on the clock against each other, run by run."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for run in runs:
        for claim in run["claims"]:
            for test in (test for test in claim["tests"] if test["rests_on"] == CLOCK):
                for point in (point for point in test["points"] if point["interval"] is not None):
                    at = "".join(f", {name} {value}" for name, value in point["at"].items())
                    numbers = [_number(x) for x in (*point["interval"], point["effect"])]
                    low, high, value = numbers
                    if not any(map(math.isnan, numbers)):
                        found.setdefault(f"{claim['id']}: {test['name']}{at}", []).append((low, high, value))
    table = []
    for name, own in found.items():
        pairs = list(combinations(own, 2))
        meet = sum(a[0] <= b[1] and b[0] <= a[1] for a, b in pairs)
        values = [value for *_, value in own]
        table.append(Overlap(name, meet, len(pairs), min(values), max(values)))
    return table


def _number(x: float | str | None) -> float:
    return math.nan if x is None else float(str(x).replace("infinite", "inf"))


def words(runs: Sequence[Decided]) -> list[str]:
    """Say as Markdown what differs between runs."""
    found, intervals = verdicts(runs), overlaps(runs)
    differ = [one for one in found if len(one.counts) > 1 or sum(one.counts.values()) < len(runs)]
    marked = [one.claim for one in found if one.marked]
    lines = [
        f"{formats.count(len(runs), 'run')}: {len(found) - len(differ)} of {len(found)} verdicts are the same in all; "
        f"marked beforehand as depending on this machine: {', '.join(marked) or 'none'}.",
        "",
    ]
    if differ:
        lines += ["| claim | verdicts |", "| --- | --- |"]
        for one in differ:
            counts = ", ".join(f"{verdict} in {number}" for verdict, number in one.counts.items())
            lines.append(f"| {one.claim} | {counts} |")
        lines.append("")
    meet, pairs = sum(one.meet for one in intervals), sum(one.pairs for one in intervals)
    if pairs:
        lines += [
            f"Intervals of numbers that rest on the clock: {meet} of {pairs} pairs meet, {meet / pairs:.1%} "
            f"(nominal: {NOMINAL:.0%} or more).",
            "",
            "| number | pairs that meet | from | to |",
            "| --- | --- | --- | --- |",
        ]
        for each in sorted(intervals, key=lambda one: one.meet / max(one.pairs, 1)):
            if each.meet < NOMINAL * each.pairs:
                ends = " | ".join(formats.number(x, 3) for x in (each.lowest, each.highest))
                lines.append(f"| {each.name} | {each.meet} of {each.pairs} | {ends} |")
    return lines


def counted(runs: Sequence[Decided]) -> dict[str, Any]:
    """What is kept of runs: the day, the machine, how many there were, and how often each claim had which verdict."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{cpu_model()}, {formats.count(usable_cores(), 'core')}",
        "runs": len(runs),
        "claims": {one.claim: dict(one.counts) for one in verdicts(runs)},
    }


def read(paths: Sequence[Path]) -> list[Decided]:
    """Read verdicts: files, or folders with ``claims.json`` or with files of several runs.

    Raises
    ------
    UserError
        If there is none, or one cannot be read.
    """
    files = []
    for path in paths:
        if path.is_dir():
            own = sorted(path.glob("claims.json")) or sorted(path.glob("*.json"))
            if not own:
                raise UserError(f"{path} has no claims.json: name files or folders of runs")
            files += own
        else:
            files.append(path)
    runs = []
    for file in files:
        try:
            run = json.loads(file.read_text(encoding="utf-8"))
            run["claims"][0]["tests"]
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, IndexError):
            raise UserError(f"{file} is no list of verdicts: make it again with snakemake claims") from None
        runs.append(run)
    if len(runs) < 2:
        raise UserError(f"{len(runs)} run is not enough: two or more can be compared")
    return runs


def fresh_copy(folder: Path) -> None:
    """Copy what git knows of this checkout, as it is now, to a folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


@contextmanager
def busy(cores: int) -> Iterator[list[int]]:
    """Hold some cores with processes that never rest; their ids."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run_all(out: Path, runs: int, cores: int) -> None:
    """Run the workflow until there are so many verdicts in a folder; those that are there are kept."""
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # every stage would compile its imports again
    for number in range(1, runs + 1):
        kept, folder = out / f"run{number}.json", out / "checkout"
        if kept.exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        fresh_copy(folder)
        start = time.perf_counter()
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        with (out / f"run{number}.log").open("w", encoding="utf-8") as log:
            done = subprocess.run(
                command, cwd=folder, env={**environment, "PYTHONPATH": str(folder)}, stdout=log, stderr=log, check=False
            )
        if done.returncode:
            raise UserError(f"run {number} ended with status {done.returncode}: see {log.name}")
        shutil.copy2(folder / "results" / "claims.json", kept)
        print(f"{kept}: {time.perf_counter() - start:.1f} s", flush=True)
    shutil.rmtree(out / "checkout", ignore_errors=True)


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run, if asked to, compare, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repeat_runs", description="Compare whole runs.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="verdicts of runs: files, or folders")
    parser.add_argument("--runs", type=int, default=0, help="make so many runs first")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where their verdicts are kept")
    parser.add_argument("--load", type=int, default=0, metavar="CORES", help="cores that something else holds")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="of each run (all)")
    parser.add_argument("--store", type=Path, metavar="FILE.json", help="where the counts of verdicts go")
    options = parser.parse_args(arguments)
    if (options.runs > 0) != (options.out is not None):
        raise UserError("--runs and --out go together: how many runs, and where their verdicts are kept")
    if options.runs:
        with busy(options.load):
            run_all(options.out, options.runs, options.cores)
    runs = read([*options.paths, *([options.out] if options.runs else [])])
    print(*words(runs), sep="\n")
    if options.store is not None:
        write_whole(options.store, json.dumps(counted(runs), indent=1, ensure_ascii=False) + "\n")
    return int(any(len(one.counts) > 1 for one in verdicts(runs)))


if __name__ == "__main__":
    sys.exit(main())
