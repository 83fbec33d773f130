"""The convolutional classifier."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.parts.base import ModelConfig

if TYPE_CHECKING:
    import torch


@dataclass
class Config(ModelConfig):
    """Convolutions and a linear layer: classes of small images."""

    inputs: ClassVar[str] = "images"
    outputs: ClassVar[str] = "classes"

    channels: list[int] = field(default_factory=lambda: [16, 32])
    pooled: int = 4
    classes: int = 10

    def __post_init__(self) -> None:
        """Check ranges."""
        if not self.channels:
            raise UserError("model.channels=[] is not allowed: it must have one width or more")
        for channels in self.channels:
            checks.whole("model.channels", channels, least=1, most=4096)
        checks.whole("model.pooled", self.pooled, least=1, most=64)
        checks.whole("model.classes", self.classes, least=2, most=10_000)


def cnn(config: Config, in_features: int, generator: "torch.Generator") -> "torch.nn.Module":
    r"""Build 3x3 convolutions, a maximum over each patch of the image, and a linear layer.

    Parameters
    ----------
    config : Config
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
    from torch import nn

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
