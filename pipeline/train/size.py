"""How many numbers a model holds and computes: what decides how many copies fit in a processor's cache."""

from typing import Any

import torch
from torch import nn


@torch.no_grad()
def size_of(net: nn.Module, X: torch.Tensor) -> tuple[int, int]:
    """Count a model's parameters, and the numbers that its layers compute for one example.

    Parameters
    ----------
    net : Module
        The model.
    X : Tensor of shape (n, ...)
        Examples.

    Returns
    -------
    parameters, values : int
    """
    values = 0

    def count(module: nn.Module, given: Any, made: Any) -> None:
        """Add what a layer returns."""
        nonlocal values
        values += made.numel() if isinstance(made, torch.Tensor) else 0

    hooks = [layer.register_forward_hook(count) for layer in net.modules() if not list(layer.children())]
    training = net.training
    try:
        net.eval()(X)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return sum(p.numel() for p in net.parameters()), max(1, values // len(X))
