"""The multilayer perceptron."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.parts.base import ModelConfig

if TYPE_CHECKING:
    import torch

#: Names of classes of ``torch.nn``.
ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "gelu": "GELU", "sigmoid": "Sigmoid"}
#: Parameters of a perceptron: with gradients and Adam's two averages 16 bytes each.
MOST_PARAMETERS = 10**9


@dataclass
class Config(ModelConfig):
    """A multilayer perceptron."""

    inputs: ClassVar[str] = "rows"

    widths: list[int] = field(default_factory=lambda: [64, 64])
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Check ranges."""
        for width in self.widths:
            checks.whole("model.widths", width, least=1)
        parameters = sum((i + 1) * o for i, o in pairwise([1, *self.widths, 1]))
        if parameters > MOST_PARAMETERS:
            raise UserError(
                f"model.widths={self.widths} is not allowed: it makes {parameters:,} parameters or more, and at most "
                f"{MOST_PARAMETERS:,} fit"
            )
        checks.one_of("model.activation", self.activation, ACTIVATIONS)


def mlp(config: Config, in_features: int, generator: "torch.Generator", out_features: int = 1) -> "torch.nn.Module":
    r"""Build a perceptron of any width and depth, with torch's default initial parameters.

    Parameters
    ----------
    config : Config
        ``widths`` of the hidden layers and their ``activation``.
    in_features : int
        Number of features, ``d``.
    generator : torch.Generator
        Where the initial weights are drawn from: :math:`U(-1/\sqrt{d_l}, 1/\sqrt{d_l})` for a layer
        of :math:`d_l` inputs, weights and biases.
    out_features : int
        Values predicted for one example, ``k``.

    Returns
    -------
    torch.nn.Sequential
        From ``(n, d)`` to ``(n, k)``.
    """
    from torch import nn

    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([in_features, *config.widths]):
        layers += [_linear(inputs, outputs, generator), getattr(nn, ACTIVATIONS[config.activation])()]
    last = config.widths[-1] if config.widths else in_features
    return nn.Sequential(*layers, _linear(last, out_features, generator))


def _linear(inputs: int, outputs: int, generator: "torch.Generator") -> "torch.nn.Linear":
    from torch import nn

    layer = nn.Linear(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
