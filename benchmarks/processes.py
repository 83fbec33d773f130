"""Whole commands: a stack in one process, a process per cell, and benchopt on the same grid.

The grid is 20 cells of least squares by minibatch SGD: 4 batch sizes, 5 learning rates, 10 epochs.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.solo import Row

BATCH_SIZES = (1, 10, 100, 1500)
LRS = (0.001, 0.005, 0.05, 0.4, 1.0)
EPOCHS = 10
#: A process per cell is measured on so many of the cells, and scaled up.
SAMPLE = 10

_HERE = Path(__file__).parent


def _seconds(command: list[str], **environment: str) -> float:
    """Wall seconds of a command; its output is shown if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start


def _train(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.train", *overrides, "track=false", f"epochs={EPOCHS}"]


def stack_in_one_process(folder: Path) -> float:
    """The whole grid through ``hydra/launcher=stacked``."""
    return _seconds(
        _train(
            "-m",
            "hydra/launcher=stacked",
            f"batch_size={','.join(map(str, BATCH_SIZES))}",
            f"lr={','.join(map(str, LRS))}",
            f"hydra.sweep.dir={folder}",
        )
    )


def process_per_cell(folder: Path) -> float:
    """Ten of the cells, every second one, a process each, one after the other; scaled to all of them."""
    cells = [(batch_size, lr) for batch_size in BATCH_SIZES for lr in LRS][::2]
    seconds = [
        _seconds(_train(f"batch_size={batch_size}", f"lr={lr}", f"hydra.run.dir={folder}/{number}"))
        for number, (batch_size, lr) in enumerate(cells[:SAMPLE])
    ]
    return sum(seconds) / len(seconds) * len(BATCH_SIZES) * len(LRS)


def benchopt(folder: Path, data: Path) -> float:
    """The whole grid through benchopt, without its cache and its plots."""
    command = [sys.executable, "-m", "benchopt", "run", str(_HERE / "benchopt_grid"), "-s", "sgd-torch"]
    command += ["-n", str(EPOCHS), "-r", "1", "--timeout", "600", "--no-cache", "--no-plot", "--no-display"]
    command += ["--output", str(folder / "benchopt")]
    return _seconds(command, BENCH_DATA=str(data), PYTHONPATH=str(_HERE.parent), BENCHOPT_SHELL="bash")


def measure(data: Path, repeats: int = 3) -> list[Row]:
    """Wall seconds of the whole grid, each way; medians, in turn, but the sample of processes once."""
    stack: list[float] = []
    other: list[float] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(repeats):
            stack.append(stack_in_one_process(folder / f"stack{number}"))
            other.append(benchopt(folder, data))
        processes = process_per_cell(folder / "processes")
    middle = sorted(stack)[len(stack) // 2]
    named = {
        "stacks, one process": middle,
        f"a process per cell (from {SAMPLE} of 20)": processes,
        "benchopt": sorted(other)[len(other) // 2],
    }
    return [{"contender": name, "seconds": value, "to_stacks": value / middle} for name, value in named.items()]


def show(rows: list[Row]) -> None:
    """Print the ratios for people."""
    print("\nWhole commands, 20 cells of least squares: wall seconds, imports included")
    print(f"{'':<36}{'seconds':>9}  {'/ stacks':>8}")
    for row in rows:
        print(f"{row['contender']:<36}{row['seconds']:>9.1f}  {row['to_stacks']:>8.1f}")
