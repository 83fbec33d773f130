"""Minibatches whose examples are decoded one by one, as a DataLoader does it."""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Sampler

from pipeline.lab.config.cell import Cell
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import UserError
from pipeline.parts.data.digits import Config as DigitsConfig
from pipeline.parts.data.digits import ImageDataset
from pipeline.train.order import draw_epoch


class EpochOrder(Sampler[list[int]]):
    """The order that every engine meets, cut into minibatches for a DataLoader.

    Parameters
    ----------
    examples : int
        Number of training examples, ``n``.
    batch_size : int
        Examples per minibatch.
    sampling : str
        See :func:`pipeline.train.order.draw_epoch`.
    source : torch.Generator
        Moves on by one epoch with each iteration.
    """

    def __init__(self, examples: int, batch_size: int, sampling: str, source: torch.Generator) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.sampling = sampling
        self.source = source

    def __iter__(self) -> Iterator[list[int]]:
        # Drawn when the first minibatch is asked for: a DataLoader with workers makes one iterator too many.
        order = draw_epoch(self.examples, self.sampling, self.source)
        for rows in order.split(self.batch_size):
            yield rows.tolist()

    def __len__(self) -> int:
        return -(-self.examples // self.batch_size)


def decoded_minibatches(
    cell: Cell, dataset: Dataset, source: torch.Generator, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield minibatches without end, each example read from its file.

    Parameters
    ----------
    cell : Cell
        Whose ``data`` says how many workers decode.
    dataset : Dataset
        Names the folder of the images.
    source : torch.Generator
        Where the orders come from: the minibatches are those of :func:`pipeline.train.order.minibatches`.
    device : torch.device
        Where training runs.

    Yields
    ------
    X, y : tensors of shape (b, channels, height, width) and (b,)

    Raises
    ------
    UserError
        If the data are not images.
    """
    config = cell.config.data
    if not isinstance(config, DigitsConfig) or dataset.folder is None:
        raise UserError(f"data.loading=per_item is not allowed with data={config.name}: it has no files to decode")
    loader: DataLoader[tuple[torch.Tensor, int]] = DataLoader(
        ImageDataset(dataset.folder, "train"),
        batch_sampler=EpochOrder(config.examples, cell.config.batch_size, cell.config.sampling.name, source),
        num_workers=config.workers,
        prefetch_factor=config.prefetch,
        persistent_workers=config.persistent and config.workers > 0,
        pin_memory=device.type == "cuda",
    )
    while True:
        for X, y in loader:
            yield X.to(device, non_blocking=True), y.to(device, non_blocking=True)
