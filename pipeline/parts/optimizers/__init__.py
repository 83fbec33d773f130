"""The update rules, from scratch: one file each, found by its name.

A new optimizer is two files: ``pipeline/parts/optimizers/NAME.py`` with a function
``NAME(params, states, hyperparams)`` and, where the rule remembers something,
``init_states(params)``; and ``conf/optimizer/NAME.yaml`` with its
hyperparameters. The signature is the textbook's: ``params`` are tensors whose
``.grad`` is set, ``states`` is what ``init_states`` made, ``hyperparams`` holds
``lr`` and the rest.

A rule is elementwise unless it says ``ELEMENTWISE = False``: then ``lr`` may be a
tensor that broadcasts over a leading run axis, and many runs are updated at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from pipeline.lab.config import checks

if TYPE_CHECKING:
    import torch

    Params = Sequence[torch.Tensor]
    Rule = Callable[[Params, Any, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Optimizer:
    """An update rule and the states it starts from."""

    name: str
    update: "Rule"
    init_states: "Callable[[Params], Any]"
    elementwise: bool


def names() -> list[str]:
    """Every optimizer that has a file here."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> Optimizer:
    """Look an optimizer up by its name.

    Raises
    ------
    UserError
        If no file here has that name.
    """
    checks.one_of("optimizer", name, names())
    module = import_module(f"{__name__}.{name}")
    return Optimizer(
        name=name,
        update=getattr(module, name),
        init_states=getattr(module, "init_states", _no_states),
        elementwise=getattr(module, "ELEMENTWISE", True),
    )


def _no_states(params: "Params") -> None:
    """For rules that remember nothing."""
