"""Settings that cost little or nothing to find: published defaults, and rules that scale one tuned point."""

from functools import partial

import numpy as np

from pipeline.contrib.finders.landscape import Landscape
from pipeline.contrib.finders.method import Found, Method, for_all

#: Library, optimizer, batch size and learning rate that are used where nobody says anything else. torch.optim leaves
#: the batch size open: 32 is what Keras's ``fit`` takes.
DEFAULTS = {
    "default of torch's Adam": ("torch", "adam", 32, 0.001),
    "default of torch's SGD": ("torch", "sgd", 32, 0.001),
    "default of MLPClassifier": ("scikit-learn", "adam", 200, 0.001),
}


def default(landscape: Landscape, repetition: int, *, optimizer: str, batch_size: int, lr: float) -> Found:
    """Take a published setting as it is."""
    return Found(for_all(landscape.cell(optimizer, batch_size, lr)))


def scaled(landscape: Landscape, repetition: int, *, power: float) -> Found:
    r"""Tune SGD at the smallest batch size, one run a rate, and scale the rate to the largest.

    .. math:: \eta' = \eta (b' / b)^p

    with p = 1 (Goyal et al., 2017, arXiv:1706.02677) or 1/2 (Krizhevsky, 2014, arXiv:1404.5997).
    """
    small, large = landscape.batch_sizes[0], landscape.batch_sizes[-1]
    own = landscape.rates("sgd", small)
    losses = [landscape.all.final[landscape.position[cell.id], repetition] for cell in own]
    lr = float(f"{own[int(np.argmin(losses))].config.lr * (large / small) ** power:.4g}")
    trained = [(cell, float(landscape.epochs)) for cell in own]
    return Found(for_all(landscape.cell("sgd", large, lr)), trained)


def methods() -> list[Method]:
    """The methods of this file."""
    found = [
        Method(name, library, partial(default, optimizer=optimizer, batch_size=batch_size, lr=lr), repetitions=1)
        for name, (library, optimizer, batch_size, lr) in DEFAULTS.items()
    ]
    rules = {"linear": 1.0, "square-root": 0.5}
    return found + [Method(f"{name} rule", "minibatch-lab", partial(scaled, power=p)) for name, p in rules.items()]
