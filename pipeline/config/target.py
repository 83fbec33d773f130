"""What a configuration may name with ``_target_``."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from pipeline.errors import UserError

#: A configuration file is data: it may call only these packages.
ALLOWED = ("pipeline.models.", "pipeline.schedules.", "torch.optim.", "pytorch_optimizer.")


def check(key: str, target: str) -> None:
    """Refuse a target outside the allowed packages; imports nothing.

    Raises
    ------
    UserError
        Naming key, value and the packages.
    """
    if not target.startswith(ALLOWED):
        raise UserError(f"{key}={target} is not allowed: it must be in {', '.join(ALLOWED)}")


def resolve(target: str) -> Callable[..., Any]:
    """Import what a ``_target_`` names.

    Raises
    ------
    UserError
        If it is outside the allowed packages, its package is not installed, or there is no such thing.
    """
    check("_target_", target)
    module, _, name = target.rpartition(".")
    package = target.partition(".")[0]
    try:
        return getattr(import_module(module), name)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        if error.name == package:
            raise UserError(
                f"_target_={target} needs the package {package}, which is not installed: "
                f"pip install {package.replace('_', '-')}"
            ) from None
        raise UserError(f"_target_={target} cannot be imported: {error}") from None
    except (ImportError, AttributeError) as error:
        raise UserError(f"_target_={target} cannot be imported: {error}") from None
