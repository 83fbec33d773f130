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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline import parts

if TYPE_CHECKING:
    import torch

    Params = Sequence[torch.Tensor]
    Rule = Callable[[Params, Any, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Optimizer:
    """An update rule, the states it starts from, and the rule for parameters that it does not take."""

    name: str
    update: "Rule"
    init_states: "Callable[[Params], Any]"
    rest: str | None = None


def names() -> list[str]:
    """Every optimizer that has a file here."""
    return parts.names("optimizer")


def load(name: str) -> Optimizer:
    """Look an optimizer up by its name.

    Raises
    ------
    UserError
        If no file here has that name, or the file cannot be imported or has no such function.
    """
    part = parts.load("optimizer", name)
    own = Optimizer(name, part.function, getattr(part.module, "init_states", _no_states))
    rest = getattr(part.module, "REST", None)
    return own if rest is None else _shared(own, load(rest), part.get("takes"))


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

    return Optimizer(own.name, update, init_states, rest.name)


def _no_states(params: "Params") -> None:
    """For rules that remember nothing."""
