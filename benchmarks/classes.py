"""``python -m benchmarks.classes``: stacked classifiers beside the same runs one after the other, time per run.

Whole times: everything that training a cell takes, readings of the loss included. The digits of scikit-learn are the
data: 1,437 rows of 64 numbers in ten classes, minibatches of 32. Medians are what to read.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.parts.base import DataConfig
from pipeline.train.cells import train_cells

#: What is timed: so many runs of each engine, in turn.
SUBJECTS = {
    "softmax regression": ["model=linear"],
    "64-32-10 MLP": ["model=mlp", "model.widths=[32]"],
    "64-64-64-10 MLP": ["model=mlp"],
}
RUNS = {"solo": 10, "stacked": 200}
ROWS, CLASSES = 1437, 10


@dataclass
class Rows(DataConfig):
    """The digits as rows."""

    @property
    def features(self) -> int:
        """Pixels."""
        return 64

    @property
    def outputs(self) -> int:
        """Classes."""
        return CLASSES


def digits() -> Dataset:
    """The digits as rows."""
    source = load_digits()
    X, y = (source.data[:ROWS] / 16).astype(np.float32), source.target[:ROWS].astype(np.int64)
    return Dataset("digits", X, y, (), {}, offline_twin=False)


def timing(overrides: list[str], dataset: Dataset, engine: str) -> Callable[[], float]:
    """Seconds per run, of four epochs."""
    data = Rows("digits", "", "", "", task="classification", rows_total=ROWS, rows=ROWS)
    base = compose_cell(["data=airfoil_twin", "batch_size=32", "lr=0.05", "epochs=4", f"read_every={ROWS}", *overrides])
    cell = Cell(replace(base, data=data, engine=engine, seeds=RUNS[engine]))

    def measure() -> float:
        start = time.perf_counter()
        runs, _ = train_cells([cell], {"digits": dataset})
        seconds = time.perf_counter() - start
        if set(runs.engine) != {engine} or set(runs.status) != {"ok"}:
            raise RuntimeError(f"{overrides}: trained by {set(runs.engine)}, and ended {set(runs.status)}")
        return seconds / RUNS[engine]

    return measure


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classes", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timings of each contender")
    arguments = parser.parse_args()
    dataset = digits()
    print(f"{'milliseconds per run':<22}{'solo':>10}{'stacked':>10}{'times less':>12}")
    for name, overrides in SUBJECTS.items():
        solo, stacked = (timing(overrides, dataset, engine) for engine in RUNS)
        stacked()  # tries the model, once
        pairs = [(solo(), stacked()) for _ in range(arguments.repeats)]
        first, second = (1e3 * median(values) for values in zip(*pairs, strict=True))
        print(f"{name:<22}{first:>10.1f}{second:>10.1f}{first / second:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
