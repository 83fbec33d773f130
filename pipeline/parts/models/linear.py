"""Linear regression, and softmax regression where there are several outputs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pipeline.lab import checks
from pipeline.parts.base import ModelConfig

if TYPE_CHECKING:
    import torch


@dataclass
class Config(ModelConfig):
    """Linear regression, ``y = x w + b``."""

    inputs: ClassVar[str] = "rows"

    weight_std: float = 0.01
    bias: str = "zeros"

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.number("model.weight_std", self.weight_std, least=0.0)
        checks.one_of("model.bias", self.bias, ("zeros", "uniform"))


def linear(config: Config, in_features: int, generator: "torch.Generator", out_features: int = 1) -> "torch.nn.Module":
    r"""Build ``y = x w + b`` with the chapter's initial parameters.

    Parameters
    ----------
    config : Config
        ``weight_std``: :math:`w \sim N(0, \sigma^2)`; ``bias``: ``zeros``, or ``uniform`` for
        torch's default :math:`U(-1/\sqrt{d}, 1/\sqrt{d})`.
    in_features : int
        Number of features, ``d``.
    generator : torch.Generator
        Where the initial weights are drawn from.
    out_features : int
        Values predicted for one example, ``k``.

    Returns
    -------
    torch.nn.Linear
        From ``(n, d)`` to ``(n, k)``.

    Notes
    -----
    Dive into Deep Learning, section "Minibatch Stochastic Gradient Descent".
    """
    from torch import nn

    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, std=config.weight_std, generator=generator)
    if config.bias == "zeros":
        nn.init.zeros_(layer.bias)
    else:
        bound = in_features**-0.5
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer
