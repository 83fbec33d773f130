"""The configuration of a model or an optimizer that is named by its file: keys and defaults of its signature."""

import dataclasses
import inspect
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from omegaconf import MISSING

from pipeline.lab.errors import UserError
from pipeline.parts.base import ModelConfig, OptimizerConfig
from pipeline.parts.own import digest, load, short

if TYPE_CHECKING:
    import torch

#: Keys that a factory cannot have, because every model has them.
_TAKEN = ("name", "code")


@dataclass
class OwnModel(ModelConfig):
    """A model of a file or module; its other keys are those of its factory. ``code``: a digest of the file."""

    code: str = MISSING

    def __reduce__(self) -> tuple[Any, ...]:
        """Its class is made when it is needed, in another process too."""
        return restored, (dataclasses.asdict(self),)


@dataclass
class OwnOptimizer(OptimizerConfig):
    """An update rule, or an optimizer class, of a file or module. ``code``: a digest of the file."""

    code: str = MISSING


def build(config: OwnModel, in_features: int, generator: "torch.Generator", out_features: int = 1) -> "torch.nn.Module":
    """Build a model of the user's from the seed that the generator draws, whichever generator its factory draws from.

    Parameters
    ----------
    config : OwnModel
        Names the factory and has its keys.
    in_features, out_features : int
        What it reads and predicts for one example.
    generator : torch.Generator
        Of the initial weights.

    Returns
    -------
    torch.nn.Module
        What the factory returns.
    """
    import numpy as np
    import torch

    factory = load("model", config.name).function
    seed = int(torch.randint(2**62, (1,), generator=generator))
    keys = {key: value for key, value in dataclasses.asdict(config).items() if key not in _TAKEN}
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002 -- a factory may draw from it
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            net = factory(in_features, out_features, **keys)
            if hasattr(net, "configure_model"):  # of Lightning's modules, which may make their layers there
                net.configure_model()
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)
    return cast("torch.nn.Module", net)


def signature(reference: str) -> tuple[dict[str, Any], bool]:
    """The keys of a factory with their defaults, and whether it takes any other."""
    factory = load("model", reference).function
    given = list(inspect.signature(factory).parameters.values())
    first, rest = given[:2], given[2:]
    if len(first) < 2 or any(one.kind not in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in first):
        raise UserError(
            f"model={reference} is not allowed: it is called as {short(reference)}(in_features, out_features), and is "
            f"{short(reference)}{inspect.signature(factory)}"
        )
    for one in rest:
        if one.name in _TAKEN:
            raise UserError(f"model={reference} is not allowed: its parameter {one.name} needs another name")
    named = [one for one in rest if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    keys = {one.name: MISSING if one.default is one.empty else one.default for one in named}
    return {key: value for key, value in keys.items() if _is_plain(value)}, any(
        one.kind is one.VAR_KEYWORD for one in rest
    )


def _is_plain(value: Any) -> bool:
    """Whether a default can stand in a configuration; what cannot stays the factory's own."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def values(kind: str, reference: str) -> dict[str, Any]:
    """What a file ``KIND/NAME.yaml`` would say: the name, and the keys with their defaults.

    Raises
    ------
    UserError
        As :func:`load` does, and if it cannot be called as a model or an optimizer is.
    """
    own = {"name": reference, "code": digest(kind, reference)}
    if kind == "model":
        return {**own, **signature(reference)[0]}
    part = load(kind, reference)
    if not is_torch(reference):
        return {
            **own,
            "hyperparams": dict(getattr(part.module, "HYPERPARAMS", {})),
            "lr_range": list(getattr(part.module, "LR_RANGE", (1e-4, 1.0))),
        }
    known = inspect.signature(part.function).parameters.values()
    keys = {one.name: one.default for one in known if one.name not in ("params", "lr") and one.default is not one.empty}
    return {**own, "torch": {"_target_": reference, **{key: value for key, value in keys.items() if _is_plain(value)}}}


def is_torch(reference: str) -> bool:
    """Whether an optimizer is a class of torch's kind, not an update rule."""
    from torch.optim import Optimizer  # here, because Snakemake reads this module and must not wait for torch

    function = load("optimizer", reference).function
    return isinstance(function, type) and issubclass(function, Optimizer)


def config_class(kind: str, given: Mapping[str, Any]) -> type[Any]:
    """The dataclass of the keys of a model or optimizer that is composed.

    Raises
    ------
    UserError
        If a key without a default is not given, or ``code`` is not that of the file.
    """
    reference = str(given["name"])
    code = digest(kind, reference)
    if given.get("code") != code:
        raise UserError(f"{kind}.code={given.get('code')} is not allowed: it is computed from the file")
    if kind == "optimizer":
        return OwnOptimizer
    keys, any_key = signature(reference)
    absent = [key for key, default in keys.items() if default == MISSING and given.get(key, MISSING) == MISSING]
    if absent:
        raise UserError(f"model={reference} needs model.{absent[0]}=...: its factory has no default for it")
    extra = [key for key in given if key not in keys and key not in _TAKEN] if any_key else []
    return _model_class(reference, code, json.dumps({**keys, **dict.fromkeys(extra)}))


@cache
def _model_class(reference: str, code: str, keys: str) -> type[OwnModel]:
    def kind(value: Any) -> Any:
        """A number stays a number; what may be several things is not checked."""
        return type(value) if isinstance(value, bool | int | float) else Any

    def default(value: Any) -> Any:
        """Lists are copied."""
        return dataclasses.field(default_factory=lambda: json.loads(json.dumps(value)))

    fields = [
        (key, Any if value == MISSING else kind(value), default(value)) for key, value in json.loads(keys).items()
    ]
    return dataclasses.make_dataclass(short(reference), fields, bases=(OwnModel,))


def restored(given: Mapping[str, Any]) -> OwnModel:
    """A model's configuration, from its values alone: nothing is imported."""
    reference, keys = str(given["name"]), {key: value for key, value in given.items() if key not in _TAKEN}
    return _model_class(reference, str(given["code"]), json.dumps(dict.fromkeys(keys)))(**given)
