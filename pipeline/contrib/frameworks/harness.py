"""What the scripts share: the clock, the readings, the rows. Imports numpy and the standard library only.

A script says how its framework multiplies (:class:`Product`) and trains (:class:`Trainer`); this
module does the rest, in the same way for all of them.
"""

import argparse
import contextlib
import gc
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from pipeline.contrib.frameworks.problem import Problem, Run, load_problem

#: A product is repeated for so many seconds, within these numbers of times.
PRODUCT_SECONDS, FEWEST, MOST = 1.0, 3, 200
#: What takes longer than so many seconds, a product or a run, is not repeated.
LONG = 10.0

#: Columns of a block: the chapter's.
BLOCK = 64

Row = dict[str, Any]


@dataclass(frozen=True)
class Product:
    """One way to multiply two matrices.

    Parameters
    ----------
    name : str
        ``element``, ``column``, ``whole`` or ``block 64``.
    mode : str
        ``eager`` or ``compiled``.
    compute : callable
        Multiplies, waits for the result, returns it.
    warm_up : callable, optional
        A part of it, where the whole takes long; ``compute`` by default.
    """

    name: str
    mode: str
    compute: Callable[[], Any]
    warm_up: Callable[[], Any] | None = None


class Trainer(Protocol):
    """Linear regression in a framework: parameters, and one update of them."""

    def reset(self) -> None:
        """Set the parameters to the problem's initial ones."""

    def minibatches(self, order: NDArray[np.int64], batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Yield one epoch's minibatches; the last is short where the batch size does not divide n."""

    def step(self, X: Any, y: Any) -> object:
        """Compute half the mean squared error of a minibatch and its gradient, and update."""

    def wait(self) -> None:
        """Wait until the parameters are computed."""

    def loss(self) -> float:
        """Half the mean squared error over all rows."""


@dataclass
class Contender:
    """A run in one mode, and what was measured of it.

    Parameters
    ----------
    run : Run
        What is trained.
    mode : str
        ``eager`` or ``compiled``.
    make : callable
        Makes the trainer, once: what it compiles serves all repeats.
    """

    run: Run
    mode: str
    make: Callable[[], Trainer]
    trainer: Trainer | None = None
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    message: str = ""

    def row(self) -> Row:
        """What is known of it."""
        run = self.run
        return {
            "kind": run.kind,
            "name": run.name,
            "mode": self.mode,
            "batch_size": run.batch_size,
            "lr": run.lr,
            "epochs": run.epochs,
            "losses": self.losses,
            "seconds": self.seconds,
            "status": "error" if self.message else "ok",
            "message": self.message,
        }


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect, freeze and disable: one full collection would take as long as an epoch."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def first_line(error: BaseException) -> str:
    """An error in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def time_product(product: Product, expected: NDArray[np.float64]) -> Row:
    """Time a product: warm, as often as a second allows.

    Parameters
    ----------
    product : Product
        What is timed.
    expected : ndarray of float64
        Its result.

    Returns
    -------
    dict
        With the ``seconds`` of every repeat; status ``error`` where it fails or multiplies wrongly.
    """
    row: Row = {"kind": "product", "name": product.name, "mode": product.mode, "seconds": [], "status": "ok"}
    try:
        (product.warm_up or product.compute)()
        seconds: list[float] = row["seconds"]
        with no_garbage_collection():
            while not _enough(seconds):
                start = time.perf_counter()
                result = product.compute()
                seconds.append(time.perf_counter() - start)
        off = float(np.abs(np.asarray(result) - expected).max())
        if not off < 1e-3:
            raise ArithmeticError(f"the product is off by {off:.3g}")
    except Exception as error:
        traceback.print_exc()
        row.update(status="error", message=first_line(error))
    return row


def _enough(seconds: Sequence[float]) -> bool:
    if not seconds:
        return False
    if seconds[0] > LONG or len(seconds) >= MOST:
        return True
    return len(seconds) >= FEWEST and sum(seconds) >= PRODUCT_SECONDS


def train(trainer: Trainer, problem: Problem, run: Run) -> tuple[list[float], float]:
    """Train once, from the initial parameters.

    Parameters
    ----------
    trainer : Trainer
        A framework's.
    problem : Problem
        Has the orders.
    run : Run
        Says when the loss is read.

    Returns
    -------
    losses : list of float
        At the start and at the end of each interval.
    seconds : float
        Drawing the minibatches, forward, backward and update; not reading the loss.
    """
    trainer.reset()
    trainer.wait()
    orders = problem.orders[: run.epochs]
    batches = (batch for order in orders for batch in trainer.minibatches(order, run.batch_size))
    losses, seconds = [trainer.loss()], 0.0
    step = trainer.step
    for steps in run.intervals:
        start = time.perf_counter()
        for X, y in islice(batches, steps):
            step(X, y)
        trainer.wait()
        seconds += time.perf_counter() - start
        losses.append(trainer.loss())
    return losses, seconds


def time_runs(contenders: Sequence[Contender], problem: Problem, repeats: int) -> list[Row]:
    """Train every contender, in turn, A B C A B C ..., each warm; one that fails is out, and the others go on.

    Parameters
    ----------
    contenders : sequence of Contender
        What is trained.
    problem : Problem
        With which data.
    repeats : int
        How many times.

    Returns
    -------
    list of dict
        A row each.
    """
    for contender in contenders:
        with _told(contender):
            contender.trainer = contender.make()
            _warm_up(contender.trainer, problem, contender.run)
    with no_garbage_collection():
        for _ in range(repeats):
            for contender in contenders:
                if contender.trainer is not None and not contender.message and max(contender.seconds, default=0) < LONG:
                    with _told(contender):
                        contender.losses, seconds = train(contender.trainer, problem, contender.run)
                        contender.seconds.append(seconds)
                    gc.collect()  # between the runs, where no clock is running
    return [contender.row() for contender in contenders]


@contextlib.contextmanager
def _told(contender: Contender) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        contender.message = first_line(error)


def _warm_up(trainer: Trainer, problem: Problem, run: Run) -> None:
    """Take some steps, the last and maybe shorter minibatch among them, so that nothing is compiled on the clock."""
    trainer.reset()
    batches = list(trainer.minibatches(problem.orders[0], run.batch_size))
    for X, y in batches[:30] + batches[-1:]:
        trainer.step(X, y)
    trainer.wait()
    trainer.loss()


def sizes(examples: int, batch_size: int) -> list[int]:
    """The sizes of an epoch's minibatches.

    Examples
    --------
    >>> sizes(25, 10)
    [10, 10, 5]
    """
    full, short = divmod(examples, batch_size)
    return [batch_size] * full + [short] * bool(short)


def run_script(
    framework: str,
    version: str,
    products: Callable[[Problem], Sequence[Product]],
    contenders: Callable[[Problem, Run], Sequence[Contender]],
) -> None:
    """Read the command line, measure, and write a row as JSON for each thing measured, as soon as it is known.

    Parameters
    ----------
    framework, version : str
        What is measured.
    products : callable
        Gives the products of a problem's matrices.
    contenders : callable
        Gives the modes in which a run is trained.
    """
    parser = argparse.ArgumentParser(description=f"Measure {framework} on a common problem.")
    parser.add_argument("--problem", type=Path, required=True, metavar="FILE.npz", help="what the lab prepared")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="where the rows go")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="how often each run is trained")
    parser.add_argument("--no-products", action="store_true", help="leave out the matrix products")
    options = parser.parse_args()
    problem = load_problem(options.problem)
    with options.out.open("w", encoding="utf-8") as file:
        if not options.no_products:
            expected = problem.B.astype(np.float64) @ problem.C.astype(np.float64)
            for product in products(problem):
                _write(file, framework, version, time_product(product, expected))
        everything = [contender for run in problem.runs for contender in contenders(problem, run)]
        for row in time_runs(everything, problem, options.repeats):
            _write(file, framework, version, row)


def _load() -> float | None:
    """How many programs ran or waited to run, the last minute's mean: 1 where nothing but this runs."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):  # not every system tells
        return None


def _write(file: TextIO, framework: str, version: str, row: Row) -> None:
    whole = {"framework": framework, "version": version, "load": _load(), **row}
    file.write(json.dumps(whole) + "\n")
    file.flush()  # a framework that crashes takes what is not on disk with it
    seconds = sorted(row["seconds"])
    median = f"{seconds[len(seconds) // 2]:.6f} s" if seconds else "no time"
    print(f"{row['kind']} {row['name']} ({row['mode']}): {median}, {len(seconds)} times, {row['status']}", flush=True)
