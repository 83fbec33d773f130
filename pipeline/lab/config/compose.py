"""Compose cells from the configuration files: each group's choice, then the keys that overrides set."""

import copy
import dataclasses
import json
import os
import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.config.schema import CELL_FIELDS, GROUPS, SCALARS, CellConfig, register
from pipeline.lab.config.yaml_file import VARIABLES, read_config
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.lab.urls import has_password, shown
from pipeline.parts import own, own_config
from pipeline.parts.base import DataConfig

#: Words that Hydra reads as themselves: not numbers, and not true, false, null, nan or inf.
_PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_.]*")

register()


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Read Hydra overrides such as ``trainer=gpu`` and ``epochs=4``.

    Parameters
    ----------
    overrides : sequence of str
        In Hydra's grammar.

    Returns
    -------
    dict
        Key to value, in the order given. A later one wins.

    Raises
    ------
    UserError
        If one cannot be read, deletes a key, or sweeps over several values.
    """
    parser = OverridesParser.create()
    values: dict[str, Any] = {}
    for text in overrides:
        check_text(text)
        try:
            override: Override = parser.parse_override(text)
        except (HydraException, RecursionError) as error:
            raise UserError(f"the override {text!r} cannot be read: write key=value ({first_line(error)})") from None
        if override.is_sweep_override() or override.is_delete():
            raise UserError(f"the override {text!r} is not allowed here: give each key one value, as in lr=0.05")
        key = override.get_key_element()
        # A cell's own keys are there already; a + says that a key below one of them is meant to be new.
        values[key if "." in key else key.lstrip("+")] = override.value()
    return values


def check_text(text: str) -> None:
    """Refuse an override that could not be stored, or must not be.

    Raises
    ------
    UserError
        If it is no text in UTF-8, or holds a URL with a password.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"the override {text!a} is not allowed: it must be text in UTF-8") from None
    if has_password(text):
        key = text.partition("=")[0]
        raise UserError(
            f"{key}={shown(text.partition('=')[2])} is not allowed: a URL with a password would be stored with the "
            "results; give it in MLFLOW_TRACKING_URI or AIRFOIL_DATA, which are not"
        )


def as_overrides(values: dict[str, Any]) -> list[str]:
    """Write keys and values as Hydra overrides: the inverse of :func:`parse_overrides`."""
    return [f"{key}={_literal(value)}" for key, value in values.items()]


def compose_cell(overrides: Sequence[str] = ()) -> CellConfig:
    """Compose one cell.

    Parameters
    ----------
    overrides : sequence of str
        Hydra overrides of ``conf/config.yaml``.

    Returns
    -------
    CellConfig
        Typed and checked.

    Raises
    ------
    UserError
        If a key is unknown, a value has the wrong type or is out of range.
    """
    return compose_values(parse_overrides(overrides))


def compose_data(overrides: Sequence[str] = ()) -> DataConfig:
    """Compose the data of a cell; see :func:`compose_cell`."""
    # The least there is: a table of five rows is data, though no cell of the default batch size can be made of it.
    return compose_cell(["batch_size=1", *overrides]).data


def compose_values(values: Mapping[str, Any], data: DataConfig | None = None) -> CellConfig:
    """Compose one cell from keys and values.

    Parameters
    ----------
    values : mapping
        The choice of a group (``optimizer``), a key below one (``optimizer.torch.eps``; with a ``+`` where it is new
        there) or a plain value (``lr``), as in a study's file.
    data : DataConfig, optional
        Data that have no file in ``conf/data``.

    Returns
    -------
    CellConfig
        Typed and checked, once all values are set.

    Raises
    ------
    UserError
        Naming the key, the value, and the nearest allowed one.
    """
    plain: dict[str, Any] = {}
    composed: dict[str, Any] = {}
    for key, value in values.items():
        head = key.lstrip("+").split(".")[0]
        if head not in CELL_FIELDS:
            raise UserError(
                f"{key}={value} is not allowed: a cell has no such key, only {', '.join(CELL_FIELDS)}"
                f"{checks.did_you_mean(head, CELL_FIELDS)}"
            )
        where = plain if key in SCALARS and not (isinstance(value, str) and "${" in value) else composed
        where[key] = value
    try:
        known = json.dumps(composed)
    except TypeError:  # a value that JSON does not have
        raise UserError(f"{composed} is not allowed: give numbers, texts, lists and keys with values") from None
    # Paths in it are relative to the working folder.
    environment = (*(os.environ.get(name) for name in VARIABLES), os.getcwd())  # noqa: PTH109 (fast)
    environment += own.stamps((kind, composed.get(kind)) for kind in own.KINDS)
    make = _composed.__wrapped__ if "${" in known else _composed  # what it names may be another thing the next time
    found = make(known, parts.search_path(), environment)
    if not found["data"].is_current():  # a file was written since
        _composed.cache_clear()
        _object.cache_clear()
        found = make(known, parts.search_path(), environment)
    return CellConfig(**{**found, **({} if data is None else {"data": data}), **plain})


def cell_config(config: DictConfig) -> CellConfig:
    """Turn ``config.yaml`` as Hydra composed it into a typed, checked cell.

    Raises
    ------
    UserError
        If a key is unknown, a value has the wrong type or is out of range.
    """
    found = CellConfig(**_typed(OmegaConf.masked_copy(config, list(CELL_FIELDS))))
    for group in GROUPS:  # Hydra read the files itself, and announces none of the user's
        name = getattr(getattr(found, group), "name", "")
        if name in parts.configurations(group):
            parts.configuration(group, name)
    return found


@lru_cache(maxsize=4096)
def _composed(values: str, search_path: tuple[Path, ...], environment: tuple[str | None, ...]) -> dict[str, Any]:
    """The typed groups and the plain values of a cell. Cached: most cells of a study differ in plain values alone."""
    given: dict[str, Any] = json.loads(values)
    config = copy.deepcopy(_defaults(search_path))
    for group in GROUPS:
        if group in given:
            name = str(given.pop(group))
            is_own = group in own.KINDS and own.is_reference(name)
            config[group] = own_choice(group, name) if is_own else read_choice(group, name, search_path)
    OmegaConf.set_struct(config, True)
    for key, value in given.items():
        check_text(f"{key}={value}")
        try:
            # a key that a group does not have is refused below, with the nearest one
            OmegaConf.update(config, key.lstrip("+"), value, force_add=key.startswith("+") or key.count(".") == 1)
        except OmegaConfBaseException as error:
            raise UserError(f"{key}={value} is not allowed: {first_line(error)}") from None
    return _typed(config)


@lru_cache(maxsize=16)
def _defaults(search_path: tuple[Path, ...]) -> DictConfig:
    """``conf/config.yaml``: the groups that it chooses, and its plain values."""
    config = cast(DictConfig, OmegaConf.load(CONF / "config.yaml"))
    chosen = ChainMap(*(dict(entry) for entry in config.defaults if isinstance(entry, DictConfig)))
    groups = {group: read_choice(group, chosen[group], search_path) for group in GROUPS}
    return OmegaConf.create({**groups, **{key: config[key] for key in SCALARS}})


def _typed(config: DictConfig) -> dict[str, Any]:
    """The groups of a cell as the dataclasses of their parts, its plain values as they are."""
    try:
        values = cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from None
    where = (*parts.search_path(), Path.cwd())
    return {key: _object(key, json.dumps(value), where) if key in GROUPS else value for key, value in values.items()}


@lru_cache(maxsize=1024)
def _object(group: str, text: str, where: tuple[Path, ...]) -> Any:
    """Make the dataclass of a group's keys; the folders where files are looked for are there to be remembered by."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise UserError(f"{group}={values} is not allowed: it must be the name of a file in conf/{group}")
    config = _dataclass(group, values)
    allowed = [one.name for one in dataclasses.fields(config)]
    for key in values:
        if key not in allowed:
            raise UserError(
                f"{group}.{key}={values[key]} is not allowed: {group}={values.get('name')} has no such key, only "
                f"{', '.join(allowed)}{checks.did_you_mean(str(key), allowed)}"
            )
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config), values))
    except UserError:
        raise
    except OmegaConfBaseException as error:
        key = f"{group}.{error.full_key}" if error.full_key else group
        raise UserError(f"{key} is not allowed: {first_line(error)}") from None
    except Exception as error:  # whatever a Config of the user's may raise
        name = values.get("name")
        raise UserError(f"{group}={name} is not allowed: its Config: {type(error).__name__}: {error}") from None


def _dataclass(group: str, values: Mapping[str, Any]) -> type[Any]:
    """The dataclass of a group's keys: that in the part's file, or what all parts of the kind have."""
    name = values.get("reader" if group == "data" else "name", "table" if group == "data" else None)
    common = GROUPS[group]
    if group in own.KINDS and own.is_reference(name):
        return own_config.config_class(group, values)
    if group not in parts.KINDS or group == "optimizer" and not parts.exists(group, str(name)):
        return common  # an optimizer of torch's alone has no file of its own
    return parts.keys(group, str(name)) or common


def own_choice(group: str, reference: str) -> DictConfig:
    """What a file of a group would say of a model or an optimizer that is named by its file or module."""
    values = own_config.values(group, reference)
    common = {} if group == "model" else OmegaConf.to_container(OmegaConf.structured(own_config.OwnOptimizer))
    return cast(DictConfig, OmegaConf.merge(common, values))


@lru_cache(maxsize=256)
def read_choice(group: str, name: str, search_path: tuple[Path, ...]) -> DictConfig:
    """Read a file of a group, on top of those of the group that its ``defaults`` list.

    Returns
    -------
    DictConfig
        Its keys, and the other ones of its part with their defaults.

    Raises
    ------
    UserError
        If there is no such file, or something in it is wrong.
    """
    path = parts.configuration(group, name)
    where, config = parts.shown(path), read_config(path)
    below = own_defaults(config, where, [one for one in parts.configurations(group) if one != name])
    config = cast(DictConfig, OmegaConf.merge(*(read_choice(group, one, search_path) for one in below), config))
    if group != "trainer" and config.get("name") != name:
        raise UserError(f"{where}: name={config.get('name')} is not allowed: it must be {name}, as the file is called")
    values = OmegaConf.to_container(config, resolve=False)
    try:
        common = OmegaConf.to_container(OmegaConf.structured(_dataclass(group, cast(dict[str, Any], values))))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    return cast(DictConfig, OmegaConf.merge(common, config))


def own_defaults(config: DictConfig, where: str, allowed: Sequence[str]) -> list[str]:
    """Take the list of defaults out of a file of a group.

    Raises
    ------
    UserError
        If an entry is not the plain name of another file of the same group.
    """
    entries = config.pop("defaults", [])
    if not isinstance(entries, list | ListConfig):
        raise UserError(f"{where}: defaults={entries} is not allowed: it must be a list of names in this folder")
    # base_study and the like are what every file of earlier versions began with
    names = [entry for entry in entries if entry not in ("_self_", "base_study", "base_optimizer")]
    for name in names:
        checks.one_of(f"{where}: defaults", name, allowed)
    return names


def _literal(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "null"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_literal(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        # A plain word is left readable; quotes keep everything else text.
        return value if _PLAIN.fullmatch(value) else QuotedString(value, Quote.single).with_quotes()
    return repr(value)


def first_line(error: BaseException) -> str:
    """The sentence of a library's error that a user can act on, without its stack of contexts."""
    cause = error
    # Hydra's errors have OmegaConf's as their cause; in a debugger OmegaConf's have another, of unfilled templates.
    if not isinstance(error, OmegaConfBaseException) and isinstance(error.__cause__, OmegaConfBaseException):
        cause = error.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    key = next((line for line in lines if line.startswith("full_key:")), "")
    return f"{lines[0]}{f' ({key})' if key else ''}" if lines else type(error).__name__
