"""What Hydra and its parsers raise, in one sentence that names key, value and what is allowed."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import cast

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline.lab import checks
from pipeline.lab.config.compose import first_line
from pipeline.lab.config.schema import CELL_FIELDS
from pipeline.lab.errors import UserError
from pipeline.train.failures import FailedRunsError

#: Plug-ins of Hydra's that are packages of their own, by what is asked for.
PACKAGES = {
    **dict.fromkeys(("submitit_local", "submitit_slurm"), "hydra-submitit-launcher"),
    **dict.fromkeys(("ray", "ray_aws"), "hydra-ray-launcher"),
    **{name: f"hydra-{name}-launcher" for name in ("joblib", "rq")},
    **{name: f"hydra-{name}-sweeper" for name in ("ax", "nevergrad", "optuna")},
    "colorlog": "hydra-colorlog",
}
#: Packages that read the command line and the configuration's files.
_READERS = {"hydra", "omegaconf", "antlr4", "yaml"}


@contextmanager
def hydra_errors_in_one_sentence() -> Iterator[None]:
    """Turn what Hydra and its parsers raise into a :class:`UserError` that names key, value and what is allowed."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # raise errors; Hydra would print them over many lines
    try:
        yield
    except (FailedRunsError, BrokenPipeError):  # of a launcher's process, of a reader that is gone: not of the words
        raise
    except (Refusal, Exception) as error:
        cause = cast(Exception, error.__cause__) if isinstance(error, Refusal) else error
        packages = [
            frame.f_globals["__name__"].partition(".")[0] for frame, _ in traceback.walk_tb(cause.__traceback__)
        ]
        if [name for name in packages if name in {"pipeline", *_READERS}][-1] != "pipeline":
            raise UserError(sentence(cause)) from None
        if isinstance(cause, OSError) and cause.filename is not None:
            raise UserError(f"{cause.filename} cannot be read or written: {cause.strerror}") from cause
        raise cause from None


def sentence(error: Exception) -> str:
    """Say in one sentence what a user can act on in an error of Hydra's."""
    text = str(error)
    if isinstance(error, OverrideParseException):
        return unreadable(error.override, error)
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return _no_such_choice(text, group, name, error.options)
    if match := re.match(r"(?:In '\S+': )?Could not override '([^']*)'", text):
        return _no_such_key(match[1], error.__cause__)
    if match := re.match(r"Could not append to config. An item is already at '(.*)'", text):
        return f"+{match[1]} is not allowed: the key is there already; leave out the +"
    if match := re.match(r"Ambiguous value for argument '(.*)'", text):
        return f"{match[1]} is not allowed here: give each key one value, or add -m to train every combination"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return first_line(error)
    return f"{' '.join(sys.argv[1:])} cannot be read: {first_line(error)}"


def unreadable(override: str, error: Exception) -> str:
    """Say why an override cannot be read, and how to write it.

    Examples
    --------
    >>> print(unreadable("out=é", ValueError("token recognition error at: 'é'")))
    out=é cannot be read: quote the value, as in 'out="é"'
    """
    why = first_line(error)
    key, _, value = override.partition("=")
    if value and ("token recognition error" in why or "Lexer" in why):  # a character that only quotes allow
        return f"{override} cannot be read: quote the value, as in " + shlex.quote(f'{key}="{value}"')
    return f"the override {override!r} cannot be read: write key=value ({why})"


def _no_such_choice(text: str, group: str, name: str, options: Sequence[str]) -> str:
    if group.startswith("hydra/") and name in PACKAGES:
        return f"{group}={name} needs a package that is not installed: pip install {PACKAGES[name]}"
    where = re.sub(r"In '(hydra/)?config': ", "", text.partition("Could not find")[0])
    options = sorted(without_schemas(options))
    return (
        f"{where}{group}={name} is not allowed: choose one of {', '.join(options)}{checks.did_you_mean(name, options)}"
    )


def without_schemas(options: Sequence[str]) -> list[str]:
    """The choices of a group that are files; the others are schemas of Hydra's store."""
    return [option for option in options if not option.startswith("base_")]


def _no_such_key(key: str, cause: BaseException | None) -> str:
    """Name the keys that there are beside a wrong one."""
    given = next((text for text in sys.argv[1:] if text.lstrip("+").partition("=")[0] == key), key)
    if key.startswith("hydra/"):
        return f"{given} is not allowed: there is no such group; a plug-in's are there where it is installed and chosen"
    parent, _, last = key.rpartition(".")
    node = getattr(cause, "parent_node", None)
    keys = [str(one) for one in node if one != "hydra"] if isinstance(node, DictConfig) else list(CELL_FIELDS)
    near = get_close_matches(last, keys, n=1)
    hint = f"; did you mean {parent + '.' if parent else ''}{near[0]}?" if near else ""
    return f"{given} is not allowed: there is no such key, only {', '.join(keys)}{hint}"


class Refusal(BaseException):
    """Takes an exception out of a callback: Hydra turns those of class Exception into warnings."""


@contextmanager
def refusing() -> Iterator[None]:
    """Let what a callback raises reach the user; see :class:`Refusal`."""
    try:
        yield
    except Exception as error:
        raise Refusal from error
