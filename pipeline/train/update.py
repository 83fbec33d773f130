"""One update of a run's parameters, from scratch or by torch.optim."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import torch

from pipeline.lab.checks import did_you_mean
from pipeline.lab.config.target import resolve
from pipeline.lab.errors import UserError, first_line
from pipeline.parts import optimizers
from pipeline.parts.base import OptimizerConfig

TORCH = "optimizer.torch"


class Update(Protocol):
    """Applies the gradients in ``.grad`` with this learning rate, and clears them."""

    def __call__(self, lr: float) -> None:
        """Update in place and clear the gradients."""

    def evaluating(self) -> AbstractContextManager[None]:
        """While the loss is read: the parameters are those that the optimizer would be judged by."""


class ScratchUpdate:
    """An update rule of :mod:`pipeline.parts.optimizers`.

    Parameters
    ----------
    config : OptimizerConfig
        Names the rule and its hyperparameters.
    params : iterable of torch.nn.Parameter
        What is updated.
    """

    def __init__(self, config: OptimizerConfig, params: Iterable[torch.nn.Parameter]) -> None:
        rule = optimizers.load(config.name)
        self.params: Sequence[torch.nn.Parameter] = list(params)
        self.states = rule.init_states(self.params)
        self.hyperparams: dict[str, float] = dict(config.hyperparams)
        self.rule = rule.update

    def __call__(self, lr: float) -> None:
        """Update in place and clear the gradients."""
        self.hyperparams["lr"] = lr
        self.rule(self.params, self.states, self.hyperparams)
        for p in self.params:
            p.grad = None  # cheaper than zeroing: the next backward pass writes instead of adding

    def evaluating(self) -> AbstractContextManager[None]:
        """The parameters as they are."""
        return nullcontext()


class TorchUpdate:
    """An optimizer class named by ``optimizer.torch._target_``.

    Parameters
    ----------
    config : OptimizerConfig
        Names the class and its arguments. Where these have ``rest``, another class and its arguments, the first
        updates matrices only, as ``torch.optim.Muon`` does, and the other one all else; ``rest.lr_ratio`` is the
        learning rate of the second over that of the first.
    params : iterable of torch.nn.Parameter
        What is updated.
    lr : float
        The first learning rate.
    """

    def __init__(self, config: OptimizerConfig, params: Iterable[torch.nn.Parameter], lr: float) -> None:
        arguments = dict(config.torch or {})
        self.params = list(params)
        rest = arguments.pop("rest", None)
        taken = [p for p in self.params if rest is None or p.dim() == 2]
        others = [p for p in self.params if rest is not None and p.dim() != 2]
        self.optimizers = [_build(TORCH, arguments, taken, lr)] if taken else []
        self.ratios = [1.0] * len(self.optimizers)
        if others:
            rest = dict(rest)
            self.ratios.append(float(rest.pop("lr_ratio", 1.0)))
            self.optimizers.append(_build(f"{TORCH}.rest", rest, others, lr * self.ratios[-1]))
        #: Schedule-free optimizers keep two sets of parameters, to train and to evaluate, and exchange them.
        self.exchanging = [one for one in self.optimizers if callable(getattr(one, "eval", None))]
        for one in self.exchanging:
            one.train()  # type: ignore[attr-defined]

    def __call__(self, lr: float) -> None:
        """Update in place and clear the gradients."""
        for optimizer, ratio in zip(self.optimizers, self.ratios, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = lr * ratio
            optimizer.step()
            optimizer.zero_grad()

    def evaluating(self) -> AbstractContextManager[None]:
        """Exchange the parameters for those to evaluate, where the optimizer keeps two sets."""
        return self._exchanged() if self.exchanging else nullcontext()

    @contextmanager
    def _exchanged(self) -> Iterator[None]:
        training = [p.detach().clone() for p in self.params]
        for one in self.exchanging:
            one.eval()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            for one in self.exchanging:
                one.train()  # type: ignore[attr-defined]
            with torch.no_grad():  # there and back again rounds: a reading must not move the run
                for p, before in zip(self.params, training, strict=True):
                    p.copy_(before)


def _build(
    key: str, arguments: Mapping[str, Any], params: list[torch.nn.Parameter], lr: float
) -> torch.optim.Optimizer:
    """Make an optimizer of the class that the arguments name.

    Raises
    ------
    UserError
        If it has no such argument, or refuses a value or the parameters.
    """
    given = dict(arguments)
    target = given.pop("_target_", None)
    build = resolve(f"{key}._target_", str(target))
    known = inspect.signature(build).parameters
    allowed = [name for name in known if name not in ("params", "lr")]
    if any(one.kind is one.VAR_KEYWORD for one in known.values()):
        allowed += given  # what it takes beyond those is its own to refuse
    for name, value in given.items():
        if name not in allowed:
            known_names = f"{', '.join(sorted(allowed))}{did_you_mean(name, allowed)}"
            raise UserError(f"{key}.{name}={value} is not allowed: {target} has {known_names}")
    try:
        made: torch.optim.Optimizer = build(params, lr=lr, **given)
    except (TypeError, ValueError, RuntimeError) as error:
        values = ", ".join(f"{name}={value}" for name, value in given.items())
        first = first_line(error)
        matrices = any(p.dim() != 2 for p in params) and "2D" in first
        hint = f"; name the optimizer of the others in {key}.rest._target_" if matrices else ""
        raise UserError(f"{key}: {target}{' with ' if values else ''}{values} is not allowed: {first}{hint}") from None
    return made
