"""Time calls fairly: warm and in turn."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

#: More samples than this say no more about a median.
MOST_SAMPLES = 200
#: Samples of a slow call.
LEAST_SAMPLES = 3


def seconds_of(call: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int, budget: float = 0.0, warm: bool = True
) -> dict[str, list[float]]:
    """Time some calls in turn, A B C A B C ..., so that a machine that slows down for a while slows all of them.

    Parameters
    ----------
    calls : mapping
        Name to what is timed.
    rounds : int
        How often it is each one's turn.
    budget : float
        Seconds that a turn may take: a quick call is sampled until they are over. A slow one has a sample per turn
        until ``rounds`` times as many seconds are spent, and three samples at least.
    warm : bool
        Call each once before, untimed.

    Returns
    -------
    dict
        Name to seconds of every single call.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    if warm:
        for call in calls.values():
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            if budget and len(times[name]) >= LEAST_SAMPLES and sum(times[name]) > rounds * budget:
                continue
            spent, samples = 0.0, 0
            while samples == 0 or (spent < budget and samples < MOST_SAMPLES):
                times[name].append(seconds_of(call))
                spent += times[name][-1]
                samples += 1
    return times


def thread_counts() -> list[int]:
    """One thread, and all that torch would use; the same on a machine with one core."""
    return sorted({1, torch.get_num_threads()})
