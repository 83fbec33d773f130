"""Lightning's finders of a learning rate and of a batch size, on the lab's model, data and loss."""

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from functools import cache, partial
from io import StringIO
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.tuner.tuning import Tuner
from torch.utils.data import DataLoader, TensorDataset

from pipeline.contrib.finders.landscape import Landscape
from pipeline.contrib.finders.method import Found, Method, NothingFound, for_all
from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.parts import models, tasks
from pipeline.parts.base import LR_MOST
from pipeline.train.order import generator

_OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
_LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")
#: Lightning's default: updates that its search for a learning rate makes.
UPDATES = 100


class Examples(TensorDataset):
    """Rows that are fetched a minibatch at once: one by one, that takes longer than training."""

    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, ...]:
        """The features and targets of a minibatch."""
        return self.tensors[0][rows], self.tensors[1][rows]


class Module(pl.LightningModule):
    """A cell as a person would write it for Lightning, which changes ``lr`` and ``batch_size``."""

    def __init__(self, cell: Cell, seed: int, dataset: Dataset) -> None:
        super().__init__()
        config = cell.config
        self.optimizer, self.lr, self.batch_size = config.optimizer.name, config.lr, config.batch_size
        self.task = tasks.load(config.data.task)
        self.net = models.build(config.model, dataset.X.shape[1], generator(seed, "init"), config.data.outputs)
        self.examples = Examples(torch.from_numpy(dataset.X), self.task.targets(dataset.y))
        self.source = generator(seed, "order")
        self.seen = 0

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The loss of a minibatch."""
        self.seen += len(batch[1])
        return self.task.scale * self.task.criterion(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer of torch's."""
        made: torch.optim.Optimizer = _OPTIMIZERS[self.optimizer](self.net.parameters(), lr=self.lr)
        return made

    def train_dataloader(self) -> "DataLoader[tuple[torch.Tensor, ...]]":
        """Minibatches in random order."""
        options: Any = {"shuffle": True, "generator": self.source, "collate_fn": lambda batch: batch}
        return DataLoader(self.examples, batch_size=self.batch_size, **options)


@contextmanager
def _tuner() -> Iterator[Tuner]:
    """A tuner that says nothing and leaves nothing behind."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        torch.set_num_threads(1)
        try:
            yield Tuner(
                pl.Trainer(
                    accelerator="cpu",
                    logger=False,
                    enable_checkpointing=False,
                    enable_progress_bar=False,
                    enable_model_summary=False,
                    max_epochs=UPDATES,
                    default_root_dir=folder,
                )
            )
        finally:
            torch.set_num_threads(threads)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def find_rate(landscape: Landscape, repetition: int, *, optimizer: str, batch_size: int = 0) -> Found:
    """Ask ``Tuner.lr_find`` for a rate, at the middle batch size where none is given."""
    start = landscape.cell(optimizer, batch_size or landscape.batch_sizes[len(landscape.batch_sizes) // 2], 0.001)
    started = time.perf_counter()
    module = Module(start, repetition, landscape.dataset)
    with _tuner() as tuner:
        finder = tuner.lr_find(module, num_training=UPDATES, update_attr=False)
        lr = None if finder is None else finder.suggestion()
    own = time.perf_counter() - started
    if lr is None or not 0 < lr <= LR_MOST:
        raise NothingFound(f"Lightning's learning rate finder suggested {lr}")
    spent = [(start, module.seen / start.config.data.examples)]
    return Found(for_all(landscape.cell(optimizer, start.config.batch_size, float(lr))), spent, own, timed=True)


@cache
def _batch_size(landscape: Landscape) -> tuple[int, Found]:
    """The size that ``Tuner.scale_batch_size`` finds: on a CPU it is no matter of chance, so it is looked for once.

    It doubles the size until memory is short, or larger than the data; the full batch is what it then trains with.
    """
    start = landscape.cell("adam", landscape.batch_sizes[0], 0.001)
    started = time.perf_counter()
    module = Module(start, 0, landscape.dataset)
    with _tuner() as tuner:
        found = tuner.scale_batch_size(module)
    own = time.perf_counter() - started
    if found is None:
        raise NothingFound("Lightning's batch size finder found none")
    size = min(found, start.config.data.examples)
    spent = [(start, module.seen / start.config.data.examples)]
    return size, Found(for_all(landscape.cell("adam", size, 0.001)), spent, own, timed=True)


def find_batch_size(landscape: Landscape, repetition: int) -> Found:
    """Ask for a batch size, and take Adam's default rate."""
    return _batch_size(landscape)[1]


def find_both(landscape: Landscape, repetition: int) -> Found:
    """Ask for a batch size, then for Adam's rate at that size."""
    size, found = _batch_size(landscape)
    rate = find_rate(landscape, repetition, optimizer="adam", batch_size=size)
    return replace(rate, trained=[*found.trained, *rate.trained], own_seconds=found.own_seconds + rate.own_seconds)


def methods() -> list[Method]:
    """The methods of this file."""
    library = "pytorch-lightning"
    return [
        Method("lr finder, SGD", library, partial(find_rate, optimizer="sgd")),
        Method("lr finder, Adam", library, partial(find_rate, optimizer="adam")),
        Method("batch-size finder", library, find_batch_size, repetitions=1),
        Method("batch-size, then lr finder", library, find_both),
    ]
