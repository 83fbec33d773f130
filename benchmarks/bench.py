"""``python -m benchmarks.bench``: what the lab's clock shows beside two plain PyTorch loops.

Everything runs in one process and in turn, A B C A B C ..., on one thread, with the garbage collector
frozen: a machine that slows down slows all of them. Medians and ratios are what to read.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from benchmarks import plain
from pipeline.config import Cell, compose_cell
from pipeline.dataset import Dataset, prepared
from pipeline.files import written_whole
from pipeline.train.cells import quiet_lightning
from pipeline.train.clock import no_garbage_collection, one_thread
from pipeline.train.solo import train_solo, warm_up

#: Batch size to the chapter's learning rate, and to how many epochs one timing takes.
LRS = {1: 0.005, 10: 0.05, 100: 0.4, 1500: 0.5}
EPOCHS = {1: 1, 10: 4, 100: 20, 1500: 50}

Timing = Callable[[], float]


def plain_timing(loop: plain.PlainLoop, epochs: int) -> Timing:
    """Seconds per epoch of a plain loop."""

    def measure() -> float:
        start = time.perf_counter()
        loop.train(epochs)
        return (time.perf_counter() - start) / epochs

    return measure


def lab_timing(cell: Cell, dataset: Dataset) -> Timing:
    """Seconds per epoch on the lab's clock, which counts drawing, forward, backward and update."""
    warm_up(cell, dataset)
    return lambda: train_solo(cell, 0, dataset).seconds[-1] / cell.config.epochs


def solo_contenders(dataset: Dataset, batch_size: int) -> dict[str, Timing]:
    """The lab's two implementations and the two plain loops, at one batch size."""
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(dataset.y).unsqueeze(1)
    lr, epochs = LRS[batch_size], EPOCHS[batch_size]
    base = replace(compose_cell(), batch_size=batch_size, lr=lr, epochs=epochs)
    return {
        "DataLoader": plain_timing(plain.data_loader(X, y, batch_size, lr), epochs),
        "slicing": plain_timing(plain.slicing(X, y, batch_size, lr), epochs),
        "scratch": lab_timing(Cell(base), dataset),
        "torch": lab_timing(Cell(replace(base, implementation="torch")), dataset),
    }


def interleave(contenders: dict[str, Timing], repeats: int) -> dict[str, list[float]]:
    """Time the contenders in turn, after one untimed round."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in contenders.values():
        measure()
    for _ in range(repeats):
        for name, measure in contenders.items():
            times[name].append(measure())
    return times


def solo(dataset: Dataset, repeats: int) -> list[dict[str, float | str]]:
    """Milliseconds per epoch of every contender at every batch size, and ratios to the plain loops."""
    rows: list[dict[str, float | str]] = []
    for batch_size in LRS:
        times = interleave(solo_contenders(dataset, batch_size), repeats)
        middle = {name: median(values) for name, values in times.items()}
        for name, values in times.items():
            rows.append(
                {
                    "batch_size": batch_size,
                    "contender": name,
                    "ms_per_epoch": 1e3 * middle[name],
                    "ms_min": 1e3 * min(values),
                    "ms_max": 1e3 * max(values),
                    "to_DataLoader": middle[name] / middle["DataLoader"],
                    "to_slicing": middle[name] / middle["slicing"],
                }
            )
    return rows


def print_table(rows: list[dict[str, float | str]]) -> None:
    """Print the ratios for people."""
    print(f"{'batch size':>10}  {'contender':<12}{'ms/epoch':>10}  {'/ DataLoader':>12}  {'/ slicing':>10}")
    for row in rows:
        print(
            f"{row['batch_size']:>10}  {row['contender']:<12}{row['ms_per_epoch']:>10.3f}"
            f"  {row['to_DataLoader']:>12.3f}  {row['to_slicing']:>10.3f}"
        )


def main() -> None:
    """Read the command line, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/bench.json"), help="where the numbers go")
    parser.add_argument("--data", type=Path, default=Path("results/data"), help="folder of the whitened data")
    parser.add_argument("--repeats", type=int, default=15, help="timings of each contender")
    arguments = parser.parse_args()
    dataset = prepared(compose_cell().data, arguments.data)
    with one_thread(), no_garbage_collection(), quiet_lightning():
        rows = solo(dataset, arguments.repeats)
    print_table(rows)
    with written_whole(arguments.out) as temporary:
        temporary.write_text(json.dumps({"solo": rows}, indent=1))


if __name__ == "__main__":
    main()
