"""``python -m benchmarks.mutants``: edit the code that decides numbers, bit by bit, and see whether the tests notice.

mutmut makes the edits and runs the tests that reach each of them; what this adds is a sample by a seed, because all of
them take hours on two cores, and a report that lists every edit that no test noticed. ``docs/dev/mutation-testing.md``
says which of those change nothing that a test could see.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from pipeline.lab.files import written_whole

#: What is mutated; each part is sampled by itself.
PARTS = {
    "optimizers": "pipeline.parts.optimizers.*",
    "stack": "pipeline.train.stacked*",
    "theory": "pipeline.lab.theory.*",
    "claims": "pipeline.claims.*",
}
#: Status that mutmut keeps of a mutant, where it is not that of a test run that failed.
UNNOTICED: dict[int | None, str] = {0: "survived", 33: "no test reaches it"}
FOLDER = Path("mutants")


def outcomes(folder: Path = FOLDER) -> dict[str, int | None]:
    """Every mutant's name to the exit status of its tests; None where they were not run."""
    found: dict[str, int | None] = {}
    for path in sorted((folder / "pipeline").rglob("*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def sample(names: list[str], most: int, seed: int) -> list[str]:
    """Choose so many of each part at random; all of them where ``most`` is 0 or there are no more.

    A larger sample of the same seed holds the smaller one.
    """
    chosen = []
    for pattern in PARTS.values():
        own = sorted(name for name in names if fnmatch(name, pattern))
        random.Random(seed).shuffle(own)
        chosen += sorted(own[:most] if most else own)
    return chosen


def mutmut(*arguments: str) -> str:
    """Run mutmut on one thread for each of its processes; what it printed.

    Raises
    ------
    SystemExit
        With what it printed, if it fails.
    """
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # A test that runs on the real data too would only take longer.
    environment = {key: value for key, value in os.environ.items() if key != "AIRFOIL_DATA"} | threads
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}mutmut {' '.join(arguments)}: exit status {done.returncode}")
    return done.stdout


def report(chosen: Mapping[str, int | None], total: Mapping[str, int | None]) -> Iterator[str]:
    """The lines of the report: a table of the parts, then by module every mutant that was not noticed."""
    yield "| part | mutants | tried | not noticed | share |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for part, pattern in PARTS.items():
        tried = [status for name, status in chosen.items() if fnmatch(name, pattern) and status is not None]
        missed = sum(status in UNNOTICED for status in tried)
        everything = sum(fnmatch(name, pattern) for name in total)
        share = f"{missed / len(tried):.1%}" if tried else "–"
        yield f"| {part} | {everything} | {len(tried)} | {missed} | {share} |"
    missed_of = groupby((name for name, status in chosen.items() if status in UNNOTICED), key=module_of)
    for module, names in missed_of:
        yield from ["", f"`{module}`", "", "```diff"]
        for name in names:
            lines = mutmut("show", name).splitlines()
            yield f"{name.removeprefix(module)[1:]}: {UNNOTICED[chosen[name]]}"
            yield from (line for line in lines if line[:1] in ("-", "+") and line[:3] not in ("---", "+++"))
        yield "```"


def module_of(name: str) -> str:
    """The module of a mutant, whose last part names the function and the edit."""
    return name.rpartition(".")[0]


def main() -> None:
    """Read the command line, run the mutants that have no outcome yet, write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=150, help="mutants of each part (150; 0: all of them)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--again", action="store_true", help="also those that were noticed or not in an earlier run")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="as many as there are cores, by default")
    parser.add_argument("--out", type=Path, default=Path("results/mutants.md"), help="the report")
    arguments = parser.parse_args()
    children = f"--max-children={arguments.processes}"
    if not outcomes():  # four mutants, for what they bring along: all the others, and which tests reach them
        mutmut("run", children, "pipeline.parts.optimizers.sgd.*")
    before = outcomes()
    chosen = sample(list(before), arguments.sample, arguments.seed)
    due = [name for name in chosen if arguments.again or before[name] is None]
    if due:
        mutmut("run", children, *due)
    after = outcomes()
    text = "\n".join(report({name: after[name] for name in chosen}, after))
    with written_whole(arguments.out) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
