"""Time one epoch through loaders with and without worker processes.

A ``DataLoader`` fetches examples one by one and collates them into minibatches; workers do that in processes of
their own and send the minibatches back. That pays where an example costs more than its way between processes: a
file that has to be read and decoded, not a row of a table in memory. *Slices* reorder a whole tensor once an epoch
and cut it: no example is ever alone.

References
----------
``torch.utils.data.DataLoader``: ``num_workers``, ``persistent_workers``, ``prefetch_factor``.
"""

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from pipeline.contrib.machine.timing import seconds_of
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import quartiles
from pipeline.parts.data.digits import ImageDataset, write_digits
from pipeline.train.clock import no_garbage_collection, torch_threads

Batches = Iterable[Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Loader:
    """How an epoch's minibatches come about.

    Parameters
    ----------
    kind : str
        ``DataLoader`` or ``slices``.
    workers : int
        Processes that load; 0: the training process itself.
    persistent : bool
        Whether they live on after an epoch.
    prefetch : int, optional
        Minibatches that each of them is ahead.
    """

    kind: str = "DataLoader"
    workers: int = 0
    persistent: bool = False
    prefetch: int | None = None


SLICES, PLAIN = Loader("slices"), Loader()
#: Short: every number of workers, once started anew each epoch, and once further ahead.
SHORT = (
    SLICES,
    PLAIN,
    *(Loader(workers=workers, persistent=True, prefetch=2) for workers in (1, 2, 4)),
    Loader(workers=2, persistent=False, prefetch=2),
    Loader(workers=2, persistent=True, prefetch=4),
)
#: Those of claim B5.
COMPARED = (PLAIN, Loader(workers=2, persistent=True, prefetch=2))
#: The full grid.
FULL = (
    SLICES,
    PLAIN,
    *(Loader("DataLoader", w, kept, prefetch) for w in (1, 2, 4) for kept in (True, False) for prefetch in (2, 4)),
)
#: Batch sizes of the table at which loading is set against training, and those at which workers load it.
BATCH_SIZES = (1, 10, 32, 100, 1500)
#: Quartiles of an epoch's seconds with training, and of the share of them that is spent waiting for minibatches.
TRAINING_SECONDS = ("training_seconds_q25", "training_seconds", "training_seconds_q75")
LOAD_SHARES = ("load_share_q25", "load_share", "load_share_q75")
#: Seconds of a turn of those that are also trained: many short turns, so that a slow moment falls on few of each.
BUDGET = 0.05
WORKER_BATCH_SIZES = (32, 100)
#: Rows that are slow to read, and the seconds that each takes.
SLOW_ROWS, SLOW_SECONDS = 64, 0.002
#: Of the images: the second document's.
IMAGE_BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class Source:
    """Something to load.

    Parameters
    ----------
    name : str
        For people.
    examples : Dataset
        One by one.
    tensors : callable
        All at once, for the slices.
    """

    name: str
    examples: torch.utils.data.Dataset[Any]
    tensors: Callable[[], tuple[torch.Tensor, torch.Tensor]]


def epochs_of(source: Source, loader: Loader, batch_size: int, seed: int = 0) -> Callable[[], Batches]:
    """Make a loader.

    Parameters
    ----------
    source : Source
        What is loaded.
    loader : Loader
        How.
    batch_size : int
        Examples per minibatch.
    seed : int
        Of the orders.

    Returns
    -------
    callable
        Each call is an epoch: every example once, in an order of its own.
    """
    order = torch.Generator().manual_seed(seed)
    if loader.kind == "slices":
        return _slices(source.tensors(), batch_size, order)
    made: DataLoader[Any] = DataLoader(
        source.examples,
        batch_size,
        shuffle=True,
        generator=order,
        num_workers=loader.workers,
        persistent_workers=loader.persistent,
        prefetch_factor=loader.prefetch,
    )
    return lambda: made


def _slices(
    tensors: tuple[torch.Tensor, torch.Tensor], batch_size: int, order: torch.Generator
) -> Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    X, y = tensors

    def epoch() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The rows in a new order, cut into minibatches."""
        rows = torch.randperm(len(X), generator=order)
        return zip(X[rows].split(batch_size), y[rows].split(batch_size), strict=True)

    return epoch


def load(batches: Batches) -> int:
    """Fetch every minibatch and do nothing with it; return how many examples there were."""
    return sum(len(batch[0]) for batch in batches)


@dataclass(frozen=True)
class Epoch:
    """An epoch of training: examples seen, seconds in all, and those spent waiting for minibatches."""

    examples: int
    seconds: float
    waiting: float


def train(epoch: Callable[[], Batches], lr: float = 1e-3) -> Epoch:
    """Take an SGD step of linear regression on every minibatch of an epoch, and time the waiting for them apart."""
    start = resumed = time.perf_counter()
    net, seen, waiting = None, 0, 0.0
    for X, y in epoch():
        waiting += time.perf_counter() - resumed
        if net is None:
            net = torch.nn.Linear(X[0].numel(), 1)
        F.mse_loss(net(X.flatten(1)).squeeze(1), y.float()).backward()
        with torch.no_grad():
            for p in net.parameters():
                p.sub_(lr * p.grad)  # type: ignore[operator]
                p.grad = None
        seen += len(X)
        resumed = time.perf_counter()
    end = time.perf_counter()
    return Epoch(seen, end - start, waiting + end - resumed)


def measure_loaders(
    source: Source,
    loaders: Mapping[int, Sequence[Loader]],
    repeats: int,
    trained: Collection[Loader] = (),
    budget: float = 0.0,
) -> list[dict[str, Any]]:
    """Time epochs through several loaders at several batch sizes, all of which take turns.

    A machine that others use too is slow for seconds at a time: what is compared is timed in the same round. A first,
    separate epoch of each starts the workers that live on, and is not in the median.

    Parameters
    ----------
    source : Source
        What is loaded.
    loaders : mapping
        Examples per minibatch to what they are loaded through.
    repeats : int
        Turns of each; a turn is an epoch or more.
    trained : collection of Loader
        Those whose epochs are also timed with a step of training per minibatch.
    budget : float
        Seconds of a turn of those, in which a quick loader is timed again: two epochs of milliseconds say little.

    Returns
    -------
    list of dict
        Rows of the table.
    """
    turns = [(b, loader) for b, own in loaders.items() for loader in own]
    epochs, first, examples = {}, {}, {}
    times: dict[tuple[int, Loader], list[float]] = {turn: [] for turn in turns}
    training: dict[tuple[int, Loader], list[Epoch]] = {turn: [] for turn in turns if turn[1] in trained}
    with torch_threads(), no_garbage_collection(), warnings.catch_warnings():
        # Torch advises against more workers than cores: what they cost is what is measured.
        warnings.filterwarnings("ignore", message="This DataLoader will create", category=UserWarning)
        for b, loader in turns:
            start = time.perf_counter()
            epochs[b, loader] = epochs_of(source, loader, b)
            examples[b, loader] = load(epochs[b, loader]())
            first[b, loader] = time.perf_counter() - start
        for _ in range(repeats):
            for turn, epoch in epochs.items():
                end = time.perf_counter() + (budget if turn in training else 0.0)
                while True:
                    times[turn].append(seconds_of(lambda epoch=epoch: load(epoch())))  # type: ignore[misc]
                    if turn in training:
                        training[turn].append(train(epoch))
                    if time.perf_counter() >= end:
                        break
    epochs.clear()  # ends the workers that live on
    plain = {b: quartiles(times[b, PLAIN])[1] for b, loader in turns if loader == PLAIN}
    return [
        {"data": source.name, "batch_size": b, "examples": examples[b, loader], "first_seconds": first[b, loader]}
        | _row(loader, times[b, loader], plain.get(b), training.get((b, loader), []))
        for b, loader in turns
    ]


def _row(loader: Loader, times: Sequence[float], plain: float | None, training: Sequence[Epoch]) -> dict[str, Any]:
    low, middle, high = quartiles(times)
    row: dict[str, Any] = {
        "loader": loader.kind,
        "workers": loader.workers,
        "persistent": loader.persistent,
        "prefetch": loader.prefetch,
        "repeats": len(times),
        "seconds": middle,
        "seconds_q25": low,
        "seconds_q75": high,
        "to_plain": None if plain is None else middle / plain,
    }
    if training:
        for names, values in (
            (TRAINING_SECONDS, [epoch.seconds for epoch in training]),
            (LOAD_SHARES, [epoch.waiting / epoch.seconds for epoch in training]),
        ):
            row |= dict(zip(names, quartiles(values), strict=True))
    return row


def table_source(name: str, X: torch.Tensor, y: torch.Tensor) -> Source:
    """A table in memory."""
    return Source(name, TensorDataset(X, y), lambda: (X, y))


class SlowRows(torch.utils.data.Dataset[Any]):
    """Rows of a table that each take a while to come, as from a disk or over a network.

    Parameters
    ----------
    X, y : Tensor
        The rows.
    seconds : float
        What each takes.
    """

    def __init__(self, X: torch.Tensor, y: torch.Tensor, seconds: float) -> None:
        self.X, self.y, self.seconds = X, y, seconds

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        time.sleep(self.seconds)
        return self.X[row], self.y[row]


def slow_source(X: torch.Tensor, y: torch.Tensor) -> Source:
    """A few rows of a table that each take two milliseconds: waiting, which workers can do side by side."""
    rows = SlowRows(X[:SLOW_ROWS], y[:SLOW_ROWS], SLOW_SECONDS)
    return Source("slow reads", rows, lambda: (rows.X, rows.y))


def image_source(folder: Path) -> Source:
    """Image files, decoded one by one; all at once for the slices."""
    images = ImageDataset(folder)
    return Source("digits", images, images.decoded)


def loading(inputs: Inputs) -> list[dict[str, Any]]:
    """Load the table and the images through everything, and set loading against training.

    Parameters
    ----------
    inputs : Inputs
        Needs the data and the images, which are written if they are missing.

    Returns
    -------
    list of dict
        Rows; see ``conf/measurement/loading.yaml``.
    """
    data = inputs.needed_dataset()
    table = table_source(data.name, torch.from_numpy(data.X), torch.from_numpy(data.y))
    images = image_source(write_digits(inputs.needed_images()))
    here = (SLICES, PLAIN)
    loaders = (FULL if inputs.full else SHORT) if inputs.process == 1 else (SLICES, *COMPARED)
    sizes = dict.fromkeys(min(b, len(data.X)) for b in BATCH_SIZES)
    rows = measure_loaders(
        table,
        {b: loaders if b in WORKER_BATCH_SIZES else here for b in sizes},
        repeats=10 if inputs.full else 3,
        trained=here,
        budget=BUDGET,
    )
    slow = slow_source(torch.from_numpy(data.X), torch.from_numpy(data.y))
    for source, own in ((images, loaders), (slow, COMPARED)):
        rows += measure_loaders(source, {IMAGE_BATCH_SIZE: own}, 7 if inputs.full else 2)
    return rows
