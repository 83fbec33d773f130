"""``python -m benchmarks.bench``: the lab's speed beside plain PyTorch, JAX, a process per cell, and benchopt.

The first two parts run in one process and in turn, on one thread, with the garbage collector frozen; the
third times whole commands. Medians and ratios are what to read.
"""

import argparse
import json
from pathlib import Path

from benchmarks import classes, processes, solo, stacks
from pipeline.lab.config import compose_cell
from pipeline.lab.files import written_whole
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.data import prepared
from pipeline.train.fit import quiet_lightning


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/bench.json"), help="where the numbers go")
    parser.add_argument("--data", type=Path, default=Path("results/data"), help="folder of the whitened data")
    parser.add_argument("--repeats", type=int, default=11, help="timings of each contender")
    parser.add_argument("--no-processes", action="store_true", help="leave out the whole commands (two minutes)")
    arguments = parser.parse_args()
    config = compose_cell().data
    dataset = prepared(config, arguments.data)
    numbers = {}
    with torch_threads(), no_garbage_collection(), quiet_lightning():
        numbers["solo"] = solo.measure(dataset, arguments.repeats)
        solo.show(numbers["solo"])
        numbers["stacks"] = stacks.measure(dataset, arguments.repeats)
        stacks.show(numbers["stacks"])
    numbers["classes"] = classes.measure(max(1, arguments.repeats // 2))
    classes.show(numbers["classes"])
    if not arguments.no_processes:
        numbers["processes"] = processes.measure(arguments.data.resolve() / f"{config.name}-{config.whiten}.parquet")
        processes.show(numbers["processes"])
    with written_whole(arguments.out) as temporary:
        temporary.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
