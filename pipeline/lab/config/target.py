"""The optimizer classes that a configuration may name in ``optimizer.torch._target_``.

A configuration file is data, and may be somebody else's: it names classes of ``torch.optim``, and nothing else that
Python could call. ``targets.yaml`` in ``conf/`` or in a folder of the user's is where packages are added; a study or an
override cannot.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import Any, cast

from pipeline import parts
from pipeline.lab.checks import did_you_mean
from pipeline.lab.config.yaml_file import read_yaml
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.parts import own


def allowed() -> list[str]:
    """The packages that may be named: ``torch.optim``, then those of ``targets.yaml``.

    Raises
    ------
    UserError
        If a ``targets.yaml`` is not a list of packages under ``optimizer``.
    """
    files = [folder / "targets.yaml" for folder in (CONF, *parts.search_path())]
    return _packages(tuple((path, path.stat().st_mtime_ns) for path in files if path.is_file()))


@lru_cache(maxsize=16)
def _packages(files: tuple[tuple[Path, int], ...]) -> list[str]:
    packages = ["torch.optim"]
    for path, _ in files:
        for key, added in read_yaml(path).items():
            if key != "optimizer":
                raise UserError(f"{parts.shown(path)}: {key} is not allowed: the only key is optimizer")
            if not isinstance(added, list) or not all(isinstance(one, str) and _is_path(one) for one in added):
                raise UserError(
                    f"{parts.shown(path)}: {key}={added} is not allowed: it must be a list of packages' names"
                )
            packages += added
    return packages


def check(key: str, target: str) -> None:
    """Refuse a target outside the packages that may be named; imports nothing.

    Parameters
    ----------
    key : str
        Its full key, for the message.
    target : str
        A dotted path.

    Raises
    ------
    UserError
        Naming key, value and the packages.
    """
    if own.is_reference(target):
        own.source("optimizer", target)  # refuses what the user did not name
        return
    packages = [f"{package}." for package in allowed()]
    if not isinstance(target, str) or not target.startswith(tuple(packages)) or not _is_path(target):
        raise UserError(
            f"{key}={target} is not allowed: it must be in {', '.join(packages)}; "
            "other packages that you trust are added in conf/targets.yaml"
        )


def resolve(key: str, target: str) -> Callable[..., Any]:
    """Import the optimizer class that a ``_target_`` names.

    Parameters
    ----------
    key, target : str
        As for :func:`check`.

    Raises
    ------
    UserError
        If it is outside the allowed packages, its package is not installed, or there is no such class.
    """
    check(key, target)
    if own.is_reference(target):
        return own.load("optimizer", target).function
    module, _, name = target.rpartition(".")
    package = target.partition(".")[0]
    try:
        content = import_module(module)
    except ImportError as error:
        why = f"cannot be imported: {error}"
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            why = f"needs the package {package}, which is not installed: pip install {package.replace('_', '-')}"
        raise UserError(f"{key}={target} {why}") from None
    found = getattr(content, name, None)
    if not _is_optimizer(found):
        hint = did_you_mean(name, [known for known, value in vars(content).items() if _is_optimizer(value)])
        raise UserError(f"{key}={target} cannot be imported: {module} has no optimizer {name}{hint}")
    return cast(Callable[..., Any], found)


def _is_optimizer(value: Any) -> bool:
    from torch.optim import Optimizer  # here, because Snakemake reads this module and must not wait for torch

    return isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer


def _is_path(text: str) -> bool:
    """Whether a text is a dotted path of public names: no relative path, no dunder."""
    return all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", part) and not iskeyword(part) for part in text.split("."))
