"""The models: one file each, a function ``NAME(config, in_features, generator)`` that builds a ``torch.nn.Module``.

It draws every initial weight from the generator, so that a seed means the same start everywhere.
"""

from typing import TYPE_CHECKING

from pipeline import parts
from pipeline.parts.base import ModelConfig

if TYPE_CHECKING:
    import torch


def build(config: ModelConfig, in_features: int, generator: "torch.Generator") -> "torch.nn.Module":
    """Build the model that a configuration names.

    Parameters
    ----------
    config : ModelConfig
        Names the model and has its keys.
    in_features : int
        Number of features, or channels of an image.
    generator : torch.Generator
        Where the initial weights are drawn from.

    Returns
    -------
    torch.nn.Module
        A fresh one.
    """
    net: torch.nn.Module = parts.load("model", config.name).function(config, in_features, generator)
    return net
