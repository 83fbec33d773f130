"""Randomness: which axes move the seed, and the order in which examples are met."""

import hashlib
from collections.abc import Iterator

import torch


def generator(seed: int, purpose: str) -> torch.Generator:
    """Make a generator that depends on the seed and the purpose, and on nothing else.

    All optimizers, learning rates, batch sizes and engines of one seed so meet the same initial
    weights and the same example order.

    Parameters
    ----------
    seed : int
        The run's seed.
    purpose : str
        ``init`` or ``order``: what is drawn does not depend on what else was drawn before.

    Returns
    -------
    torch.Generator
        On the CPU, whatever the training device: a seed means the same everywhere.
    """
    made = torch.Generator()
    made.manual_seed(seed_of(seed, purpose))
    return made


def seed_of(seed: int, purpose: str) -> int:
    """Derive a generator's seed, of 63 bits, from a run's seed and the purpose."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:8], "little") >> 1


def draw_epoch(examples: int, sampling: str, source: torch.Generator) -> torch.Tensor:
    """Draw the order of one epoch.

    Parameters
    ----------
    examples : int
        Number of training examples, ``n``.
    sampling : str
        ``without_replacement``: a permutation; ``with_replacement``: ``n`` independent draws.
    source : torch.Generator
        Moves on by one epoch.

    Returns
    -------
    Tensor of shape (n,), int64
        Row numbers.
    """
    if sampling == "with_replacement":
        return torch.randint(examples, (examples,), generator=source)
    return torch.randperm(examples, generator=source)


def minibatches(
    X: torch.Tensor, y: torch.Tensor, batch_size: int, sampling: str, source: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield minibatches without end, epoch after epoch, as slices of the reordered table.

    Gathering an epoch once and slicing it costs a fraction of collating rows one by one; the last
    minibatch of an epoch is short where ``batch_size`` does not divide ``n``.

    Parameters
    ----------
    X : Tensor of shape (n, d)
        Features.
    y : Tensor of shape (n, 1)
        Targets.
    batch_size : int
        Examples per minibatch.
    sampling : str
        See :func:`draw_epoch`.
    source : torch.Generator
        Where the orders come from.

    Yields
    ------
    X, y : tensors of shape (b, d) and (b, 1)
    """
    while True:
        order = draw_epoch(len(X), sampling, source).to(X.device)
        # index_select does what X[order] does in two thirds of the time
        drawn, targets = X.index_select(0, order), y.index_select(0, order)
        yield from zip(drawn.split(batch_size), targets.split(batch_size), strict=True)
