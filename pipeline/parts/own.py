"""A model or an optimizer named by its file or its module: ``mine.py:Net``, ``mypackage.nets:Net``.

It needs no YAML: its keys and their defaults are those of its signature. A configuration file is data, and may be
somebody else's: nothing is imported here that the user has not named on a command line, in Python, or in a study of a
folder that holds the file, too. What was named is listed in the environment, so that child processes know it.
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline import parts
from pipeline.lab.checks import did_you_mean
from pipeline.lab.errors import UserError

#: What the user has named, one in a line.
VARIABLE = "MINIBATCH_LAB_OWN"
KINDS = ("model", "optimizer")
#: Stands for the module of those that are in this process alone; see :func:`keep`.
_MEMORY = "python"
_kept: dict[str, tuple[Callable[..., Any], str]] = {}


def is_reference(name: object) -> bool:
    """Whether a name is that of a file or module, with the function or class in it."""
    return isinstance(name, str) and ":" in name


def short(name: str) -> str:
    """The name without its file or module, which is safe in a path.

    Examples
    --------
    >>> short("mine.py:Net"), short("mlp")
    ('Net', 'mlp')
    """
    return name.rpartition(":")[2]


def allow(kind: str, reference: str, within: Path | None = None) -> str:
    """Let code be imported, because the user named it.

    Parameters
    ----------
    kind : str
        ``model`` or ``optimizer``.
    reference : str
        ``FILE.py:NAME`` or ``MODULE:NAME``.
    within : Path, optional
        The folder of the configuration file that named it: only a file in there is allowed.

    Returns
    -------
    str
        The reference as it is found from the working folder.

    Raises
    ------
    UserError
        If there is no such file or module, or it is not in that folder.
    """
    place, _, name = reference.rpartition(":")
    if within is not None:
        path = (within / place).resolve()
        if not place.endswith(".py") or not path.is_relative_to(within.resolve()) or not path.is_file():
            raise UserError(
                f"{kind}={reference} is not allowed here: a configuration file names a Python file of its own folder, "
                f"{parts.shown(within)}; name others on the command line"
            )
        here = Path.cwd()
        reference = f"{path.relative_to(here) if path.is_relative_to(here) else path}:{name}"
    if not name.isidentifier():
        raise UserError(f"{kind}={reference} is not allowed: write FILE.py:NAME or MODULE:NAME")
    known = os.environ.get(VARIABLE, "").split("\n")
    if reference not in known:
        os.environ[VARIABLE] = "\n".join(filter(None, [*known, reference]))
    source(kind, reference)
    return reference


def allow_choices(values: Mapping[str, Any]) -> None:
    """Let the models and optimizers be imported that keys and values of the user's choose; see :func:`allow`."""
    for kind in KINDS:
        if is_reference(values.get(kind)):
            allow(kind, values[kind])


def keep(factory: Callable[..., Any]) -> str:
    """Give a name to a factory of this process: of its module, or of this process alone where it is in none.

    Returns
    -------
    str
        A reference. One of a script or a notebook is kept in memory: to import these is to run them.
    """
    name, module = getattr(factory, "__name__", ""), getattr(factory, "__module__", "__main__")
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is factory:
        with suppress(UserError):
            return allow("model", f"{module}:{name}")
    reference = f"{_MEMORY}:{name if name.isidentifier() else 'factory'}"
    _kept[reference] = factory, _digest(_text(factory).encode())
    return reference


def is_kept(reference: str) -> bool:
    """Whether a reference is to a factory that is in this process alone."""
    return reference in _kept


def _text(factory: Callable[..., Any]) -> str:
    """What a factory does, as far as that can be read."""
    bound = [repr(factory.args), repr(factory.keywords)] if isinstance(factory, partial) else []
    cells = getattr(factory, "__closure__", None) or ()
    bound += [repr(cell.cell_contents) for cell in cells]
    function = factory.func if isinstance(factory, partial) else factory
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = repr((code.co_code.hex(), code.co_names, code.co_consts)) if code else repr(function)
    return "\n".join([text, *bound])


def source(kind: str, reference: str) -> Path:
    """The file that a reference is found in.

    Raises
    ------
    UserError
        If the user has not named it, or there is none.
    """
    if reference in _kept:
        return Path(reference)
    if reference not in os.environ.get(VARIABLE, "").split("\n"):
        raise UserError(
            f"{kind}={reference} is not allowed here: name code on the command line ({kind}={reference}), or in a "
            "study of the folder that holds it"
        )
    place = reference.rpartition(":")[0]
    found = _file(place)
    if found is None:
        what = "file" if place.endswith(".py") else "module"
        name = short(reference)
        raise UserError(
            f"{kind}={reference} is not allowed: there is no {what} {place}; name a file, as in mine.py:{name}"
        )
    return found


def _file(place: str) -> Path | None:
    """The file of a reference; nothing is imported."""
    if place.endswith(".py"):
        places = [Path(place).expanduser(), *(folder / place for folder in parts.search_path())]
        return next((path.resolve() for path in places if path.is_file()), None)
    top, *below = place.split(".")
    try:
        spec = find_spec(top) if top else None
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return None
    if not below:
        return Path(spec.origin) if spec.origin and Path(spec.origin).is_file() else None
    stems = [Path(folder, *below) for folder in spec.submodule_search_locations or ()]
    files = [path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py")]
    return next((path for path in files if path.is_file()), None)


def is_unchanged(config: Mapping[str, Any]) -> bool:
    """Whether the file of a model or an optimizer is there, and as it was; of a name that is no reference, True."""
    name = str(config.get("name", ""))
    path = _file(name.rpartition(":")[0]) if is_reference(name) else None
    return path is not None and _digest(path.read_bytes()) == config.get("code") if is_reference(name) else True


def digest(kind: str, reference: str) -> str:
    """A digest of the file's content: a file that was edited makes another cell."""
    return _kept[reference][1] if reference in _kept else _digest(source(kind, reference).read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def load(kind: str, reference: str) -> "parts.Part":
    """Import a file or module, and look its function or class up; see :func:`pipeline.parts.load`.

    Raises
    ------
    UserError
        If the user has not named it, it cannot be imported, or has no such function or class.
    """
    if reference in _kept:
        return parts.Part(kind, short(reference), Path(), _kept[reference][0], None, sys.modules[__name__])
    return _loaded(kind, reference, digest(kind, reference))


@lru_cache(maxsize=64)
def _loaded(kind: str, reference: str, code: str) -> "parts.Part":
    name = short(reference)
    path = source(kind, reference)
    module = _imported(kind, reference, path, code)
    found: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(found):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise UserError(
            f"{kind}={reference} is not allowed: {parts.shown(path)} has no function or class {name}, only "
            f"{', '.join(own) or 'none'}{did_you_mean(name, own)}"
        )
    return parts.Part(kind, name, path, found, None, module)


def _imported(kind: str, reference: str, path: Path, code: str) -> ModuleType:
    """Import a module, again where its file was edited; a file finds those beside it."""
    place = reference.rpartition(":")[0]
    try:
        if not place.endswith(".py"):
            return import_module(place)
        # Its own name where that is free, so that what is pickled of it is found where the file is.
        name = path.stem if _is_free(path) else f"{path.stem}_{code}"
        spec = spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[name] = module
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        finally:
            sys.path.remove(str(path.parent))
        return module
    except Exception as error:  # whatever a file of the user's may raise
        raise parts.not_importable(f"{kind}={reference}", path, error) from None


def _is_free(path: Path) -> bool:
    known = sys.modules.get(path.stem)
    if known is not None:
        return getattr(known, "__file__", None) == str(path)
    try:
        spec = find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return spec is None or spec.origin == str(path)


def stamps(references: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """The digests of those choices that are references."""
    return tuple(digest(kind, name) for kind, name in references if is_reference(name))
