"""One update of all the runs of a stack, by a rule from scratch that is written for one run."""

import warnings
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch.func import vmap
from torch.utils import _pytree as pytree

from pipeline.parts import optimizers
from pipeline.parts.base import OptimizerConfig
from pipeline.train.stacked_net import StackedNet


class StackUpdate(ABC):
    """Applies the gradients of a stack.

    Parameters
    ----------
    config : OptimizerConfig
        Names the rule and its hyperparameters.
    net : StackedNet
        What is updated.
    lrs : Tensor of shape (R,)
        The learning rate of each run.
    """

    def __init__(self, config: OptimizerConfig, net: StackedNet, lrs: torch.Tensor) -> None:
        self.rule = optimizers.load(config.name)
        self.hyperparams: dict[str, Any] = dict(config.hyperparams)
        self.net = net
        self.lrs = lrs

    @abstractmethod
    def __call__(self, factor: float) -> None:
        """Update in place; the learning rates are multiplied by a factor, the schedule's."""


class Elementwise(StackUpdate):
    """For rules that treat every number alone: one call updates all parameters of all runs, as one flat tensor."""

    def __init__(self, config: OptimizerConfig, net: StackedNet, lrs: torch.Tensor) -> None:
        super().__init__(config, net, lrs[net.run_of])
        self.params = [net.flat]
        self.states = self.rule.init_states(self.params)

    def __call__(self, factor: float) -> None:
        """Update in place."""
        self.hyperparams["lr"] = self.lrs if factor == 1.0 else self.lrs * factor
        self.rule.update(self.params, self.states, self.hyperparams)


class RunByRun(StackUpdate):
    """For rules of whole layers, norms or matrices: the rule sees one run, its parameters in their own shapes.

    ``torch.func.vmap`` computes all runs at once. It refuses what cannot be: Python that branches on numbers of a
    run, ``.item()``, operations that it has no rule for.
    """

    def __init__(self, config: OptimizerConfig, net: StackedNet, lrs: torch.Tensor) -> None:
        super().__init__(config, net, lrs)
        # Operations that vmap computes run by run are slow, and right.
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        self.params = [block.data for block in net.blocks]
        self.grads = [block.grad for block in net.blocks]
        starts = [
            pytree.tree_flatten(self.rule.init_states([p[run].clone() for p in self.params])) for run in range(net.runs)
        ]
        self.spec = starts[0][1]
        #: The states' tensors, stacked; everything else, as counters, is common to the runs.
        self.leaves = [
            torch.stack(each) if isinstance(each[0], torch.Tensor) else each[0]
            for each in zip(*(leaves for leaves, _ in starts), strict=True)
        ]
        self._step = vmap(self._one_run)

    def __call__(self, factor: float) -> None:
        """Update in place."""
        lrs = self.lrs if factor == 1.0 else self.lrs * factor
        tensors = [leaf for leaf in self.leaves if isinstance(leaf, torch.Tensor)]
        updated = iter(self._step(self.params, self.grads, tensors, lrs))
        self.leaves = [next(updated) if isinstance(leaf, torch.Tensor) else leaf for leaf in self.leaves]

    def _one_run(
        self, params: list[torch.Tensor], grads: list[torch.Tensor], tensors: list[torch.Tensor], lr: torch.Tensor
    ) -> list[torch.Tensor]:
        """Take one run's step; its parameters are updated in place, the tensors of its states are returned."""
        own = [p.as_subclass(_WithData) for p in params]
        for p, g in zip(own, grads, strict=True):
            p.grad = g.as_subclass(_WithData)
        given = iter(tensors)
        leaves = [
            next(given).as_subclass(_WithData) if isinstance(leaf, torch.Tensor) else leaf for leaf in self.leaves
        ]
        states = pytree.tree_unflatten(leaves, self.spec)
        self.hyperparams["lr"] = lr
        self.rule.update(own, states, self.hyperparams)
        self.leaves, self.spec = pytree.tree_flatten(states)
        return [leaf for leaf in self.leaves if isinstance(leaf, torch.Tensor)]


class _WithData(torch.Tensor):
    """A tensor inside vmap, which forbids ``.data``: here that is the tensor itself, and no gradient is recorded."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @property
    def data(self) -> torch.Tensor:
        """The tensor itself; what is assigned is copied into it."""
        return self

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        self.copy_(value)
