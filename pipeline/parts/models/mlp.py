"""The multilayer perceptron."""

import math
from itertools import pairwise

import torch
from torch import nn

from pipeline.lab.config.schema import MLPConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}


def mlp(config: MLPConfig, in_features: int, generator: torch.Generator) -> nn.Module:
    r"""Build a perceptron of any width and depth, with torch's default initial parameters.

    Parameters
    ----------
    config : MLPConfig
        ``widths`` of the hidden layers and their ``activation``.
    in_features : int
        Number of features, ``d``.
    generator : torch.Generator
        Where the initial weights are drawn from: :math:`U(-1/\sqrt{d_l}, 1/\sqrt{d_l})` for a layer
        of :math:`d_l` inputs, weights and biases.

    Returns
    -------
    torch.nn.Sequential
        From ``(n, d)`` to ``(n, 1)``.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([in_features, *config.widths]):
        layers += [_linear(inputs, outputs, generator), ACTIVATIONS[config.activation]()]
    return nn.Sequential(*layers, _linear(config.widths[-1] if config.widths else in_features, 1, generator))


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
