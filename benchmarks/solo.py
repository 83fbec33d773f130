"""The solo engine beside two plain PyTorch loops."""

import time
from dataclasses import replace
from statistics import median

import torch

from benchmarks import plain
from benchmarks.timing import Timing, interleave
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.train.solo import train_solo, warm_up

#: Batch size to the chapter's learning rate, and to how many epochs one timing takes.
LRS = {1: 0.005, 10: 0.05, 100: 0.4, 1500: 0.5}
EPOCHS = {1: 1, 10: 4, 100: 20, 1500: 50}

Row = dict[str, float | str]


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
    return lambda: float(train_solo(cell, 0, dataset).seconds[-1]) / cell.config.epochs


def contenders(dataset: Dataset, batch_size: int) -> dict[str, Timing]:
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


def measure(dataset: Dataset, repeats: int) -> list[Row]:
    """Milliseconds per epoch of every contender at every batch size, and ratios to the plain loops."""
    rows: list[Row] = []
    for batch_size in LRS:
        times = interleave(contenders(dataset, batch_size), repeats)
        middle = {name: median(values) for name, values in times.items()}
        for name, values in times.items():
            rows.append(
                {
                    "batch_size": batch_size,
                    "contender": name,
                    "ms_per_epoch": 1e3 * middle[name],
                    "ms_min": 1e3 * min(values),
                    "ms_max": 1e3 * max(values),
                    "repeats": len(values),
                    "to_DataLoader": middle[name] / middle["DataLoader"],
                    "to_slicing": middle[name] / middle["slicing"],
                }
            )
    return rows


def show(rows: list[Row]) -> None:
    """Print the ratios for people."""
    print("One run at a time: milliseconds per epoch, and ratios to plain PyTorch")
    print(f"{'batch size':>10}  {'contender':<12}{'ms/epoch':>10}  {'/ DataLoader':>12}  {'/ slicing':>10}")
    for row in rows:
        print(
            f"{row['batch_size']:>10}  {row['contender']:<12}{row['ms_per_epoch']:>10.3f}"
            f"  {row['to_DataLoader']:>12.3f}  {row['to_slicing']:>10.3f}"
        )
