"""Build once what cells are made of, so that a wrong name or argument is told before anything is trained."""

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pipeline.lab.config.cell import Cell, canonical_json
from pipeline.lab.config.target import resolve
from pipeline.lab.errors import UserError

TARGET = "optimizer.torch._target_"


def check_buildable(cells: Iterable[Cell]) -> None:
    """Refuse cells whose model, schedule or optimizer of torch's cannot be made.

    Parameters
    ----------
    cells : iterable of Cell
        What alike cells share is made once.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    """
    from pipeline.parts.schedules import (
        learning_rate_factors,  # here: what is refused before needs no numpy, and no torch
    )

    known = set()
    for cell in cells:
        config = cell.config
        schedule = canonical_json([cell.identity["schedule"], cell.steps_per_epoch, cell.steps])
        if schedule not in known:
            known.add(schedule)
            learning_rate_factors(config.schedule, cell.steps_per_epoch, cell.steps)
        if config.model._target_ not in known:
            known.add(config.model._target_)
            resolve("model._target_", config.model._target_)
        if config.implementation == "torch":
            optimizer = canonical_json([config.optimizer.torch, config.lr])
            if optimizer not in known:
                known.add(optimizer)
                _check_optimizer(dict(config.optimizer.torch or {}), config.lr)


def _check_optimizer(arguments: dict[str, Any], lr: float) -> None:
    import torch

    target = arguments.pop("_target_")
    build = resolve(TARGET, target)
    parameters = inspect.signature(build).parameters
    allowed = [name for name in parameters if name not in ("params", "lr")]
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        allowed += arguments  # what it takes beyond those is its own to refuse
    for key, value in arguments.items():
        if key not in allowed:
            near = get_close_matches(key, allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(
                f"optimizer.torch.{key}={value} is not allowed: {target} has {', '.join(sorted(allowed))}{hint}"
            )
    try:
        build([torch.nn.Parameter(torch.zeros(1))], lr=lr, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{key}={value}" for key, value in arguments.items())
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"optimizer.torch: {target} with {given} is not allowed: {first}") from None
