"""Means over many seeds for the chapter's exercises 2 to 4, which the chapter itself does not answer.

Means over 1000 seeds (4000 with replacement) in plain PyTorch, on the measured table, as precisely as they are known.
"""

from typing import Any

from pipeline.lab.published.textbook import SCRATCH
from pipeline.lab.published.values import Published, SeedMean

_CALLS = {"sgd": (1, 0.005), "minibatch 10": (10, 0.05), "minibatch 100": (100, 0.4)}


def _exercise(
    batch_size: int, lr: float, mean: float, sd: float | None = None, seeds: int = 1000, digits: int = 4, **changed: Any
) -> Published:
    where = {"batch_size": batch_size, "lr": lr} | SCRATCH | {"epochs": 2}
    where |= {name.replace("__", "."): value for name, value in changed.items()}
    return Published(where, expected=SeedMean(mean, sd, seeds, rounding=0.5 * 10**-digits))


def _decayed(call: str, mean: float, sd: float | None, epochs: int = 2) -> Published:
    return _exercise(*_CALLS[call], mean, sd, epochs=epochs, schedule__name="step_per_epoch")


def _replaced(call: str, mean: float) -> Published:
    return _exercise(*_CALLS[call], mean, seeds=4000, digits=5, sampling__name="with_replacement")


def _twice(call: str, mean: float, epochs: int) -> Published:
    return _exercise(*_CALLS[call], mean, epochs=epochs, data__copies=2)


EXERCISES = (
    # Exercise 2: a tenth of the learning rate after each epoch
    _decayed("sgd", 0.2428, 0.0004),
    _decayed("minibatch 10", 0.2428, 0.0004),
    _decayed("minibatch 100", 0.2433, 0.0005),
    _decayed("minibatch 10", 0.2427, None, epochs=4),
    # Exercise 3: minibatches drawn with replacement
    _replaced("sgd", 0.24597),
    _replaced("minibatch 10", 0.24610),
    _replaced("minibatch 100", 0.24650),
    _exercise(1500, 0.5, 0.24334, seeds=4000, digits=5, epochs=10),
    _exercise(1500, 0.5, 0.24376, seeds=4000, digits=5, epochs=10, sampling__name="with_replacement"),
    # Exercise 4: every row twice; as many epochs, then as many updates
    _twice("sgd", 0.2453, epochs=2),
    _twice("minibatch 10", 0.2454, epochs=2),
    _twice("minibatch 100", 0.2458, epochs=2),
    _twice("sgd", 0.2455, epochs=1),
    _twice("minibatch 10", 0.2457, epochs=1),
    _twice("minibatch 100", 0.2462, epochs=1),
    _exercise(1500, 1.0, 0.453, digits=3, epochs=10, data__copies=2),
)
