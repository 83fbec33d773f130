"""The stacked engine: many runs at once, as one LightningModule.

The runs of a stack are alike in everything but learning rate and seed. They take the same steps at the
same time, so one pass through Python, Lightning and autograd serves them all.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, repeat

import numpy as np
import pytorch_lightning as pl
import torch

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.parts import models
from pipeline.parts.schedules import learning_rate_factors
from pipeline.train.clock import Clock
from pipeline.train.fit import fit
from pipeline.train.intervals import intervals_of
from pipeline.train.order import draw_epoch, generator
from pipeline.train.readings import Progress, Trajectories
from pipeline.train.stack_update import StackUpdate
from pipeline.train.stacked_net import StackedNet

#: How many predictions are evaluated at a time: what stays in a processor's cache is three to eight
#: times faster than one pass over everything.
CACHED_VALUES = 2**17


class StackedRun(pl.LightningModule):
    """``S`` seeds times ``C`` cells that differ in nothing but their learning rate.

    Parameters
    ----------
    cells : sequence of Cell
        The cells.
    seeds : sequence of int
        Each cell is run with each of them.
    dataset : Dataset
        All training examples.
    update : type of StackUpdate
        How the rule is applied to the stack; see :func:`pipeline.train.probe.stack_update`.
    """

    X: torch.Tensor
    y: torch.Tensor

    def __init__(
        self, cells: Sequence[Cell], seeds: Sequence[int], dataset: Dataset, update: type[StackUpdate]
    ) -> None:
        super().__init__()
        self.make_update = update
        self.automatic_optimization = False  # one Lightning batch is many updates
        self.cells = cells
        self.seeds = seeds
        self.sources = [generator(seed, "order") for seed in seeds]
        self.register_buffer("X", torch.from_numpy(dataset.X))
        self.register_buffer("y", torch.from_numpy(dataset.y).unsqueeze(1))

    def configure_optimizers(self) -> None:
        """Tell Lightning of no optimizer: the update rule is ours."""

    def on_fit_start(self) -> None:
        """Build the stack, now that the device is known."""
        config = self.cells[0].config
        nets = [models.build(config.model, self.X.shape[1], generator(seed, "init")) for seed in self.seeds]
        self.net = StackedNet(nets, len(self.cells), self.device)
        lrs = torch.tensor([cell.config.lr for cell in self.cells], device=self.device).repeat(len(self.seeds))
        self.update = self.make_update(config.optimizer, self.net, lrs)
        self.clock = Clock(self.device)
        self.minibatches = self._minibatches(config.batch_size, config.sampling.name)
        self.factors = self._factors()

    def _minibatches(self, batch_size: int, sampling: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield minibatches without end: X of shape (S, b, ...) and y of shape (S, b, 1)."""
        while True:
            order = torch.stack([draw_epoch(len(self.X), sampling, source) for source in self.sources])
            order = order.to(self.device)
            X, y = self.X[order], self.y[order]
            yield from zip(X.split(batch_size, dim=1), y.split(batch_size, dim=1), strict=True)

    def _factors(self) -> Iterator[float]:
        """The schedule's factor of every step."""
        cell = self.cells[0]
        factors = learning_rate_factors(cell.config.schedule, cell.steps_per_epoch, cell.steps)
        return repeat(1.0) if np.all(factors == 1) else iter(factors.tolist())

    def training_step(self, steps: int, batch_idx: int) -> None:
        """Walk through the minibatches of one evaluation interval.

        Parameters
        ----------
        steps : int
            Updates until the next reading.
        batch_idx : int
            The interval's number.
        """
        predict, grad = self.net.predict, self.net.flat.grad
        update = self.update
        assert grad is not None
        with self.clock:
            for (X, y), factor in zip(islice(self.minibatches, steps), self.factors):  # noqa: B905 -- endless
                grad.zero_()
                prediction = predict(X)
                # Every run's loss is half its mean squared error, and the losses are summed over the runs. The
                # backward pass starts from the sum's derivative by the predictions: (prediction - y) / b.
                prediction.backward((prediction.detach() - y).div_(y.shape[1]))
                update(factor)

    @torch.no_grad()
    def read_loss(self) -> torch.Tensor:
        """Half the mean squared error of every run over all training examples, shape (R,)."""
        rows = max(1, CACHED_VALUES // self.net.runs)
        squares = torch.zeros(self.net.runs, device=self.device)
        for X, y in zip(self.X.split(rows), self.y.split(rows), strict=True):
            squares += self.net.predict_all(X).sub_(y).square_().sum(dim=0)
        return squares * (0.5 / len(self.X))


def train_stacked(
    cells: Sequence[Cell],
    seeds: Sequence[int],
    dataset: Dataset,
    update: type[StackUpdate],
    progress: Progress | None = None,
) -> Trajectories:
    """Train a stack.

    Parameters
    ----------
    cells : sequence of Cell
        Alike in everything but ``lr``.
    seeds : sequence of int
        Each cell is run with each of them.
    dataset : Dataset
        All training examples.
    update : type of StackUpdate
        How the rule is applied to the stack; see :func:`pipeline.train.probe.stack_update`.
    progress : callable, optional
        Called at every reading.

    Returns
    -------
    Trajectories
        Of ``len(seeds) * len(cells)`` runs, seed by seed; the seconds are those of the whole stack.
    """
    run = StackedRun(cells, seeds, dataset, update)
    return fit(run, cells[0].config.trainer, intervals_of(cells[0]), progress)
