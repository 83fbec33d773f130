"""The stacked engine: many runs at once, as one LightningModule.

The runs of a stack are alike in everything but learning rate and seed. They take the same steps at the
same time, so one pass through Python, Lightning and autograd serves them all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice, repeat

import numpy as np
import pytorch_lightning as pl
import torch
from torch.func import vmap
from torch.nn.functional import cross_entropy

from pipeline import parts
from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.paths import PACKAGE
from pipeline.parts import models, tasks
from pipeline.parts.schedules import learning_rate_factors
from pipeline.train.clock import Clock
from pipeline.train.fit import fit
from pipeline.train.intervals import intervals_of
from pipeline.train.order import draw_epoch, generator
from pipeline.train.readings import Progress, Stop, Trajectories, Validation
from pipeline.train.size import size_of
from pipeline.train.stack_update import StackUpdate
from pipeline.train.stacked_net import StackedNet

#: How many numbers are evaluated at a time: what stays in a processor's cache is three to eight
#: times faster than one pass over everything.
CACHED_VALUES = 2**17
#: How many numbers of minibatches are gathered at a time.
GATHERED_VALUES = 2**14
REGRESSION = PACKAGE / "parts/tasks/regression.py"


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
    X_held_out: torch.Tensor | None
    y_held_out: torch.Tensor | None

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
        data, held_out = cells[0].config.data, dataset.held_out
        self.task = tasks.load(data.task)
        # Of the lab's regression the derivative is written down; other losses are differentiated.
        self.half_squares = parts.find("task", data.task) == REGRESSION and data.outputs == 1
        self.register_buffer("y", self.task.targets(dataset.y))
        # So is that of torch's cross-entropy of classes, none of which is to be ignored.
        classes = self.y.dtype == torch.int64 and self.y.dim() == 1 and bool((self.y >= 0).all())
        self.cross_entropy = self.task.criterion is cross_entropy and self.task.scale == 1.0 and classes
        self.register_buffer("X_held_out", None if held_out is None else torch.from_numpy(held_out.X))
        self.register_buffer("y_held_out", None if held_out is None else self.task.targets(held_out.y))

    def configure_optimizers(self) -> None:
        """Tell Lightning of no optimizer: the update rule is ours."""

    def on_fit_start(self) -> None:
        """Build the stack, now that the device is known."""
        config = self.cells[0].config
        outputs = config.data.outputs
        nets = [models.build(config.model, self.X.shape[1], generator(seed, "init"), outputs) for seed in self.seeds]
        # What is evaluated at a time: of the lab's regression so many predictions, of others all that they compute.
        values = 1 if self.half_squares else size_of(nets[0], self.X[:1].cpu())[1]
        self.net = StackedNet(nets, len(self.cells), self.device, packed=self.half_squares)
        self.rows = max(1, CACHED_VALUES // (self.net.runs * values))
        self.scale = torch.tensor(self.task.scale * self.net.runs, device=self.device)
        lrs = torch.tensor([cell.config.lr for cell in self.cells], device=self.device).repeat(len(self.seeds))
        self.update = self.make_update(config.optimizer, self.net, lrs)
        self.clock = Clock(self.device)
        self.minibatches = self._minibatches(config.batch_size, config.sampling.name)
        self.factors = self._factors()

    def _minibatches(self, batch_size: int, sampling: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield minibatches without end: X of shape (S, b, ...) and y of shape (S, b, 1) or, of classes, (S, b).

        Some are gathered at a time, into the same memory: to make views of it at each step would cost more than a step.
        """
        seeds, whole = len(self.sources), len(self.X) // batch_size
        most = max(1, GATHERED_VALUES // (seeds * batch_size * self.X[0].numel()))
        shape = (min(most, whole), seeds, batch_size)
        Xs, ys = (table.new_empty(*shape, *table.shape[1:]) for table in (self.X, self.y))
        views = list(zip(Xs, ys, strict=True))
        while True:
            order = torch.stack([draw_epoch(len(self.X), sampling, source) for source in self.sources]).to(self.device)
            steps = order[:, : whole * batch_size].view(seeds, whole, batch_size).transpose(0, 1)
            for some in steps.split(shape[0]):
                rows = some.reshape(-1)
                for table, gathered in ((self.X, Xs), (self.y, ys)):
                    torch.index_select(table, 0, rows, out=gathered[: len(some)].flatten(0, 2))
                yield from views[: len(some)]
            if whole * batch_size < len(self.X):  # the last minibatch of an epoch may be short
                rows = order[:, whole * batch_size :]
                yield self.X[rows], self.y[rows]

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
        update, differentiate = self.update, self.net.half_squares or self._differentiate
        # Where nothing is differentiated, torch need not watch: a sixth of a step at batch size 1.
        with self.clock, torch.inference_mode() if self.net.half_squares else nullcontext():
            for (X, y), factor in zip(islice(self.minibatches, steps), self.factors):  # noqa: B905 -- endless
                differentiate(X, y)
                update(factor)

    def _differentiate(self, X: torch.Tensor, y: torch.Tensor) -> None:
        """Differentiate the sum of the runs' losses.

        Of half mean squared errors and of cross-entropies the backward pass starts from the derivative by the
        predictions, (prediction - y) / b or (softmax - one hot) / b. Any other sum is the number of runs times the mean
        over the examples of all runs.
        """
        prediction = self.net.predict(X)
        if self.half_squares:
            prediction.backward((prediction.detach() - y).div_(y.shape[1]))
            return
        y = y.repeat_interleave(len(self.cells), dim=0)
        if self.cross_entropy:
            # With the examples side by side: along ten classes torch's softmax takes nine times as long.
            share, y = torch.softmax(prediction.detach().mT.contiguous(), dim=1), y.unsqueeze(1)
            share.scatter_(1, y, share.gather(1, y) - 1).div_(y.shape[2])
            prediction.backward(share.mT)
        else:
            self.task.criterion(prediction.flatten(0, 1), y.flatten(0, 1)).backward(self.scale)

    def read_loss(self) -> torch.Tensor:
        """The loss of every run over all training examples, shape (R,)."""
        return self._read(self.X, self.y)[0]

    def read_validation(self) -> Validation | None:
        """Loss and accuracy of every run over the examples held out, shape (R,) each; None where there are none."""
        if self.X_held_out is None or self.y_held_out is None:
            return None
        return self._read(self.X_held_out, self.y_held_out, self.task.accuracy)

    @torch.no_grad()
    def _read(self, X: torch.Tensor, y: torch.Tensor, accuracy: "PerRun | None" = None) -> Validation:
        """Loss, and accuracy where it is asked for, some rows at a time."""
        loss = torch.zeros(self.net.runs, device=self.device)
        right = torch.zeros(self.net.runs, device=self.device, dtype=torch.float64)
        for some, targets in zip(X.split(self.rows), y.split(self.rows), strict=True):
            predicted = self.net.predict_all(some)
            if accuracy is not None:
                apart = predicted.T.unsqueeze(2) if self.net.packed else predicted
                right += len(some) * _per_run(accuracy, apart, targets)
            if self.half_squares:
                loss += predicted.sub_(targets).square_().sum(dim=0)
            else:
                loss += len(some) * _per_run(self.task.criterion, predicted, targets)
        return loss * (self.task.scale / len(X)), None if accuracy is None else right / len(X)


#: A loss or an accuracy of one run, of its predictions and the targets.
PerRun = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | float]


def _per_run(function: PerRun, predicted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Apply a function of one run to every run, shape (R,)."""
    try:
        found: torch.Tensor = vmap(function, (0, None))(predicted, targets)  # type: ignore[assignment]
        return found
    except (RuntimeError, ValueError):  # it makes a Python number of a tensor, as float() does, say
        return torch.tensor([float(function(one, targets)) for one in predicted], device=predicted.device)


def train_stacked(
    cells: Sequence[Cell],
    seeds: Sequence[int],
    dataset: Dataset,
    update: type[StackUpdate],
    progress: Progress | None = None,
    stop: Stop | None = None,
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
    stop : Stop, optional
        Where training ends early.

    Returns
    -------
    Trajectories
        Of ``len(seeds) * len(cells)`` runs, seed by seed; the seconds are those of the whole stack.
    """
    run = StackedRun(cells, seeds, dataset, update)
    return fit(run, cells[0].config.trainer, intervals_of(cells[0]), progress, stop)
