"""The models: one file each, a function ``NAME(config, in_features, generator)`` that builds a ``torch.nn.Module``.

It draws every initial weight from the generator, so that a seed means the same start everywhere. Where it has a
parameter ``out_features`` it is told how many numbers to predict for one example; without it, its model has one shape.
"""

import inspect
from typing import TYPE_CHECKING

from pipeline import parts
from pipeline.parts import own_config
from pipeline.parts.base import ModelConfig
from pipeline.parts.own_config import OwnModel

if TYPE_CHECKING:
    import torch


def build(
    config: ModelConfig, in_features: int, generator: "torch.Generator", out_features: int = 1
) -> "torch.nn.Module":
    """Build the model that a configuration names.

    Parameters
    ----------
    config : ModelConfig
        Names the model and has its keys.
    in_features : int
        Number of features, or channels of an image.
    generator : torch.Generator
        Where the initial weights are drawn from.
    out_features : int
        What it predicts for one example: a value, or the logits of so many classes.

    Returns
    -------
    torch.nn.Module
        A fresh one.
    """
    if isinstance(config, OwnModel):
        return own_config.build(config, in_features, generator, out_features)
    function = parts.load("model", config.name).function
    asked = {"out_features": out_features} if "out_features" in inspect.signature(function).parameters else {}
    net: torch.nn.Module = function(config, in_features, generator, **asked)
    return net
