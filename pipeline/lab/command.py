"""The command that trains a cell again: ``python -m pipeline.train`` with what differs from ``conf/config.yaml``."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from pipeline import parts
from pipeline.lab.config.cell import NOT_IDENTITY, NOT_IDENTITY_OF_DATA, NOT_IDENTITY_OF_OPTIMIZER, Cell
from pipeline.lab.config.compose import as_overrides, compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF

#: Groups of ``conf/`` whose choice changes a number.
GROUPS = ("data", "model", "optimizer", "schedule", "sampling")
_LEFT_OUT = {
    "": NOT_IDENTITY | {"label"},
    "data": NOT_IDENTITY_OF_DATA,
    "optimizer": NOT_IDENTITY_OF_OPTIMIZER,
}


def overrides_of(config: Mapping[str, Any]) -> list[str]:
    """Write what a cell's configuration changes, as Hydra overrides.

    Parameters
    ----------
    config : mapping
        The effective configuration, as :attr:`pipeline.lab.config.cell.Cell.config_json` has it.

    Returns
    -------
    list of str
        Choices of groups first, then single keys.

    Raises
    ------
    UserError
        If the configuration is none that ``conf/`` can compose.
    """
    default = dataclasses.asdict(compose_cell())
    choices = {}
    for group in GROUPS:
        name = str(config.get(group, {}).get("name", ""))
        if name != default[group]["name"]:
            if name not in parts.configurations(group):
                raise UserError(f"{group}={name} has no file: name its folder with --config-dir")
            choices[group] = name
    chosen = as_overrides(choices)
    base = dataclasses.asdict(compose_cell(chosen))
    # Each implementation reads its own half of an optimizer's file; the other one is no part of the cell.
    half = "torch" if config.get("implementation") == "scratch" else "hyperparams"
    changed = {k: v for k, v in _changes(base, config).items() if not f"{k}.".startswith(f"optimizer.{half}.")}
    return chosen + as_overrides(changed)


def command_of(config: Mapping[str, Any], cell_id: str, seeds: int, engine: str = "solo") -> str | None:
    """Write the command that trains a cell again.

    Parameters
    ----------
    config : mapping
        The effective configuration.
    cell_id : str
        Its id, which the command must compose to.
    seeds : int
        How many seeds, from 0 on.
    engine : str
        ``solo`` or ``stacked``.

    Returns
    -------
    str or None
        None where no command composes to this very cell: a table of another version of the lab, say.
    """
    try:
        overrides = overrides_of(config)
        if Cell(compose_cell(overrides)).id != cell_id:
            return None
    except (UserError, ValueError, AttributeError, TypeError):
        return None
    rest: dict[str, Any] = {"seeds": seeds} if seeds != 1 else {}
    rest |= {"engine": engine} if engine != "solo" else {}
    return shlex.join(["python", "-m", "pipeline.train", *_folders(config), *overrides, *as_overrides(rest)])


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
        elif base[key] != value and base[key] != _as_tuple(value):
            changes[f"{prefix}{key}"] = value
    return changes


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
