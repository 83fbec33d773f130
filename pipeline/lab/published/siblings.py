"""Published values for the calls of the sibling sections: momentum, Adagrad, RMSprop, Adadelta, Adam.

A "concise" call is torch.optim's, for four epochs, from a bias at torch's default; the others are the textbook's
own rules, for two epochs, from a bias of zero. Means over 1000 seeds are known to four decimals.
"""

from typing import Any

from pipeline.lab.published.textbook import CHAPTER
from pipeline.lab.published.values import Published, SeedMean

_CALL: dict[str, Any] = {key: value for key, value in CHAPTER.items() if key != "optimizer.name"} | {"batch_size": 10}
_SCRATCH = _CALL | {"epochs": 2, "model.bias": "zeros"}
_CONCISE = _CALL | {"epochs": 4, "model.bias": "uniform"}


def _call(
    base: dict[str, Any],
    optimizer: str,
    lr: float,
    mean: float,
    sd: float,
    notebooks: str = "",
    renders: str = "",
    **hyperparams: float,
) -> Published:
    # What tells the calls apart comes first: most cells are then dismissed at once.
    where = {"lr": lr, "optimizer.name": optimizer} | base
    where |= {f"optimizer.hyperparams.{name}": value for name, value in hyperparams.items()}
    return Published(where, notebooks=notebooks, renders=renders, expected=SeedMean(mean, sd, rounding=5e-5))


SIBLINGS = (
    _call(_SCRATCH, "momentum", 0.02, 0.2443, 0.0019, "0.242, 0.245", "0.2437", momentum=0.5),
    _call(_SCRATCH, "momentum", 0.01, 0.2495, 0.0058, "0.257, 0.250", "0.2500", momentum=0.9),
    _call(_SCRATCH, "momentum", 0.005, 0.2451, 0.0026, "0.243, 0.244", "0.2450", momentum=0.9),
    _call(_CONCISE, "momentum", 0.005, 0.2448, 0.0023, "0.245, 0.254", "0.2471", momentum=0.9),
    # The full squared error has twice the gradient: lr 0.005 there is lr 0.01 here.
    _call(_CONCISE, "momentum", 0.01, 0.2491, 0.0052, momentum=0.9),
    _call(_SCRATCH, "adagrad", 0.1, 0.2430, 0.0009, "0.243, 0.242", "0.2428", eps=0.0, eps_root=1e-6),
    _call(_CONCISE, "adagrad", 0.1, 0.2423, 0.0005, "0.242, 0.242", "0.2429"),
    _call(_SCRATCH, "rmsprop", 0.01, 0.2444, 0.0019, "0.244, 0.246", "0.2446", alpha=0.9, eps=0.0, eps_root=1e-6),
    _call(_CONCISE, "rmsprop", 0.01, 0.2442, 0.0017, "0.242, 0.243", "0.2444", alpha=0.9),
    _call(_SCRATCH, "adadelta", 1.0, 0.2438, 0.0014, "0.245, 0.243", "0.2438", rho=0.9, eps=1e-5),
    _call(_CONCISE, "adadelta", 1.0, 0.2429, 0.0003, "0.243, 0.243", "0.2432 (PyTorch)", rho=0.9),
    _call(_SCRATCH, "adam", 0.01, 0.2442, 0.0018, "0.242, 0.244", "0.2436", eps=1e-6),
    _call(_CONCISE, "adam", 0.01, 0.2441, 0.0017, "0.243, 0.245", "0.2447", eps=1e-8),
    _call(_SCRATCH, "yogi", 0.01, 0.2440, 0.0017, "0.244, 0.244", "0.2436"),
    _call(_CONCISE | {"implementation": "scratch"}, "sgd", 0.05, 0.2449, 0.0022),
    # lr 0.01 and 0.05 with the full squared error
    _call(_CONCISE, "sgd", 0.02, 0.2426, 0.0006, "0.242, 0.243", "0.2426 (PyTorch)"),
    _call(_CONCISE, "sgd", 0.1, 0.2494, 0.0053),
)
