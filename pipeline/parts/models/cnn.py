"""The convolutional classifier."""

import math

import torch
from torch import nn

from pipeline.lab.config.schema import CNNConfig


def cnn(config: CNNConfig, in_features: int, generator: torch.Generator) -> nn.Module:
    r"""Build 3x3 convolutions, a maximum over each patch of the image, and a linear layer.

    Parameters
    ----------
    config : CNNConfig
        ``channels`` of the convolutions; ``pooled``: the image is pooled to a square of this side; ``classes``.
    in_features : int
        Channels of the image.
    generator : torch.Generator
        Where the initial weights are drawn from: torch's default, :math:`U(-1/\sqrt{d_l}, 1/\sqrt{d_l})` for a layer
        whose outputs have :math:`d_l` inputs each, weights and biases.

    Returns
    -------
    torch.nn.Sequential
        From ``(n, in_features, height, width)`` to the logits ``(n, classes)``.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in zip([in_features, *config.channels[:-1]], config.channels, strict=True):
        layers += [nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.ReLU()]
    head = nn.Linear(config.channels[-1] * config.pooled**2, config.classes)
    net = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(config.pooled), nn.Flatten(), head)
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return net
