"""Train the chapter's four runs as the chapter does, in a separate process.

``python -m pipeline.contrib.machine.chapter DATA.npy`` trains them in the chapter's order and prints a JSON line each.
Nothing is imported but torch and NumPy, and nothing is warmed up: when the garbage collector runs depends on all the
objects that there are, so every repeat needs a fresh process.

Whether a collection of the oldest generation falls into a run is chance: it happens in some processes, and not in
others. What one costs is not, so ``--rounds N`` adds N rounds of full batch with exactly one, full batch without, and
b 100 without, in turn.
"""

import argparse
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

#: The chapter evaluates whenever the number of examples seen is divisible by this.
EVALUATE_EVERY = 200


@dataclass(frozen=True)
class ChapterRun:
    """One of the chapter's runs; batch size 0 is the full batch."""

    name: str
    lr: float
    batch_size: int
    epochs: int


RUNS = (
    ChapterRun("gd", 1.0, 0, 10),
    ChapterRun("sgd", 0.005, 1, 2),
    ChapterRun("minibatch 100", 0.4, 100, 2),
    ChapterRun("minibatch 10", 0.05, 10, 2),
)


class Timer:
    """The chapter's timer: starts when it is made, and keeps the seconds from each start to the next stop."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.running = False
        self.start()

    def start(self) -> None:
        """Start."""
        self.running = True
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Keep the seconds since the last start."""
        self.times.append(time.perf_counter() - self._started)
        self.running = False

    def average(self) -> float:
        """Seconds between evaluations: what the chapter prints as seconds per epoch."""
        return sum(self.times) / len(self.times)


class Collections:
    """Counts the collections of the oldest generation, and the seconds of all, while a timer runs.

    Used as one of ``gc.callbacks``.
    """

    def __init__(self, timer: Timer) -> None:
        self.timer = timer
        self.oldest = 0
        self.seconds = 0.0
        self._started = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """Count a collection; the garbage collector calls this at its start and its end."""
        if phase == "start":
            self._started = time.perf_counter()
        elif self.timer.running:
            self.seconds += time.perf_counter() - self._started
            self.oldest += info["generation"] == 2


def train(
    run: ChapterRun, X: torch.Tensor, y: torch.Tensor, *, through_loader: bool, collect_once: bool = False
) -> dict[str, Any]:
    """Train one run, and read the timer both ways.

    Parameters
    ----------
    run : ChapterRun
        Which.
    X : Tensor of shape (n, d)
        Features.
    y : Tensor of shape (n,)
        Targets.
    through_loader : bool
        Evaluate minibatch by minibatch through the training loader, as the chapter does, which takes most of the
        time at batch size 1. Otherwise on the whole table at once; evaluation is not timed in either case.
    collect_once : bool
        Collect all generations after the first update, while the clock runs.

    Returns
    -------
    dict
        A row of the table, without the process, the round and the garbage collection.
    """
    b = run.batch_size or len(X)
    loader = DataLoader(TensorDataset(X, y), b, shuffle=True)
    w = torch.normal(0.0, 0.01, (X.shape[1], 1), requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)

    def losses(features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Half the squared error of each example."""
        return (features @ w + bias - targets.reshape(-1, 1)) ** 2 / 2

    evaluated: list[float] = []
    seen, timer = 0, Timer()
    collections = Collections(timer)
    gc.callbacks.append(collections)
    for _ in range(run.epochs):
        for features, targets in loader:
            losses(features, targets).mean().backward()
            for p in (w, bias):
                p.data.sub_(run.lr * p.grad)  # type: ignore[operator]
                p.grad.data.zero_()  # type: ignore[union-attr]
            if collect_once and not seen:
                gc.collect()
            seen += len(features)
            if seen % EVALUATE_EVERY == 0:
                timer.stop()
                parts = loader if through_loader else [(X, y)]
                evaluated.append(sum(float(losses(*part).detach().sum()) for part in parts) / len(X))
                timer.start()
    gc.callbacks.remove(collections)
    return {
        "run": run.name,
        "batch_size": b,
        "lr": run.lr,
        "epochs": run.epochs,
        "readings": len(timer.times),
        "printed_seconds": timer.average(),
        "seconds_per_epoch": sum(timer.times) / run.epochs,
        "collections": collections.oldest,
        "collecting_seconds": collections.seconds,
        "final_loss": evaluated[-1],
    }


def train_rounds(X: torch.Tensor, y: torch.Tensor, rounds: int) -> list[dict[str, Any]]:
    """Train full batch with one collection, full batch without, and b 100 without, in turn.

    Parameters
    ----------
    X, y : Tensor
        Examples.
    rounds : int
        How often.

    Returns
    -------
    list of dict
        Rows of the table with their ``round``; ``garbage_collection`` says which had a collection.
    """
    runs = {run.name: run for run in RUNS}
    turns = [(runs["gd"], True), (runs["gd"], False), (runs["minibatch 100"], False)]
    collecting = gc.isenabled()
    gc.disable()
    rows = [
        train(run, X, y, through_loader=False, collect_once=once) | {"garbage_collection": once, "round": number}
        for number in range(rounds)
        for run, once in turns
    ]
    if collecting:
        gc.enable()
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the runs and print a JSON line for each.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.machine.chapter", description="Train the four runs."
    )
    parser.add_argument("data", metavar="DATA.npy", help="features and, in the last column, targets; float32")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the orders")
    parser.add_argument("--no-gc", action="store_true", help="switch the garbage collector off")
    parser.add_argument("--through-loader", action="store_true", help="evaluate as the chapter does")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="afterwards, full batch with a collection")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    table = torch.from_numpy(np.load(options.data, allow_pickle=False))
    if options.no_gc:
        gc.collect()
        gc.disable()
    X, y = table[:, :-1].contiguous(), table[:, -1].clone()
    for run in RUNS:
        row = train(run, X, y, through_loader=options.through_loader)
        print(json.dumps(row | {"garbage_collection": not options.no_gc, "round": None}), flush=True)
    for row in train_rounds(X, y, options.rounds):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
