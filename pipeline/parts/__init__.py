"""Parts: what users add a file to, all found in the same way.

A part is ``KIND/NAME.py`` with the function ``NAME`` and, where it has keys, a dataclass ``Config`` of them; beside it
``KIND/NAME.yaml``, where it is chosen in configuration. The folders are searched in this order: those of the user (the
variable ``MINIBATCH_LAB_CONFIG_DIR``, which ``--config-dir DIR`` sets; ``conf/`` where a command is started), installed
packages that name one in the entry-point group ``minibatch_lab.parts``, the lab's own. ``docs/extending.md`` shows each
kind of part. A model or an optimizer may also be named by its file or module; see :mod:`pipeline.parts.own`.
"""

import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache, lru_cache
from importlib import import_module, metadata
from importlib.util import find_spec
from multiprocessing import parent_process
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF, PACKAGE

#: The user's folders, separated as in ``PATH``. In the environment, so that child processes search them too.
VARIABLE = "MINIBATCH_LAB_CONFIG_DIR"
ENTRY_POINTS = "minibatch_lab.parts"
#: Where the lab's own parts of each kind lie in the package.
KINDS = {
    "optimizer": "parts/optimizers",
    "model": "parts/models",
    "schedule": "parts/schedules",
    "task": "parts/tasks",
    "data": "parts/data",
    "measurement": "measure",
    "statistic": "claims/statistics",
    "figure": "figures",
}


@dataclass(frozen=True)
class Part:
    """A part that was looked up.

    Attributes
    ----------
    kind, name : str
        Its kind and name.
    path : Path
        Its file.
    function : callable
        What it does; of an optimizer the update rule, of a model the builder, and so on.
    config : type or None
        The dataclass of its keys; None where it has no keys of its own.
    module : module
        For whatever else the file defines, ``init_states`` of an optimizer say.
    """

    kind: str
    name: str
    path: Path
    function: Callable[..., Any]
    config: type[Any] | None
    module: ModuleType

    def get(self, name: str) -> Callable[..., Any]:
        """A function that the file must have.

        Raises
        ------
        UserError
            If it has none of that name.
        """
        return _function(self.kind, self.module, name, self.path)


def use(folder: str | Path | None = None) -> None:
    """Search a folder first, in this process and in those that it starts.

    Parameters
    ----------
    folder : str or Path, optional
        The user's. None: only note where the command was started, before anything changes the working folder.

    Raises
    ------
    UserError
        If there is no such folder.
    """
    if folder is not None and not Path(str(folder)).is_dir():
        raise UserError(f"config_dir={folder} is not allowed: it must be a folder that exists")
    first = [] if folder is None else [Path(folder).resolve()]
    found = dict.fromkeys([*first, *_users_folders(os.environ.get(VARIABLE, ""), os.getcwd())])  # noqa: PTH109 (fast)
    os.environ[VARIABLE] = os.pathsep.join(map(str, found))


def search_path() -> tuple[Path, ...]:
    """The folders beside the lab's own that parts are looked for in, the first one first."""
    return (*_users_folders(os.environ.get(VARIABLE, ""), os.getcwd()), *_installed())  # noqa: PTH109 (fast)


@lru_cache(maxsize=64)
def _users_folders(variable: str, working_folder: str) -> tuple[Path, ...]:
    named = [Path(entry).resolve() for entry in variable.split(os.pathsep) if entry]
    here = (Path(working_folder) / "conf").resolve()
    return tuple(dict.fromkeys([*named, *([here] if here.is_dir() and here != CONF.resolve() else [])]))


@cache
def _installed() -> tuple[Path, ...]:
    """The folders of installed packages; none of them is imported."""
    specs = [find_spec(entry.module) for entry in metadata.entry_points(group=ENTRY_POINTS)]
    return tuple(Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ())


def folders(kind: str) -> list[Path]:
    """Where the files of a kind are looked for, the first one first."""
    return [*(folder / kind for folder in search_path()), *own_folders(kind)]


@cache
def own_folders(kind: str) -> tuple[Path, ...]:
    """Where the lab's own lie: what is not its question is in ``contrib``, in folders laid out as a user's."""
    contrib = [folder / kind for folder in sorted((PACKAGE / "contrib").iterdir())]
    return PACKAGE / KINDS[kind], *(folder for folder in contrib if folder.is_dir())


def configurations(group: str) -> dict[str, Path]:
    """The configuration files of a group, ``optimizer`` or ``study`` say: name to path."""
    places = [*(folder / group for folder in search_path()), CONF / group]
    return dict(sorted({path.stem: path for place in reversed(places) for path in place.glob("*.yaml")}.items()))


def configuration(group: str, name: str) -> Path:
    """The configuration file of a name, looked for in the user's folders first.

    Raises
    ------
    UserError
        If there is none, with the nearest name.
    """
    files = configurations(group)
    checks.one_of(group, name, files)
    _announce(f"{group}={name}", files[name], CONF / group / f"{name}.yaml")
    return files[name]


@cache
def _announce(choice: str, path: Path, own: Path) -> None:
    """Say once that a file of the user's is used in place of the lab's own."""
    if path != own and own.is_file() and parent_process() is None:
        print(f"{choice}: {shown(path)} takes the place of the lab's own", file=sys.stderr)


def names(kind: str) -> list[str]:
    """Every part of a kind that has a Python file."""
    found = {path.stem for folder in folders(kind) for path in folder.glob("*.py")}
    return sorted(name for name in found if not name.startswith("_"))


def exists(kind: str, name: str) -> bool:
    """Whether a part has a Python file."""
    return _is_own(kind, name) or _found(kind, name) is not None


def _is_own(kind: str, name: str) -> bool:
    """Whether a name is that of a file or module of the user's, as ``mine.py:Net``."""
    return kind in ("model", "optimizer") and ":" in name


def find(kind: str, name: str) -> Path:
    """The Python file of a part.

    Raises
    ------
    UserError
        If no folder has it, with the nearest name.
    """
    if _is_own(kind, name):
        from pipeline.parts import own

        return own.source(kind, name)
    path = _found(kind, name)
    if path is None:
        checks.one_of(kind, name, names(kind))
        raise UserError(f"{kind}={name} is not allowed: a file's name must be that of a function")
    return path


def _found(kind: str, name: str) -> Path | None:
    if not name.isidentifier() or name.startswith("_"):
        return None
    return next((path for folder in folders(kind) if (path := folder / f"{name}.py").is_file()), None)


def load(kind: str, name: str) -> Part:
    """Look a part up by its name, and import its file.

    Raises
    ------
    UserError
        If there is none, its file cannot be imported, or has no function of its name.
    """
    if _is_own(kind, name):
        from pipeline.parts import own

        return own.load(kind, name)
    path = find(kind, name)
    module = _module(kind, name, path)
    config = getattr(module, "Config", None)
    function = _function(kind, module, name, path)
    return Part(kind, name, path, function, config if isinstance(config, type) else None, module)


def modules(kind: str) -> list[ModuleType]:
    """Import every file of a kind, for what they register.

    Raises
    ------
    UserError
        If one cannot be imported.
    """
    return [_module(kind, name, find(kind, name)) for name in names(kind)]


def keys(kind: str, name: str) -> type[Any] | None:
    """The dataclass of a part's own keys, if it has one; only then is its file imported."""
    if not re.search(r"^class Config\b", find(kind, name).read_text(encoding="utf-8"), re.MULTILINE):
        return None
    config = load(kind, name).config
    if not is_dataclass(config):
        raise UserError(f"{kind}={name} is not allowed: Config in {shown(find(kind, name))} must be a dataclass")
    return config


def _function(kind: str, module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        own = sorted(key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
        raise UserError(
            f"{kind}={path.stem} is not allowed: {shown(path)} must have a function {name}, and has "
            f"{', '.join(own) or 'none'}"
        )
    return cast(Callable[..., Any], found)


def _module(kind: str, name: str, path: Path) -> ModuleType:
    own = path.parent in own_folders(kind)
    full = module_name(path) if own else f"{__name__}.user.{kind}.{name}"
    known = sys.modules.get(full)
    if known is not None and Path(str(known.__file__)) == path:
        return known
    if not own:
        for folder in own_folders(kind):
            _announce(f"{kind}={name}", path, folder / f"{name}.py")
        from pipeline.parts import user

        user.__path__ = [str(folder) for folder in search_path()]
        sys.modules.pop(full, None)  # another folder's
    try:
        return import_module(full)
    except UserError:
        raise
    except Exception as error:  # whatever a file of the user's may raise
        raise not_importable(f"{kind}={name}", path, error) from None


def module_name(path: Path) -> str:
    """The dotted name of a file of the lab's."""
    return ".".join([PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts])


def not_importable(choice: str, path: Path, error: Exception) -> UserError:
    """Say in one sentence why a file of the user's cannot be imported, and in which line."""
    why, line = (str(error).splitlines() or [""])[0], None
    if isinstance(error, SyntaxError):
        why, line = error.msg, error.lineno
    elif frames := [one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename) == path]:
        line = frames[-1].lineno
    place = f", line {line}" if line else ""
    return UserError(f"{choice} is not allowed: {shown(path)} cannot be imported: {type(error).__name__}: {why}{place}")


def shown(path: Path) -> str:
    """A path as messages have it: relative to the lab or to the working folder where it is inside one of them."""
    for root in (CONF.parent, PACKAGE.parent, Path.cwd()):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.as_posix()
