"""Read configuration files: safely, numbers as numbers, and with one sentence for what is wrong."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from pipeline.lab.errors import UserError, first_line
from pipeline.parts import shown

#: More than any file of a person's; a limit, because a file of aliases of aliases grows without end when it is read.
_MOST_ALIASES = 100
#: The environment variables that a configuration file may read, and the list that their value may be an entry of.
VARIABLES = {"AIRFOIL_DATA": "sources"}
_VARIABLE = re.compile(r"\$\{oc\.env:(\w+)(?:,[^${}]*)?\}")
_NEIGHBOUR = re.compile(r"\$\{(\.+)([A-Za-z_][\w.]*)\}")


def read_config(path: Path, package: str = "") -> DictConfig:
    """Read a file of keys and values.

    OmegaConf's loader knows no Python objects, and reads ``5e-2`` as a number, which plain YAML 1.1 reads as text.

    Parameters
    ----------
    path : Path
        A ``.yaml`` file below ``conf/``, or in a user's folder.
    package : str, optional
        The one ``# @package`` that it may say: ``_global_`` of an experiment.

    Returns
    -------
    DictConfig
        Interpolations are left as they are: a file may refer to its own keys, as in ``${..hyperparams.eps}``, and read
        no environment variable but :data:`VARIABLES`.

    Raises
    ------
    UserError
        If it cannot be read, is not YAML, holds anything but keys and values, takes a value from elsewhere, or tells
        Hydra to put its content elsewhere (``# @package``): a study could thereby set Hydra's own keys, which run code.
    """
    where = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
        if len(re.findall(r"(?:^|[\s\[{,:-])\*[A-Za-z0-9_]", text)) > _MOST_ALIASES:
            raise UserError(f"{where} is not allowed: it has more than {_MOST_ALIASES} aliases (*name)")
        config = OmegaConf.load(io.StringIO(text))
        if not isinstance(config, DictConfig):
            raise UserError(f"{where} is not YAML of keys and values: it is a list")
        for said in re.findall(r"^\s*#\s*@\s*package(.*)", text, re.MULTILINE):
            if said.strip() != package or not package:
                raise UserError(f"{where} is not allowed: a configuration file may not say @package{said}")
        for keys, value in _texts(OmegaConf.to_container(config, resolve=False)):
            _check_interpolation(where, keys, value)
    except OSError as error:  # OmegaConf's too, of a file that is one word
        raise UserError(f"{where} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{where} cannot be read: it is not text in UTF-8 ({error.reason})") from None
    except (YAMLError, OmegaConfBaseException, ValueError, AssertionError, RecursionError, TypeError) as error:
        raise UserError(f"{where} is not YAML of keys and values: {_place(error)}") from None
    return config


def _texts(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in a file, keys too, and where it is."""
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str) and "${" in key:
                yield (*keys, key), key
            yield from _texts(inner, (*keys, str(key)))


def _check_interpolation(where: str, keys: tuple[str, ...], value: str) -> None:
    """Refuse a value that is taken from outside its file: it may be a secret, and is stored, or sent to a source."""
    if "${" not in value:
        return
    neighbour, variable = _NEIGHBOUR.fullmatch(value), _VARIABLE.fullmatch(value)
    if neighbour and len(neighbour[1]) <= len(keys) and "sources" not in neighbour[2].split("."):
        return
    if variable and len(keys) > 1 and keys[-2].split(".")[-1] == VARIABLES.get(variable[1], ""):
        return
    allowed = " and ".join(f"{name}, as an entry of {key}" for name, key in VARIABLES.items())
    raise UserError(
        f"{where}: {'.'.join(keys)}={value} is not allowed: a configuration file reads its own keys, as in "
        f"${{..hyperparams.eps}}, and no environment variable but {allowed}"
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file as plain values; see :func:`read_config`."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(read_config(path), resolve=True))
    except OmegaConfBaseException as error:
        raise UserError(f"{shown(path)}: {str(error).splitlines()[0]}") from None


def _place(error: Exception) -> str:
    """What is wrong, and in which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or first_line(error)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)
