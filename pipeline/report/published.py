"""What others have published for the textbook's runs, and what a thousand seeds gave.

An entry is found by the configuration it was published for, never by a label: a cell that is
trained for another number of epochs has nothing to be compared with.
"""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.report.language import mark
from pipeline.report.published_siblings import SIBLINGS
from pipeline.report.published_values import Expected, Published

#: What the columns of the report's table are, and where their values come from.
SOURCES = {
    mark("Book"): mark(
        "The book's page for PyTorch (Dive into Deep Learning 1.x, section Minibatch Stochastic Gradient Descent, "
        "after its timer was mended): final loss and seconds per epoch. Read as others quote them."
    ),
    mark("Notebooks"): mark(
        "Readers' notebooks of the time of the 0.16 and 0.17 editions: final losses. Their seconds are left "
        "out, because the timer of those editions gave the time between two evaluations."
    ),
    mark("Authors"): mark(
        "30 runs stored by the authors in the history of the book's second edition (8 PyTorch, 7 MXNet, "
        "6 TensorFlow, 9 JAX): the mean final loss."
    ),
    mark("1000 seeds"): mark(
        "Mean and standard deviation of the final loss over 1000 seeds of the textbook's protocol in plain "
        "PyTorch, on the measured table."
    ),
}

_TEXTBOOK: dict[str, Any] = {
    "data.name": "airfoil",
    "data.whiten": "standardize",
    "data.rows": 1500,
    "data.copies": 1,
    "model.name": "linear",
    "optimizer.name": "sgd",
    "schedule.name": "constant",
    "sampling.name": "without_replacement",
}
_SCRATCH: dict[str, Any] = _TEXTBOOK | {"implementation": "scratch", "model.bias": "zeros"}

PUBLISHED = (
    Published(
        where=_SCRATCH | {"batch_size": 1500, "lr": 1.0, "epochs": 10},
        book="0.247; 0.020 s",
        notebooks="0.248, 0.248, 0.250",
        renders="0.2481",
        expected=Expected(0.24761, 0.00383),
    ),
    Published(
        where=_SCRATCH | {"batch_size": 1, "lr": 0.005, "epochs": 2},
        book="0.245; 0.685 s",
        notebooks="0.244, 0.248, 0.243",
        renders="0.2451",
        expected=Expected(0.24499, 0.00239),
    ),
    Published(
        where=_SCRATCH | {"batch_size": 100, "lr": 0.4, "epochs": 2},
        book="0.246; 0.025 s",
        notebooks="0.244",
        renders="0.2458",
        expected=Expected(0.24561, 0.00306),
    ),
    Published(
        where=_SCRATCH | {"batch_size": 10, "lr": 0.05, "epochs": 2},
        book="0.246; 0.090 s",
        renders="0.2450",
        expected=Expected(0.24512, 0.00251),
    ),
    # The concise version of those editions: half the squared error, a bias from torch's default.
    Published(
        where=_TEXTBOOK
        | {"implementation": "torch", "model.bias": "uniform", "batch_size": 10, "lr": 0.05, "epochs": 4},
        expected=Expected(0.2449, 0.0022, rounding=5e-5),
    ),
    *SIBLINGS,
)


def published_for(config: Mapping[str, Any]) -> Published | None:
    """Find what was published for a cell.

    Parameters
    ----------
    config : mapping
        The cell's effective configuration.

    Returns
    -------
    Published or None
        None where nothing was published for exactly this configuration. A key that the configuration
        does not have is not held against it.
    """
    for entry in PUBLISHED:
        if all(_agrees(config, key.split("."), value) for key, value in entry.where.items()):
            return entry
    return None


def _agrees(config: Any, path: list[str], wanted: Any) -> bool:
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return True
        config = config[key]
    if isinstance(wanted, float) and isinstance(config, int | float):
        return math.isclose(config, wanted, rel_tol=1e-9)
    return bool(config == wanted)
