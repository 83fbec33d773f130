"""Fair timings: in turn, warm, medians."""

from collections.abc import Callable, Mapping

Timing = Callable[[], float]


def interleave(contenders: Mapping[str, Timing], repeats: int) -> dict[str, list[float]]:
    """Time the contenders in turn, A B C A B C ..., after one untimed round.

    A machine that slows down for a while slows all of them, and the ratios stay.

    Parameters
    ----------
    contenders : mapping
        Name to a function that does the work once and returns its seconds.
    repeats : int
        How many times each is measured.

    Returns
    -------
    dict
        Name to seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in contenders.values():
        measure()
    for _ in range(repeats):
        for name, measure in contenders.items():
            times[name].append(measure())
    return times
