"""Read the configuration's files: safely, numbers as numbers, and with one sentence for what is wrong."""

import io
import re
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from pipeline.lab.errors import UserError

#: More than any file of a person's; a limit, because a file of aliases of aliases grows without end when it is read.
_MOST_ALIASES = 100


def read_config(path: Path) -> DictConfig:
    """Read a file of keys and values.

    OmegaConf's loader knows no Python objects, and reads ``5e-2`` as a number, which plain YAML 1.1 reads as text.

    Parameters
    ----------
    path : Path
        A ``.yaml`` file below ``conf/``.

    Returns
    -------
    DictConfig
        Interpolations are left as they are.

    Raises
    ------
    UserError
        If it cannot be read, is not YAML, holds anything but keys and values, or tells Hydra to put its content
        elsewhere (``# @package``): a study could thereby set Hydra's own keys, which run code.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
        if len(re.findall(r"(?:^|[\s\[{,:-])\*[A-Za-z0-9_]", text)) > _MOST_ALIASES:
            raise UserError(f"{where} is not allowed: it has more than {_MOST_ALIASES} aliases (*name)")
        config = OmegaConf.load(io.StringIO(text))
    except OSError as error:  # OmegaConf's too, of a file that is one word
        raise UserError(f"{where} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{where} cannot be read: it is not text in UTF-8 ({error.reason})") from None
    except (YAMLError, OmegaConfBaseException, ValueError, AssertionError, RecursionError, TypeError) as error:
        raise UserError(f"{where} is not YAML of keys and values: {_place(error)}") from None
    if not isinstance(config, DictConfig):
        raise UserError(f"{where} is not YAML of keys and values: it is a list")
    if re.search(r"^\s*#\s*@\s*package", text, re.MULTILINE):
        raise UserError(f"{where} is not allowed: a file of conf/ may not say @package")
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file as plain values; see :func:`read_config`."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(read_config(path), resolve=True))
    except OmegaConfBaseException as error:
        raise UserError(f"{path.parent.name}/{path.name}: {str(error).splitlines()[0]}") from None


def _place(error: Exception) -> str:
    """What is wrong, and in which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)
