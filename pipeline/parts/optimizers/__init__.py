"""Update rules, from scratch: one file each, found by its name.

A new optimizer is two files: ``pipeline/parts/optimizers/NAME.py`` with a function
``NAME(params, states, hyperparams)`` and, where the rule remembers something,
``init_states(params)``; and ``conf/optimizer/NAME.yaml`` with its hyperparameters.
The signature is the textbook's: ``params`` are tensors whose ``.grad`` is set,
``states`` is what ``init_states`` made, ``hyperparams`` holds ``lr`` and the rest.
The rule updates ``p.data`` of each parameter, whole layers, norms and matrices
included. It is written for one run; whether many runs can be stacked is found out
by :mod:`pipeline.train.probe`, and needs no declaration.

A rule for some parameters only has ``takes(p)``, true of those, and ``REST``, the
name of the rule that updates the others. That rule gets the hyperparameters whose
names begin with ``rest_``, without it; ``rest_lr_ratio`` multiplies its learning rate.
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.lab.config import checks
from pipeline.lab.errors import UserError

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


def names() -> list[str]:
    """Every optimizer that has a file here."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load(name: str) -> Optimizer:
    """Look an optimizer up by its name.

    Raises
    ------
    UserError
        If no file here has that name, or the file cannot be imported or has no such function.
    """
    if f"{__name__}.{name}" not in sys.modules:  # the folder is not read again for each of thousands of cells
        checks.one_of("optimizer", name, names())
    module = _import(name)
    own = Optimizer(name, _function(module, name), getattr(module, "init_states", _no_states))
    rest = getattr(module, "REST", None)
    return own if rest is None else _shared(own, load(rest), _function(module, "takes"))


def _import(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except UserError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == name]
        line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
        place = f", line {line}" if line else ""
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UserError(
            f"optimizer={name} is not allowed: {name}.py cannot be imported: {type(error).__name__}: {why}{place}"
        ) from None


def _function(module: ModuleType, name: str) -> Any:
    """A function of an optimizer's file."""
    found = getattr(module, name, None)
    if not callable(found):
        own = sorted(key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
        optimizer = module.__name__.rpartition(".")[2]
        raise UserError(
            f"optimizer={optimizer} is not allowed: {optimizer}.py must have a function {name}, and has "
            f"{', '.join(own) or 'none'}"
        )
    return found


@cache
def _shared(own: Optimizer, rest: Optimizer, takes: "Callable[[torch.Tensor], bool]") -> Optimizer:
    """An optimizer whose rule updates the parameters that it takes, and another one the others."""

    def split(params: "Params") -> "tuple[list[torch.Tensor], list[torch.Tensor]]":
        """The parameters of the one and of the other."""
        taken = [takes(p) for p in params]
        return (
            [p for p, mine in zip(params, taken, strict=True) if mine],
            [p for p, mine in zip(params, taken, strict=True) if not mine],
        )

    def init_states(params: "Params") -> list[Any]:
        """The states of both."""
        mine, others = split(params)
        return [own.init_states(mine), rest.init_states(others)]

    def update(params: "Params", states: list[Any], hyperparams: Mapping[str, Any]) -> None:
        """One step of both."""
        mine, others = split(params)
        theirs = {key.removeprefix("rest_"): value for key, value in hyperparams.items() if key.startswith("rest_")}
        own.update(mine, states[0], hyperparams)
        rest.update(others, states[1], {**theirs, "lr": hyperparams["lr"] * theirs.get("lr_ratio", 1.0)})

    return Optimizer(own.name, update, init_states)


def _no_states(params: "Params") -> None:
    """For rules that remember nothing."""
