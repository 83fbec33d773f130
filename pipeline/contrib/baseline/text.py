"""A baseline as the text of a file, and back."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pipeline.contrib.baseline.parts import Baseline, Loss, Number, Verdict, real
from pipeline.lab.errors import UserError

VERSION = 1


def to_text(baseline: Baseline) -> str:
    """Write a baseline as JSON with a line for each claim, ratio and cell, so that a diff says what changed."""
    parts = []
    for key, value in [("version", VERSION), *asdict(baseline).items()]:
        if isinstance(value, tuple):
            lines = ",\n".join(f"  {_json(item)}" for item in value)
            parts.append(f' "{key}": [\n{lines}\n ]' if lines else f' "{key}": []')
        else:
            parts.append(f' "{key}": {_json(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def from_text(text: str, name: str) -> Baseline:
    """Read what :func:`to_text` wrote.

    Parameters
    ----------
    text : str
        The file's content.
    name : str
        The file's name, for messages.

    Raises
    ------
    UserError
        If it is no baseline, or one of another version.
    """
    try:
        found = json.loads(text)
        version = found.pop("version")
        if version != VERSION:
            raise UserError(f"{name} is a baseline of version {version}, and this is version {VERSION}: store it again")
        verdicts = tuple(
            Verdict(**{**entry, "tests": tuple(_number(test) for test in entry["tests"])})
            for entry in found.pop("verdicts")
        )
        ratios = tuple(_number(entry) for entry in found.pop("ratios"))
        losses = tuple(_loss(entry) for entry in found.pop("losses"))
        return Baseline(verdicts=verdicts, ratios=ratios, losses=losses, **found)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{name} is no baseline: make one with python -m pipeline.contrib.baseline store") from None


def _number(entry: dict[str, Any]) -> Number:
    return Number(**{**entry, **{key: real(entry[key]) for key in ("value", "low", "high")}})


def _loss(entry: dict[str, Any]) -> Loss:
    return Loss(**{**entry, **{key: real(entry[key]) for key in ("median", "low", "high")}})


def _json(value: Any) -> str:
    return json.dumps(jsonable(value), ensure_ascii=False, allow_nan=False)


def jsonable(value: Any) -> Any:
    """Write numbers so that JSON can hold them: nine digits, infinity in words, and nothing for what is undefined."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return float(f"{value:.9g}") if math.isfinite(value) else "infinite" if value > 0 else "-infinite"
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value
