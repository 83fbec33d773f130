"""One update of the parameters, from scratch or by torch.optim."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch

from pipeline.lab.config.schema import OptimizerConfig
from pipeline.lab.config.target import resolve
from pipeline.parts import optimizers
from pipeline.train.buildable import TARGET


class Update(Protocol):
    """Applies the gradients in ``.grad`` with this learning rate, and clears them."""

    def __call__(self, lr: float) -> None:
        """Update in place and clear the gradients."""


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


class TorchUpdate:
    """An optimizer class named by ``optimizer.torch._target_``.

    Parameters
    ----------
    config : OptimizerConfig
        Names the class and its arguments.
    params : iterable of torch.nn.Parameter
        What is updated.
    lr : float
        The first learning rate.
    """

    def __init__(self, config: OptimizerConfig, params: Iterable[torch.nn.Parameter], lr: float) -> None:
        arguments = dict(config.torch or {})
        self.optimizer: torch.optim.Optimizer = resolve(TARGET, arguments.pop("_target_"))(params, lr=lr, **arguments)

    def __call__(self, lr: float) -> None:
        """Update in place and clear the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad()
