"""The solo engine: one run at a time, timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, repeat

import numpy as np
import pytorch_lightning as pl
import torch

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.parts import models, tasks
from pipeline.parts.schedules import learning_rate_factors
from pipeline.train.clock import Clock
from pipeline.train.fit import fit
from pipeline.train.intervals import intervals_of
from pipeline.train.order import generator, minibatches
from pipeline.train.placement import backend
from pipeline.train.readings import Progress, Stop, Trajectories, Validation
from pipeline.train.update import ScratchUpdate, TorchUpdate, Update


class SoloRun(pl.LightningModule):
    """One run: a model, an update rule, and a walk through the minibatches.

    Parameters
    ----------
    cell : Cell
        The configuration.
    seed : int
        Chooses the initial weights and the example order.
    dataset : Dataset
        All training examples.
    """

    X: torch.Tensor
    y: torch.Tensor
    scale: torch.Tensor
    X_held_out: torch.Tensor | None
    y_held_out: torch.Tensor | None

    def __init__(self, cell: Cell, seed: int, dataset: Dataset) -> None:
        super().__init__()
        # One Lightning batch is many updates, so Lightning's own optimization loop cannot be used.
        self.automatic_optimization = False
        self.cell = cell
        self.dataset = dataset
        self.task = tasks.load(cell.config.data.task)
        source = generator(seed, "init")
        self.net: torch.nn.Module = models.build(
            cell.config.model, dataset.X.shape[1], source, cell.config.data.outputs
        )
        self.source = generator(seed, "order")
        self.register_buffer("X", torch.from_numpy(dataset.X))
        self.register_buffer("y", self.task.targets(dataset.y))
        self.register_buffer("scale", torch.tensor(self.task.scale))
        held_out = dataset.held_out
        self.register_buffer("X_held_out", None if held_out is None else torch.from_numpy(held_out.X))
        self.register_buffer("y_held_out", None if held_out is None else self.task.targets(held_out.y))

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        """The parameters that are trained: those that are not frozen."""
        return [p for p in self.net.parameters() if p.requires_grad]

    def configure_optimizers(self) -> list[torch.optim.Optimizer] | None:
        """Make the update rule. Lightning is given torch's optimizers, and nothing from scratch."""
        config = self.cell.config
        if config.implementation == "torch":
            update = TorchUpdate(config.optimizer, self.trained, config.lr)
            self.update: Update = update
            return update.optimizers
        self.update = ScratchUpdate(config.optimizer, self.trained)
        return None

    def on_fit_start(self) -> None:
        """Start the streams, now that the tensors are on their device."""
        self.clock = Clock(self.device)
        self.minibatches = self._minibatches()
        self.lrs = self._learning_rates()

    def _minibatches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        config = self.cell.config
        if getattr(config.data, "loading", "tensors") == "per_item":
            # Imported here: few runs need it.
            from pipeline.train.per_item import decoded_minibatches

            return decoded_minibatches(self.cell, self.dataset, self.source, self.device)
        return minibatches(self.X, self.y, config.batch_size, config.sampling.name, self.source)

    def _learning_rates(self) -> Iterator[float]:
        config = self.cell.config
        factors = learning_rate_factors(config.schedule, self.cell.steps_per_epoch, self.cell.steps)
        # `repeat` is the cheapest iterator there is: it is read inside the clock
        return repeat(config.lr) if np.all(factors == 1) else iter((config.lr * factors).tolist())

    def training_step(self, steps: int, batch_idx: int) -> None:
        """Walk through the minibatches of one evaluation interval.

        Parameters
        ----------
        steps : int
            Updates until the next reading.
        batch_idx : int
            The interval's number.
        """
        net, update, criterion, scale = self.net, self.update, self.task.criterion, self.scale
        with self.clock:
            for (X, y), lr in zip(islice(self.minibatches, steps), self.lrs):  # noqa: B905 -- lrs may be endless
                criterion(net(X), y).backward(scale)
                update(lr)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """The network as it would be judged: without dropout, and by what its normalisation has seen in training."""
        self.net.eval()
        with self.update.evaluating():
            yield
        self.net.train()

    @torch.no_grad()
    def read_loss(self) -> torch.Tensor:
        """The loss over all training examples, shape (1,)."""
        with self._evaluating():
            return (self.scale * self.task.criterion(self.net(self.X), self.y)).reshape(1)

    @torch.no_grad()
    def read_validation(self) -> Validation | None:
        """Loss and accuracy over the examples held out, shape (1,) each; None where there are none."""
        X, y = self.X_held_out, self.y_held_out
        if X is None or y is None:
            return None
        with self._evaluating():
            prediction = self.net(X)
            loss = (self.scale * self.task.criterion(prediction, y)).reshape(1)
            accuracy = self.task.accuracy
            return loss, None if accuracy is None else torch.tensor(
                [float(accuracy(prediction, y))], dtype=torch.float64
            )


def train_solo(
    cell: Cell, seed: int, dataset: Dataset, progress: Progress | None = None, stop: Stop | None = None
) -> Trajectories:
    """Train one run.

    Parameters
    ----------
    cell : Cell
        The configuration.
    seed : int
        The replicate.
    dataset : Dataset
        All training examples.
    progress : callable, optional
        Told of every reading.
    stop : Stop, optional
        Where training ends early.

    Returns
    -------
    Trajectories
        Of one run; the clock's seconds are training seconds.
    """
    return fit(SoloRun(cell, seed, dataset), cell.config.trainer, intervals_of(cell), progress, stop)


def warm_up(cell: Cell, dataset: Dataset) -> None:
    """Train for a moment, untimed, so that no run pays for what torch does once."""
    run = SoloRun(cell, 0, dataset).to(backend(cell.config.trainer))
    run.configure_optimizers()
    run.on_fit_start()
    run.training_step(min(cell.steps, 30), 0)
    run.read_loss()
