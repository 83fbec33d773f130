"""The clock: what counts as training time, and the conditions under which it runs."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch


class Clock:
    """A stopwatch for training seconds, used as a context manager.

    Everything inside ``with clock:`` counts: drawing the minibatches, forward, backward and update.
    Evaluation, logging and Lightning's own work happen outside it. A device that computes
    asynchronously is waited for at both ends.

    Parameters
    ----------
    device : torch.device
        Where training runs.

    Attributes
    ----------
    seconds : float
        Training seconds so far.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0
        self._started = 0.0

    def __enter__(self) -> "Clock":
        self._wait()
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._wait()
        self.seconds += time.perf_counter() - self._started

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Freeze what there is, and disable the garbage collector.

    One generation-2 collection takes about 85 ms with torch loaded, as much as a whole epoch of the
    chapter's slowest run; wherever it falls, it reverses a ranking. Frozen objects are not looked
    at again, so that collecting between the runs is cheap; so only the youngest are collected before.
    """
    was_enabled = gc.isenabled()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


@contextmanager
def torch_threads(count: int = 1) -> Iterator[None]:
    """Compute on so many torch threads; for small models more than one are slower, and noisier."""
    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
