"""What a configuration may name with ``_target_``.

A configuration file is data, and may be somebody else's: it names a builder, a schedule or an optimizer, and nothing
else that Python could call. ``conf/targets.yaml`` is where the user adds packages; a study or an override cannot.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from keyword import iskeyword
from types import FunctionType
from typing import Any, cast

from pipeline.lab.config.yaml_file import read_yaml
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF

#: Where the user's additions stand, a list of packages for each group.
ADDITIONS = CONF / "targets.yaml"
#: The packages of each group that may always be named.
OWN = {"model": ("pipeline.parts.models",), "schedule": ("pipeline.parts.schedules",), "optimizer": ("torch.optim",)}


@cache
def allowed(group: str) -> tuple[str, ...]:
    """The packages that a group's ``_target_`` may be in: the lab's own, then the user's.

    Raises
    ------
    UserError
        If ``conf/targets.yaml`` is not a list of packages for each group.
    """
    added = read_yaml(ADDITIONS)
    for key, packages in added.items():
        if key not in OWN:
            raise UserError(f"{ADDITIONS.name}: {key} is not allowed: the groups are {', '.join(sorted(OWN))}")
        if not isinstance(packages, list) or not all(isinstance(one, str) and _is_path(one) for one in packages):
            raise UserError(f"{ADDITIONS.name}: {key}={packages} is not allowed: it must be a list of packages' names")
    return (*OWN[group], *added.get(group, []))


def check(key: str, target: str) -> None:
    """Refuse a target outside the packages of its group; imports nothing.

    Parameters
    ----------
    key : str
        Its full key; the first part is the group, as in ``model._target_``.
    target : str
        A dotted path.

    Raises
    ------
    UserError
        Naming key, value and the packages.
    """
    packages = allowed(key.partition(".")[0])
    inside = isinstance(target, str) and target.startswith(tuple(f"{package}." for package in packages))
    if not inside or not _is_path(target):
        raise UserError(
            f"{key}={target} is not allowed: it must be in {', '.join(f'{package}.' for package in packages)}; "
            f"other packages that you trust are added in conf/{ADDITIONS.name}"
        )


def resolve(key: str, target: str) -> Callable[..., Any]:
    """Import what a ``_target_`` names.

    Parameters
    ----------
    key, target : str
        As for :func:`check`.

    Returns
    -------
    callable
        An optimizer's class; of a model or a schedule a function or a class that is defined in the allowed packages.
        What a module there has merely imported, ``Path`` say, is not for configurations to call.

    Raises
    ------
    UserError
        If it is outside the allowed packages, its package is not installed, or there is no such thing.
    """
    check(key, target)
    module, _, name = target.rpartition(".")
    package = target.partition(".")[0]
    try:
        content = import_module(module)
    except ModuleNotFoundError as error:
        if error.name == package:
            raise UserError(
                f"{key}={target} needs the package {package}, which is not installed: "
                f"pip install {package.replace('_', '-')}"
            ) from None
        raise UserError(f"{key}={target} cannot be imported: {error}") from None
    except ImportError as error:
        raise UserError(f"{key}={target} cannot be imported: {error}") from None
    group = key.partition(".")[0]
    found = getattr(content, name, None)
    if not _is_kind(group, found):
        names = [known for known, value in vars(content).items() if _is_kind(group, value)]
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        kind = "optimizer" if group == "optimizer" else "function or class of its own"
        raise UserError(f"{key}={target} cannot be imported: {module} has no {kind} {name}{hint}")
    return cast(Callable[..., Any], found)


def _is_kind(group: str, value: Any) -> bool:
    """Whether a value is what the group wants, and not something that its module imported."""
    if group == "optimizer":
        from torch.optim import Optimizer  # here, because Snakemake reads this module and must not wait for torch

        return isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    defined = isinstance(value, type | FunctionType) and f"{value.__module__}."
    return bool(defined) and str(defined).startswith(tuple(f"{package}." for package in allowed(group)))


def _is_path(text: str) -> bool:
    """Whether a text is a dotted path of public names: no relative path, no dunder."""
    return all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", part) and not iskeyword(part) for part in text.split("."))
