"""Compose configurations from ``conf/``, inside a Hydra application and outside one."""

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from pipeline.lab.config import checks
from pipeline.lab.config.data import DataConfig
from pipeline.lab.config.schema import CellConfig, register
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.lab.urls import has_password, shown

CELL_FIELDS = tuple(field.name for field in dataclasses.fields(CellConfig))
GROUPS = ("data", "model", "optimizer", "schedule", "sampling", "trainer")
#: The keys of a cell that are plain values: set on a composed cell without composing again.
SCALARS = tuple(name for name in CELL_FIELDS if name not in GROUPS)

#: Words that Hydra reads as themselves: not numbers, and not true, false, null, nan or inf.
_PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf)$)[A-Za-z_][A-Za-z0-9_.]*")

register()


@contextmanager
def _hydra() -> Iterator[None]:
    """Use the running Hydra application if there is one, else start one for ``conf/``."""
    if GlobalHydra.instance().is_initialized():
        yield
    else:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
            yield


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


def check_keys(values: Mapping[str, Any]) -> None:
    """Refuse keys that no cell has, and choices of a group that has no such file.

    Parameters
    ----------
    values : mapping
        Key to value, as in a study's file or of :func:`parse_overrides`.

    Raises
    ------
    UserError
        Naming the key, the value, and the nearest allowed one.
    """
    for key, value in values.items():
        head = key.lstrip("+").split(".")[0]
        if head not in CELL_FIELDS:
            near = get_close_matches(head, CELL_FIELDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(
                f"{key}={value} is not allowed: a cell has no such key, only {', '.join(CELL_FIELDS)}{hint}"
            )
        if key in GROUPS:
            checks.one_of(key, value, choices(key))


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
    return _compose_cell(tuple(overrides))


def compose_data(overrides: Sequence[str] = ()) -> DataConfig:
    """Compose the data of a cell; see :func:`compose_cell`."""
    # The least there is: a table of five rows is data, though no cell of the default batch size can be made of it.
    return compose_cell(["batch_size=1", *overrides]).data


def cell_config(config: DictConfig) -> CellConfig:
    """Turn a composed ``config.yaml`` into a typed, checked cell.

    Raises
    ------
    UserError
        If a value is out of range.
    """
    try:
        values = OmegaConf.to_object(OmegaConf.masked_copy(config, list(CELL_FIELDS)))
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from None
    return CellConfig(**cast(dict[str, Any], values))


@lru_cache(maxsize=4096)
def _compose_cell(overrides: tuple[str, ...]) -> CellConfig:
    """Compose the choice of groups, then set the other keys on a copy; both check names and types."""
    for text in overrides:  # one by one: Hydra looks at each value of a key that is given twice
        check_keys(parse_overrides([text]))
    values = parse_overrides(overrides)
    groups = tuple(text for text, key in zip(overrides, values, strict=False) if key.split("@")[0] in GROUPS)
    if len(values) < len(overrides) or any(key.startswith("+") for key in values):
        groups, values = overrides, {}  # a key given twice, or a new one: leave it to Hydra
    config = copy.deepcopy(_compose_groups(groups))
    try:
        for key, value in values.items():
            if key.split("@")[0] not in GROUPS:
                OmegaConf.update(config, key, value)
    except OmegaConfBaseException as error:
        raise UserError(f"{key}={value}: {first_line(error)}") from None
    return cell_config(config)


@lru_cache(maxsize=512)
def _compose_groups(overrides: tuple[str, ...]) -> DictConfig:
    """Compose ``config.yaml`` for a choice of groups.

    Hydra needs 50 to 150 ms, so it composes the defaults once; another choice takes the place of the default
    one in a copy. The tests hold that against Hydra's own composition, choice by choice.
    """
    values = parse_overrides(overrides)
    if overrides and len(values) == len(overrides) and values.keys() <= set(GROUPS):
        config = copy.deepcopy(_compose_groups(()))
        for group, choice in values.items():
            config[group] = _choice(group, str(choice))
        return config
    return compose_by_hydra(overrides)


def compose_by_hydra(overrides: Sequence[str]) -> DictConfig:
    """Compose ``config.yaml`` from all its files.

    Raises
    ------
    UserError
        With the first line of what Hydra says.
    """
    try:
        with _hydra():
            return compose(config_name="config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UserError(f"{' '.join(overrides) or 'conf/config.yaml'}: {first_line(error)}") from None


def _choice(group: str, name: str) -> DictConfig:
    """Load one file of a group on top of what its defaults list: a schema, or another file of the group."""
    config = read_config(CONF / group / f"{name}.yaml")
    below = own_defaults(config, f"{group}/{name}.yaml")
    schemas = ConfigStore.instance().repo[group]
    known = [entry.removesuffix(".yaml") for entry in schemas if entry.endswith(".yaml")]
    if not below:
        raise UserError(f"{group}/{name}.yaml: its defaults must begin with one of {', '.join(sorted(known))}")
    for entry in below:
        checks.one_of(f"{group}/{name}.yaml: defaults", entry, [*known, *(set(choices(group)) - {name})])
    parts = [schemas[f"{entry}.yaml"].node if entry in known else _choice(group, entry) for entry in below]
    try:
        return cast(DictConfig, OmegaConf.merge(*parts, config))
    except OmegaConfBaseException as error:
        raise UserError(f"{group}/{name}.yaml: {first_line(error)}") from None


def own_defaults(config: DictConfig, where: str) -> list[str]:
    """Take the list of defaults out of a file of a group.

    Raises
    ------
    UserError
        If an entry is not the plain name of a file of the same group, or of its schema.
    """
    entries = config.pop("defaults", [])
    if not isinstance(entries, list | ListConfig) or not all(
        isinstance(entry, str) and re.fullmatch(checks.NAME, entry.lstrip("_")) for entry in entries
    ):
        raise UserError(f"{where}: defaults={entries} is not allowed: it must be a list of names in this folder")
    return [entry for entry in entries if entry != "_self_"]


@cache
def choices(group: str) -> list[str]:
    """The files of a group, such as ``optimizer``."""
    return [path.stem for path in (CONF / group).glob("*.yaml")]


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
