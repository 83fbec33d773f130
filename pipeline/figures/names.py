"""Which figures there are, read from their files: the workflow asks at its start, and cannot wait for matplotlib."""

import ast
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class FigureName:
    """What can be known of a figure without importing it.

    Parameters
    ----------
    name : str
        The stem of its files.
    title : str
        Its heading.
    study, measurement : str
        What it is drawn from; one of the two is empty.
    """

    name: str
    title: str
    study: str = ""
    measurement: str = ""


def figure_names() -> list[FigureName]:
    """Every figure that is registered in ``figures``, and in its folder ``measured``.

    Returns
    -------
    list of FigureName
        By file.
    """
    found = []
    for path in sorted(_FOLDER.glob("*.py")) + sorted((_FOLDER / "measured").glob("*.py")):
        for function, arguments in _registered(path):
            title = arguments["title"]
            if path.parent == _FOLDER:
                found.append(FigureName(function, title, study=arguments["study"]))
            else:
                found.append(FigureName(f"measure_{function}", title, measurement=function))
    return found


def _registered(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The functions of a file that ``@register(...)`` decorates, and the texts that it is given."""
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", []):
            if isinstance(node, ast.FunctionDef) and isinstance(call, ast.Call) and _name(call.func) == "register":
                given = {key.arg: key.value for key in call.keywords if isinstance(key.value, ast.Constant)}
                found.append((node.name, {str(key): str(value.value) for key, value in given.items()}))
    return found


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
