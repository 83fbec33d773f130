"""Stacks beside the chapter's ``DataLoader`` loop: cost per run and epoch."""

import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from benchmarks import plain
from benchmarks.solo import EPOCHS, LRS, Row, plain_timing
from benchmarks.timing import Timing, interleave
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.train.stack_update import Elementwise
from pipeline.train.stacked import train_stacked

#: Optimizer and number of runs; ten seeds each.
STACKS = (("sgd", 130), ("adam", 130), ("sgd", 520))
SEEDS = 10


def stack_timing(optimizer: str, runs: int, batch_size: int, dataset: Dataset, *, whole: bool = False) -> Timing:
    """Seconds per run and epoch: the clock's, or those of the whole fit, readings of the loss included."""
    base = replace(compose_cell([f"optimizer={optimizer}"]), batch_size=batch_size, epochs=EPOCHS[batch_size])
    cells = [Cell(replace(base, lr=float(lr))) for lr in np.geomspace(1e-5, 1e-3, runs // SEEDS)]

    def measure() -> float:
        start = time.perf_counter()
        seconds = float(train_stacked(cells, range(SEEDS), dataset, Elementwise).seconds[-1])
        return (time.perf_counter() - start if whole else seconds) / runs / EPOCHS[batch_size]

    return measure


def contenders(dataset: Dataset, batch_size: int) -> dict[str, Timing]:
    """The chapter's loop and the stacks, at one batch size."""
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(dataset.y).unsqueeze(1)
    loop = plain.data_loader(X, y, batch_size, LRS[batch_size])
    timings = {"DataLoader": plain_timing(loop, min(EPOCHS[batch_size], 4))}
    for optimizer, runs in STACKS:
        timings[f"{runs} {optimizer}"] = stack_timing(optimizer, runs, batch_size, dataset)
    timings["130 sgd, whole fit"] = stack_timing("sgd", 130, batch_size, dataset, whole=True)
    return timings


def measure(dataset: Dataset, repeats: int) -> list[Row]:
    """Microseconds per run and epoch, and how many times less than the chapter's loop."""
    rows: list[Row] = []
    for batch_size in LRS:
        times = interleave(contenders(dataset, batch_size), repeats)
        middle = {name: median(values) for name, values in times.items()}
        for name, values in times.items():
            rows.append(
                {
                    "batch_size": batch_size,
                    "contender": name,
                    "us_per_run_epoch": 1e6 * middle[name],
                    "us_min": 1e6 * min(values),
                    "us_max": 1e6 * max(values),
                    "repeats": len(values),
                    "times_less_than_DataLoader": middle["DataLoader"] / middle[name],
                    "to_130_sgd": middle[name] / middle["130 sgd"],
                }
            )
    return rows


def show(rows: list[Row]) -> None:
    """Print the ratios for people."""
    print("\nStacks: microseconds per run and epoch, and how many times less than the DataLoader loop")
    print(f"{'batch size':>10}  {'contender':<20}{'us':>12}  {'DataLoader /':>12}  {'/ 130 sgd':>10}")
    for row in rows:
        print(
            f"{row['batch_size']:>10}  {row['contender']:<20}{row['us_per_run_epoch']:>12.1f}"
            f"  {row['times_less_than_DataLoader']:>12.0f}  {row['to_130_sgd']:>10.2f}"
        )
