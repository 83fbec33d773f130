"""The command that trains a cell again: ``python -m pipeline.train`` with what differs from ``conf/config.yaml``."""

import dataclasses
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.lab.config.cell import (
    NOT_IDENTITY,
    NOT_IDENTITY_OF_DATA,
    NOT_IDENTITY_OF_FILE,
    NOT_IDENTITY_OF_OPTIMIZER,
    Cell,
    canonical_json,
    id_of,
    identity_of,
)
from pipeline.lab.config.compose import as_overrides, compose_cell, compose_values, parse_overrides
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.parts.base import DataConfig
from pipeline.parts.own import is_reference, is_unchanged

#: Groups of ``conf/`` whose choice changes a number.
GROUPS = ("data", "model", "optimizer", "schedule", "sampling")
_LEFT_OUT = {
    "": NOT_IDENTITY | {"label"},
    "data": NOT_IDENTITY_OF_DATA | NOT_IDENTITY_OF_FILE,
    "optimizer": NOT_IDENTITY_OF_OPTIMIZER,
}


def overrides_of(config: Mapping[str, Any], data: DataConfig | None = None) -> list[str]:
    """Write what a cell's configuration changes, as Hydra overrides.

    Parameters
    ----------
    config : mapping
        The effective configuration, as :attr:`pipeline.lab.config.cell.Cell.config_json` has it.
    data : DataConfig, optional
        Its data, where they have no file in ``conf/data``: nothing is written of them.

    Returns
    -------
    list of str
        Choices of groups first, then single keys.

    Raises
    ------
    UserError
        If the configuration is none that ``conf/`` can compose.
    """

    def composed(overrides: Sequence[str] = ()) -> dict[str, Any]:
        if data is None:
            return dataclasses.asdict(compose_cell(overrides))
        return dataclasses.asdict(compose_values({"batch_size": 1, **parse_overrides(overrides)}, data))

    default = composed()
    choices: dict[str, Any] = {}
    named = {}
    table: dict[str, Any] = {}
    for group in GROUPS if data is None else GROUPS[1:]:
        name = str(config.get(group, {}).get("name", ""))
        if is_reference(name):
            named[group] = name
        elif (
            group == "data"
            and config.get(group, {}).get("reader") == "file"
            and name not in parts.configurations(group)
        ):
            choices[group] = "table"
            table = _said_of_table(config[group])
        elif name != default[group]["name"]:
            if name not in parts.configurations(group):
                raise UserError(f"{group}={name} has no file: name its folder with --config-dir")
            choices[group] = name
    chosen = as_overrides({**choices, **table})
    base = composed(chosen)
    for group in named:  # a table names it, and nothing is imported because a table says so: every key is given
        base[group] = _without_values(config[group])
    # Each implementation reads its own half of an optimizer's file; the other one is no part of the cell.
    half = "torch" if config.get("implementation") == "scratch" else "hyperparams"
    changed = {k: v for k, v in _changes(base, config).items() if not f"{k}.".startswith(f"optimizer.{half}.")}
    return chosen + list(map(_named, named.items())) + as_overrides(changed)


def _named(choice: tuple[str, str]) -> str:
    """An override that names a file or module: as it was typed, where Hydra reads that."""
    group, reference = choice
    return f"{group}={reference}" if re.fullmatch(r"[\w./-]+:\w+", reference) else as_overrides({group: reference})[0]


def _said_of_table(data: Mapping[str, Any]) -> dict[str, Any]:
    """What may have been said of a table of one's own; what is found out anew is left out."""
    plain = {"validation": 0.2, "split_seed": 0, "drop": [], "categorical": [], "delimiter": "", "decimal": ""}
    plain |= {"header": None, "whiten": "standardize", "max_bytes": 500_000_000}
    said = {key: data[key] for key in ("path", "target")}
    said |= {key: data[key] for key, value in plain.items() if data[key] != value}
    here = f"{Path.cwd()}{os.sep}"
    return {
        f"data.{key}": value.removeprefix(here) if key in ("path", "validation") and isinstance(value, str) else value
        for key, value in said.items()
    }


def _without_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys, without a value but for what names the code."""
    fixed = ("name", "code", "_target_")
    return {
        key: _without_values(value) if isinstance(value, Mapping) else value if key in fixed else object()
        for key, value in values.items()
    }


def command_of(config: Mapping[str, Any], cell_id: str, seeds: int, engine: str = "solo") -> str | None:
    """Write the command that trains a cell again.

    Parameters
    ----------
    config : mapping
        The effective configuration.
    cell_id : str
        Its id, which the command must compose to.
    seeds : int
        One more than the last seed; the first one is the configuration's.
    engine : str
        ``solo`` or ``stacked``.

    Returns
    -------
    str or None
        None where no command composes to this very cell: a table of another version of the lab, say.
    """
    try:
        overrides = overrides_of(config)
        if _id_of(overrides, config) != cell_id:
            return None
    except (UserError, ValueError, AttributeError, TypeError):
        return None
    first = int(config.get("first_seed", 0))
    rest: dict[str, Any] = {"seeds": seeds - first} if seeds - first != 1 else {}
    rest |= {"first_seed": first} if first else {}
    rest |= {"engine": engine} if engine != "solo" else {}
    # Sums over several devices, and those on a GPU, round otherwise.
    trainer, usual = config.get("trainer", {}), {"accelerator": "cpu", "devices": 1}
    rest |= {f"trainer.{key}": trainer[key] for key, value in usual.items() if trainer.get(key, value) != value}
    stack = [f"stack={config['stack']}"] if config.get("stack") and engine == "stacked" else []
    return shlex.join(["python", "-m", "pipeline.train", *_folders(config), *overrides, *as_overrides(rest), *stack])


def _id_of(overrides: Sequence[str], config: Mapping[str, Any]) -> str:
    """The id of the cell that overrides compose to, with the user's own code as the configuration has it."""
    named = {group: config[group] for group in ("model", "optimizer") if is_reference(config[group]["name"])}
    if not named:
        return Cell(compose_cell(overrides)).id
    if not all(map(is_unchanged, named.values())):
        raise UserError("a file of the user's is not there, or was edited since")
    rest = [text for text in overrides if text.lstrip("+").replace("=", ".").split(".")[0] not in named]
    rest = [text for text in rest if not text.startswith("implementation=")]
    composed = {**dataclasses.asdict(compose_cell(rest)), **named, "implementation": config["implementation"]}
    return id_of(identity_of(json.loads(canonical_json(composed))))


def _folders(config: Mapping[str, Any]) -> list[str]:
    """The option that names the user's folder, where a group's choice is a file of that."""
    files = [parts.configurations(group).get(str(config.get(group, {}).get("name", ""))) for group in GROUPS]
    own = {path.parent.parent for path in files if path is not None and path.parent.parent != CONF}
    return [f"--config-dir={folder}" for folder in sorted(own)]


def _changes(base: Mapping[str, Any], config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a configuration that differ from the base; a key that is new there gets a ``+``."""
    changes: dict[str, Any] = {}
    for key, value in config.items():
        if key in _LEFT_OUT.get(prefix.rstrip("."), ()):
            continue
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            changes |= _changes(base[key], value, f"{prefix}{key}.")
        elif key not in base:
            changes[f"+{prefix}{key}"] = value
        elif base[key] not in (value, tuple(value) if isinstance(value, list) else value):
            changes[f"{prefix}{key}"] = value
    return changes
