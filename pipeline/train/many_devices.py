"""One run on several devices: a process each, and each takes its share of every minibatch.

The chapter's picture: ``p`` devices hold a copy of the parameters; each computes the gradient of its share of the
minibatch, the gradients are averaged, and all take the same step. With the same permutation everywhere the minibatches
are those of one device, and so are the losses, to rounding.
"""

import gc
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole
from pipeline.train.clock import no_garbage_collection, torch_threads
from pipeline.train.fit import fit, quiet_lightning
from pipeline.train.intervals import Intervals, intervals_of
from pipeline.train.isolation import isolated
from pipeline.train.order import draw_epoch
from pipeline.train.placement import reproducible
from pipeline.train.readings import Progress, Trajectories, Validation, read_trajectories, write_trajectories
from pipeline.train.solo import SoloRun

#: A run of a cell: the cell and the seed.
Run = tuple[Cell, int]


class SharedRun(SoloRun):
    """A run of which this process computes its share.

    Lightning's DDP wrapper averages gradients itself, and does not fit here: it gives every device the same weight,
    though shares differ by one example where the devices do not divide a minibatch, and it expects one backward pass
    for each call of the module, while one Lightning batch is many. Here the gradients of all parameters are one flat
    tensor, and one all-reduce a step sums it.
    """

    def on_fit_start(self) -> None:
        """Start the streams, and lay out the flat gradient."""
        super().on_fit_start()
        self.params = self.trained
        sizes = [p.numel() for p in self.params]
        self.flat = torch.zeros(sum(sizes), device=self.device)
        self.grads = [g.view_as(p) for g, p in zip(self.flat.split(sizes), self.params, strict=True)]
        self.shares = self._shares()

    def _shares(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, float]]:
        """Yield this process's rows of each minibatch, and their part of it, without end."""
        config, rank, devices = self.cell.config, dist.get_rank(), dist.get_world_size()
        while True:
            order = draw_epoch(len(self.X), config.sampling.name, self.source)
            minibatches = order.split(config.batch_size)
            own = [rows.tensor_split(devices)[rank] for rows in minibatches]
            sizes = [len(rows) for rows in own]
            parts = [size / len(rows) for size, rows in zip(sizes, minibatches, strict=True)]
            rows = torch.cat(own).to(self.device)
            X, y = self.X.index_select(0, rows), self.y.index_select(0, rows)
            yield from zip(X.split(sizes), y.split(sizes), parts, strict=True)

    def training_step(self, steps: int, batch_idx: int) -> None:
        """Walk through the minibatches of one evaluation interval, together with the other processes.

        Parameters
        ----------
        steps : int
            Updates until the next reading.
        batch_idx : int
            The interval's number.
        """
        net, update, criterion, params, flat = self.net, self.update, self.task.criterion, self.params, self.flat
        with self.clock:
            for (X, y, part), lr in zip(islice(self.shares, steps), self.lrs):  # noqa: B905 -- lrs may be endless
                if part:
                    # The mean over the share, times the share's part: summed, they are the minibatch's mean.
                    grads = torch.autograd.grad(criterion(net(X), y), params, self.scale * part)
                    torch.cat([g.reshape(-1) for g in grads], out=flat)
                else:  # fewer examples than devices
                    flat.zero_()
                dist.all_reduce(flat)
                for p, g in zip(params, self.grads, strict=True):
                    p.grad = g
                update(lr)

    @torch.no_grad()
    def read_loss(self) -> torch.Tensor:
        """The loss over all training examples, shape (1,), as the first process computes it.

        All must agree on when a run has diverged: a process that stops alone leaves the others waiting.
        """
        loss = super().read_loss()
        dist.broadcast(loss, src=0)
        return loss

    def read_validation(self) -> Validation | None:
        """As one process reads it: the first, whose readings are kept."""
        return super().read_validation() if dist.get_rank() == 0 else None


def train_on_many(
    runs: Sequence[Run], datasets: Mapping[str, Dataset], progress: Progress | None = None
) -> Iterator[tuple[Cell, int, Trajectories | Exception]]:
    """Train runs one after the other, each on several devices.

    The processes are started once for all runs. A run that fails ends them, because the others may be waiting for the
    one that failed; they are started again for the runs after it.

    Parameters
    ----------
    runs : sequence of (Cell, int)
        Alike in ``trainer``.
    datasets : mapping
        Data name to data set.
    progress : callable, optional
        Called when a run has ended.

    Yields
    ------
    cell, seed, trajectories or exception
        In the order of ``runs``.
    """
    rest = list(runs)
    while rest:
        trained: list[Trajectories | Exception] = []
        with tempfile.TemporaryDirectory() as folder:
            failure = _launch(rest, datasets, Path(folder))
            while len(trained) < len(rest) and (path := Path(folder) / str(len(trained))).exists():
                trained.append(read_trajectories(path))
        if len(trained) < len(rest):
            trained.append(failure or RuntimeError("the processes ended early"))
        for (cell, seed), ended in zip(rest, trained, strict=False):
            if progress is not None and isinstance(ended, Trajectories):
                progress(int(ended.step[-1]), float(ended.loss[-1, 0]))
            yield cell, seed, ended
        rest = rest[len(trained) :]


def _launch(runs: Sequence[Run], datasets: Mapping[str, Dataset], folder: Path) -> Exception | None:
    """Start the processes and wait for them; return what ended them early."""
    trainer = runs[0][0].config.trainer
    # Spawned, not forked: a fork of a process that has used CUDA, or threads, is broken.
    try:
        spawn(_work, (_free_port(), list(runs), dict(datasets), folder), nprocs=trainer.devices)
    except Exception as failure:
        if not _is_time_out(failure):
            return failure
        return UserError(
            f"a device kept the others waiting for more than trainer.timeout={trainer.timeout:g} seconds, so the run "
            "ends as an error; where steps really take that long, set a higher trainer.timeout"
        )
    return None


def _is_time_out(failure: Exception) -> bool:
    """Whether a process failed because it waited too long for another.

    Gloo raises; NCCL's watchdog ends the process.
    """
    if isinstance(failure, ProcessExitedException):
        return failure.signal_name == "SIGABRT"
    # The line that names the exception: a traceback's lines of code may have the word in them as well.
    return (
        re.search(r"^[\w.]*(Error|Exception): .*timed?[ -]?out", str(failure), re.IGNORECASE | re.MULTILINE) is not None
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _work(rank: int, port: int, runs: Sequence[Run], datasets: Mapping[str, Dataset], folder: Path) -> None:
    """What each process does: train its share of every run; the first one writes down what came of it."""
    # What Lightning's environment reads where processes are started by someone else.
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    warmed = set()
    cells = [cell for cell, _ in runs]
    with quiet_lightning(), torch_threads(), no_garbage_collection(), reproducible(cells):
        for number, (cell, seed) in enumerate(runs):
            dataset = datasets[cell.config.data.name]
            if cell.id not in warmed:
                _fit(cell, 0, dataset, _a_moment(cell))
                warmed.add(cell.id)
            trained = _fit(cell, seed, dataset, intervals_of(cell))
            if rank == 0:
                with written_whole(folder / str(number)) as temporary:
                    write_trajectories(trained, temporary)
            gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def _fit(cell: Cell, seed: int, dataset: Dataset, intervals: Intervals) -> Trajectories:
    with isolated(seed):
        return fit(SharedRun(cell, seed, dataset), cell.config.trainer, intervals, None)


def _a_moment(cell: Cell) -> Intervals:
    """The beginning of a run, untimed, so that no run pays for what torch does once."""
    intervals = intervals_of(cell)
    intervals.lengths = [min(30, cell.steps)]
    return intervals
