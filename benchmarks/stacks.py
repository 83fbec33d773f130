"""Stacks beside the chapter's ``DataLoader`` loop, and beside JAX: cost per run and epoch."""

import time
from dataclasses import replace
from operator import truediv
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks import plain
from benchmarks.jax_stack import TOLERANCE, Jax
from benchmarks.solo import EPOCHS, LRS, Row, plain_timing
from benchmarks.timing import Timing, interleave
from pipeline.contrib.frameworks.environment import make_environment
from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.parts import models
from pipeline.train.order import draw_epoch, generator
from pipeline.train.stack_update import Elementwise
from pipeline.train.stacked import train_stacked

#: Optimizer and number of runs; ten seeds each.
STACKS = (("sgd", 130), ("adam", 130), ("sgd", 520))
SEEDS = 10
#: How JAX's stack is called beside one of the lab's.
JAX = ", JAX"


def stack_timing(optimizer: str, runs: int, batch_size: int, dataset: Dataset, *, whole: bool = False) -> Timing:
    """Seconds per run and epoch: the clock's, or those of the whole fit, readings of the loss included."""
    base = replace(compose_cell([f"optimizer={optimizer}"]), batch_size=batch_size, epochs=EPOCHS[batch_size])
    cells = [Cell(replace(base, lr=float(lr))) for lr in np.geomspace(1e-5, 1e-3, runs // SEEDS)]

    def measure() -> float:
        start = time.perf_counter()
        seconds = float(train_stacked(cells, range(SEEDS), dataset, Elementwise).seconds[-1])
        return (time.perf_counter() - start if whole else seconds) / runs / EPOCHS[batch_size]

    return measure


def check_losses(jax: Jax, dataset: Dataset, batch_size: int) -> float:
    """The largest relative difference of JAX's losses from the lab's, from the same start by the same orders.

    Raises
    ------
    RuntimeError
        If it is above the tolerance: then the two do not do the same.
    """
    epochs, seeds, lrs = 2, range(3), [1e-4, 1e-3, 5e-3]
    base = replace(compose_cell(), batch_size=batch_size, epochs=epochs)
    cells = [Cell(replace(base, lr=lr)) for lr in lrs]
    ours = train_stacked(cells, seeds, dataset, Elementwise).loss[-1].reshape(len(seeds), len(lrs))
    sources = [generator(seed, "order") for seed in seeds]
    orders = [[draw_epoch(len(dataset.X), base.sampling.name, one).tolist() for one in sources] for _ in range(epochs)]
    starts = [models.build(base.model, dataset.X.shape[1], generator(seed, "init"), 1) for seed in seeds]
    weights = [next(start.parameters())[0].tolist() for start in starts]
    theirs = np.array(jax.ask(batch_size=batch_size, lrs=lrs, orders=orders, weights=weights))
    apart = float((np.abs(theirs - ours) / ours).max())
    if not apart <= TOLERANCE:
        raise RuntimeError(f"batch size {batch_size}: JAX's losses are {apart:.1e} (relative) away from the lab's")
    return apart


def start_jax(dataset: Dataset) -> Jax | None:
    """JAX in its own environment, made where there is none; None, and why, where it cannot be made."""
    try:
        jax = Jax(make_environment("jax", Path(".frameworks/jax")), dataset.X, dataset.y)
    except UserError as error:
        print(f"\nwithout JAX: {error}")
        return None
    apart = max(check_losses(jax, dataset, batch_size) for batch_size in LRS)
    print(f"\nJAX {jax.version}: from the same orders its losses differ by {apart:.0e} at most")
    return jax


def contenders(dataset: Dataset, batch_size: int, jax: Jax | None = None) -> dict[str, Timing]:
    """The chapter's loop, the stacks, and JAX's, at one batch size."""
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(dataset.y).unsqueeze(1)
    loop = plain.data_loader(X, y, batch_size, LRS[batch_size])
    timings = {"DataLoader": plain_timing(loop, min(EPOCHS[batch_size], 4))}
    for optimizer, runs in STACKS:
        timings[f"{runs} {optimizer}"] = stack_timing(optimizer, runs, batch_size, dataset)
        if jax is not None and optimizer == "sgd":
            lrs = np.geomspace(1e-5, 1e-3, runs // SEEDS).tolist()
            timings[f"{runs} {optimizer}{JAX}"] = jax.timing(batch_size, lrs, SEEDS, EPOCHS[batch_size])
    timings["130 sgd, whole fit"] = stack_timing("sgd", 130, batch_size, dataset, whole=True)
    return timings


def measure(dataset: Dataset, repeats: int) -> list[Row]:
    """Microseconds per run and epoch, how many times less than the chapter's loop, and how many times JAX's."""
    rows: list[Row] = []
    jax = start_jax(dataset)
    for batch_size in LRS:
        times = interleave(contenders(dataset, batch_size, jax), repeats)
        middle = {name: median(values) for name, values in times.items()}
        for name, values in times.items():
            beside = times.get(f"{name}{JAX}", [])
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
                    **({"to_JAX": median(map(truediv, values, beside))} if beside else {}),
                }
            )
    if jax is not None:
        jax.close()
    return rows


def show(rows: list[Row]) -> None:
    """Print the ratios for people."""
    print("\nStacks: microseconds per run and epoch, and how many times less than the DataLoader loop")
    print(f"{'batch size':>10}  {'contender':<20}{'us':>12}  {'DataLoader /':>12}  {'/ 130 sgd':>10}  {'/ JAX':>7}")
    for row in rows:
        print(
            f"{row['batch_size']:>10}  {row['contender']:<20}{row['us_per_run_epoch']:>12.1f}"
            f"  {row['times_less_than_DataLoader']:>12.0f}  {row['to_130_sgd']:>10.2f}"
            + (f"  {row['to_JAX']:>7.2f}" if "to_JAX" in row else "")
        )
