"""Two plain PyTorch training loops, as one would write them without the lab: the yardsticks.

Both train linear regression with the update rule of Dive into Deep Learning, section "Minibatch Stochastic
Gradient Descent", and evaluate nothing.
"""

from collections.abc import Callable, Iterable

import torch
from torch.utils.data import DataLoader, TensorDataset

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def sgd(params: list[torch.Tensor], lr: float) -> None:
    """Update in place and zero the gradients."""
    for p in params:
        p.data.sub_(lr * p.grad)
        p.grad.data.zero_()


class PlainLoop:
    """Parameters, and epochs over whatever yields the minibatches.

    Parameters
    ----------
    epoch : callable
        Yields one epoch's minibatches, newly shuffled.
    features : int
        Number of features.
    lr : float
        Learning rate.
    """

    def __init__(self, epoch: Callable[[], Batches], features: int, lr: float) -> None:
        self.epoch = epoch
        self.lr = lr
        self.w = torch.normal(0.0, 0.01, (features, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def train(self, epochs: int) -> None:
        """Train for some epochs."""
        for _ in range(epochs):
            for X, y in self.epoch():
                loss = ((X @ self.w + self.b - y) ** 2 / 2).mean()
                loss.backward()
                sgd([self.w, self.b], self.lr)


def data_loader(X: torch.Tensor, y: torch.Tensor, batch_size: int, lr: float) -> PlainLoop:
    """Make the chapter's loop: ``DataLoader`` over a ``TensorDataset``, which collates example by example."""
    loader = DataLoader(TensorDataset(X, y), batch_size, shuffle=True)
    return PlainLoop(lambda: loader, X.shape[1], lr)


def slicing(X: torch.Tensor, y: torch.Tensor, batch_size: int, lr: float) -> PlainLoop:
    """Make the lean loop: permute the tensors once an epoch, then slice them."""

    def epoch() -> Batches:
        order = torch.randperm(len(X))
        return zip(X[order].split(batch_size), y[order].split(batch_size), strict=True)

    return PlainLoop(epoch, X.shape[1], lr)
