"""``python -m benchmarks.classes``: stacked classifiers beside the same runs one after the other, time per run.

Whole times: everything that training a cell takes, readings of the loss included. The digits of scikit-learn are the
data: 1,437 rows of 64 numbers in ten classes, minibatches of 32. Medians are what to read.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import numpy as np
import torch
from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

from benchmarks.solo import Row
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.parts.base import DataConfig
from pipeline.train.cells import train_cells
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.fit import quiet_lightning
from pipeline.train.plan import plan
from pipeline.train.stacked import train_stacked

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


def cell_of(overrides: list[str], engine: str) -> Cell:
    """Four epochs in minibatches of 32."""
    data = Rows("digits", "", "", "", task="classification", rows_total=ROWS, rows=ROWS)
    base = compose_cell(["data=airfoil_twin", "batch_size=32", "lr=0.05", "epochs=4", f"read_every={ROWS}", *overrides])
    return Cell(replace(base, data=data, engine=engine, seeds=RUNS[engine]))


def timing(overrides: list[str], dataset: Dataset, engine: str) -> Callable[[], float]:
    """Seconds per run, of four epochs."""
    cell = cell_of(overrides, engine)

    def measure() -> float:
        start = time.perf_counter()
        runs, _ = train_cells([cell], {"digits": dataset})
        seconds = time.perf_counter() - start
        if set(runs.engine) != {engine} or set(runs.status) != {"ok"}:
            raise RuntimeError(f"{overrides}: trained by {set(runs.engine)}, and ended {set(runs.status)}")
        return seconds / RUNS[engine]

    return measure


def peak() -> float:
    """Operations a second in the product of two matrices of 1,024 rows, float32: the best of nine."""
    a, b = torch.randn(2, 1024, 1024)
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * len(a) ** 3 / min(seconds)


def operations(overrides: list[str], dataset: Dataset) -> Callable[[], float]:
    """Operations of a stack's matrix products in a second of its clock, which counts everything that a step does.

    A layer has a product forward, one for its weights' gradient, and, but for the first, one for its inputs' gradient.
    """
    cell = cell_of(overrides, "stacked")
    stack = plan([cell], {"digits": dataset})[1][0]
    widths = [64, *getattr(cell.config.model, "widths", []), CLASSES]
    products = sum((3 if layer else 2) * i * o for layer, (i, o) in enumerate(pairwise(widths)))
    done = 2 * products * ROWS * cell.config.epochs * len(stack.seeds)
    return lambda: done / float(train_stacked(stack.cells, stack.seeds, dataset, stack.update).seconds[-1])


def measure(repeats: int) -> list[Row]:
    """Milliseconds a run of each engine, and the share of the peak of matrix products that a stack reaches."""
    dataset, rows = digits(), []
    for name, overrides in SUBJECTS.items():
        solo, stacked = (timing(overrides, dataset, engine) for engine in RUNS)
        stacked()  # tries the model, once
        speed = operations(overrides, dataset)
        with torch_threads(), no_garbage_collection(), quiet_lightning():
            speed()
            shares = [speed() / peak() for _ in range(repeats)]
        pairs = [(solo(), stacked()) for _ in range(repeats)]
        first, second = (1e3 * median(values) for values in zip(*pairs, strict=True))
        less = median(one / other for one, other in pairs)
        rows.append(
            {"contender": name, "solo_ms": first, "stacked_ms": second, "times_less": less, "share": median(shares)}
        )
    return rows


def show(rows: list[Row]) -> None:
    """Print the numbers for people."""
    print("\nClassifiers: milliseconds per run of four epochs, and a stack's share of the peak of matrix products")
    print(f"{'':<22}{'solo':>10}{'stacked':>10}{'times less':>12}{'of peak':>10}")
    for row in rows:
        print(
            f"{row['contender']:<22}{row['solo_ms']:>10.1f}{row['stacked_ms']:>10.1f}{row['times_less']:>12.1f}"
            f"{row['share']:>10.1%}"
        )


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classes", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="timings of each contender")
    show(measure(parser.parse_args().repeats))


if __name__ == "__main__":
    main()
