"""Evaluation intervals: where along a run the loss is read."""

from collections.abc import Iterator

from pipeline.lab.config.cell import Cell


class Intervals:
    """The run, cut where the loss is read: after every further ``read_every`` examples, and at the end.

    This is what Lightning iterates over. One interval is one Lightning batch, because a Trainer adds
    about 200 microseconds to each batch: three times what a step takes here. Readings do not fall on
    epochs, so the whole run is one pass of the Trainer.

    Parameters
    ----------
    examples : int
        Training examples, ``n``.
    batch_size : int
        Examples per minibatch.
    epochs : int
        Passes over the data.
    read_every : int
        Least number of examples between two readings.

    Attributes
    ----------
    lengths : list of int
        Updates in each interval.
    steps, seen : list of int
        Updates done and examples seen at the end of each interval.

    Examples
    --------
    >>> intervals = Intervals(examples=1500, batch_size=100, epochs=1, read_every=200)
    >>> intervals.lengths
    [2, 2, 2, 2, 2, 2, 2, 1]
    >>> intervals.seen[-2:]
    [1400, 1500]
    """

    def __init__(self, examples: int, batch_size: int, epochs: int, read_every: int) -> None:
        self.lengths: list[int] = []
        self.steps: list[int] = []
        self.seen: list[int] = []
        full, short = divmod(examples, batch_size)
        epoch = [batch_size] * full + [short] * bool(short)
        step = seen = last_step = last_seen = 0
        for _ in range(epochs):
            for size in epoch:
                step, seen = step + 1, seen + size
                if seen - last_seen >= read_every:
                    self._end(step, seen, last_step)
                    last_step, last_seen = step, seen
        if step > last_step:
            self._end(step, seen, last_step)

    def _end(self, step: int, seen: int, last_step: int) -> None:
        self.lengths.append(step - last_step)
        self.steps.append(step)
        self.seen.append(seen)

    def __iter__(self) -> Iterator[int]:
        return iter(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)


def intervals_of(cell: Cell) -> Intervals:
    """Where the loss of a cell's runs is read."""
    config = cell.config
    return Intervals(config.data.examples, config.batch_size, config.epochs, config.read_every)
