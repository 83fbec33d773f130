"""Digests of the code that each rule runs, computed from the imports in it.

A rule names the module that it runs. The digest covers that module and every module of the lab that its imports
lead to, inside functions too, and is a parameter of the rule: when one of them is edited, the rule's jobs run again.
Comments, docstrings, layout and imports for type checkers change no result, so they change no digest.

Three conventions go beyond ``import`` statements:

- A package, such as ``pipeline.figures``, stands for all its modules and for its other files (templates, captions).
- A package of parts is loaded by name, so all its modules count; a training job names the parts of its own cells.
- ``apart`` names packages that are not followed, because what they do reaches the job through its inputs or its
  other parameters.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.lab.config.cell import canonical_json
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.paths import PACKAGE

#: Packages whose modules are loaded by name, one folder for each kind of part.
_PARTS = PACKAGE / "parts"


@cache
def digest(*names: str | Path, apart: tuple[str, ...] = (), parts: tuple[Path, ...] | None = None) -> str:
    """Compute the digest of some modules and of all that they import.

    Parameters
    ----------
    *names : str or Path
        Modules, as ``pipeline.measure.step_cost``, packages, which stand for everything in their folder, or files.
    apart : tuple of str
        Packages or modules that are not followed.
    parts : tuple of Path, optional
        The files of the parts that are used; None: all parts of every kind that is imported.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    UserError
        If a module cannot be parsed.
    """
    given = [path for name in names for path in _start(name)]
    reached = files([*given, *(parts or ())], tuple(_path(name) for name in apart), all_parts=parts is None)
    return digest_of([[_shown(path), _fingerprint(path)] for path in sorted(reached)])


def needs(*names: str | Path, apart: tuple[str, ...] = ()) -> Callable[[Any], str]:
    """A rule's parameter: the digest of some modules, computed when a job of the rule is planned."""

    @exit_on_user_error()
    def parameter(wildcards: Any) -> str:
        """The digest, whatever the wildcards."""
        return digest(*names, apart=apart)

    return parameter


def digest_of(content: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of some JSON."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def files(given: Iterable[Path], apart: tuple[Path, ...] = (), all_parts: bool = True) -> set[Path]:
    """Follow imports from some files.

    Parameters
    ----------
    given : iterable of Path
        Where to start.
    apart : tuple of Path
        Files and folders that are not entered.
    all_parts : bool
        Whether a package of parts stands for all its modules.

    Returns
    -------
    set of Path
        Those files, and the lab's files that they need.
    """
    reached: set[Path] = set()
    ahead = list(given)
    while ahead:
        path = ahead.pop()
        if path in reached or any(path == each or each in path.parents for each in apart):
            continue
        reached.add(path)
        if path.suffix == ".py":
            ahead += _imported(path)
        if all_parts and path.name == "__init__.py" and path.parent.parent == _PARTS:
            ahead += path.parent.glob("*.py")
    return reached


def _start(name: str | Path) -> list[Path]:
    """The files that a name stands for."""
    path = name if isinstance(name, Path) else _path(name)
    if path.is_dir():
        return [each for each in path.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    return [path]


def _path(name: str) -> Path:
    """The folder of a package, or the file of a module."""
    place = PACKAGE.joinpath(*name.split(".")[1:])
    return place if place.is_dir() else place.with_suffix(".py")


def _shown(path: Path) -> str:
    """A name that does not change with the folder that the lab lies in."""
    return path.relative_to(PACKAGE).as_posix() if path.is_relative_to(PACKAGE) else path.name


@cache
def _parsed(path: Path) -> ast.Module:
    """A module without docstrings and imports for type checkers."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else str(error)
        raise UserError(f"{path} is not valid Python ({where})") from None
    for node in _blocks(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        start = int(documented and ast.get_docstring(node, clean=False) is not None)
        node.body = [each for each in node.body[start:] if not _is_for_type_checkers(each)]
    return tree


def _blocks(node: ast.AST) -> Iterator[Any]:
    """A node and all statements below it that have a body; expressions are passed over, because they are many."""
    if isinstance(getattr(node, "body", None), list):
        yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield from _blocks(child)


def _is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def _fingerprint(path: Path) -> str:
    """A hash of what a module does, or of any other file's bytes."""
    content = ast.dump(_parsed(path), annotate_fields=False).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Every statement that can be an import."""
    for node in _blocks(tree):
        for field in ("body", "orelse", "finalbody"):
            yield from getattr(node, field, ())


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The files that a module's imports lead to; those of other packages are left out."""
    found: set[Path] = set()
    for node in _statements(_parsed(path)):
        if isinstance(node, ast.Import):
            found.update(filter(None, (_module(name.name, path) for name in node.names)))
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                found.update(_named(_absolute(node, path), name.name, path))
    return frozenset(found)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """The module that ``from ... import`` names, with its package."""
    if not node.level:
        return node.module or ""
    package = path.parents[node.level - 1]
    within = ["pipeline", *package.relative_to(PACKAGE).parts] if package.is_relative_to(PACKAGE) else []
    return ".".join([*within, *([node.module] if node.module else [])])


def _named(module: str, name: str, importer: Path) -> Iterator[Path]:
    """The file of ``from module import name``: a submodule, or where the name is defined."""
    if submodule := _module(f"{module}.{name}" if module else name, importer):
        yield submodule
        return
    path = _module(module, importer)
    if path is None:
        return
    if path.name == "__init__.py":  # a package often only passes on what a module of its own defines
        for node in _parsed(path).body:
            if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
                original = next(each.name for each in node.names if (each.asname or each.name) == name)
                yield from _named(_absolute(node, path), original, path)
                return
    yield path


def _module(name: str, importer: Path) -> Path | None:
    """The file of a module of the lab, or of one beside a file that lies outside the lab."""
    inside = name.split(".")[0] == "pipeline"
    if not inside and importer.is_relative_to(PACKAGE):
        return None
    place = PACKAGE.joinpath(*name.split(".")[1:]) if inside else importer.parent.joinpath(*name.split("."))
    options = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((path for path in options if path.is_file()), None)
