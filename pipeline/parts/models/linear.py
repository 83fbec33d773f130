"""Linear regression."""

import torch
from torch import nn

from pipeline.lab.config.schema import LinearConfig


def linear(config: LinearConfig, in_features: int, generator: torch.Generator) -> nn.Module:
    r"""Build ``y = x w + b`` with the chapter's initial parameters.

    Parameters
    ----------
    config : LinearConfig
        ``weight_std``: :math:`w \sim N(0, \sigma^2)`; ``bias``: ``zeros``, or ``uniform`` for
        torch's default :math:`U(-1/\sqrt{d}, 1/\sqrt{d})`.
    in_features : int
        Number of features, ``d``.
    generator : torch.Generator
        Where the initial weights are drawn from.

    Returns
    -------
    torch.nn.Linear
        From ``(n, d)`` to ``(n, 1)``.

    Notes
    -----
    Dive into Deep Learning, section "Minibatch Stochastic Gradient Descent".
    """
    layer = nn.Linear(in_features, 1)
    nn.init.normal_(layer.weight, std=config.weight_std, generator=generator)
    if config.bias == "zeros":
        nn.init.zeros_(layer.bias)
    else:
        bound = in_features**-0.5
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
