"""What a configuration may name with ``_target_``."""

from collections.abc import Callable
from typing import Any

from hydra.utils import get_object

from pipeline.errors import UserError

#: A configuration file is data: it may call only these packages.
ALLOWED = ("pipeline.models.", "pipeline.schedules.", "torch.optim.", "pytorch_optimizer.")


def resolve(target: str) -> Callable[..., Any]:
    """Import what a ``_target_`` names.

    Raises
    ------
    UserError
        If it is outside the allowed packages, or there is no such thing.
    """
    if not target.startswith(ALLOWED):
        raise UserError(f"_target_={target} is not allowed: it must be in {', '.join(ALLOWED)}")
    try:
        return get_object(target)  # type: ignore[no-any-return]
    except Exception as error:
        raise UserError(f"_target_={target} cannot be imported: {str(error).splitlines()[0]}") from None
