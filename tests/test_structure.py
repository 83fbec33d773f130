"""The package is what its listing says: data flows one way, and a file is one idea."""

import ast
from functools import cache
from graphlib import TopologicalSorter

import pytest
from repository import ROOT

PACKAGE = ROOT / "pipeline"
#: In the order in which data flows. What all share comes first, what few need last.
ORDER = (
    *("lab", "parts"),
    *("fetch", "whiten", "train", "measure", "collect", "track", "analysis", "figures", "claims", "report"),
    *("contrib", "workflow"),
)
STAGES = ORDER[2:-2]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def place(module):
    """The folder below the package that a module is in."""
    return module.split(".")[1]


@cache
def imports(module):
    """The package's modules that a module imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    found |= {f"{name}.__init__" for name in found}
    return {name for name in found if name in MODULES and name != module}


def test_the_package_holds_stages_and_what_they_share_and_nothing_else():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ORDER)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_command(stage):
    folder = PACKAGE / stage
    commands = [path for path in folder.glob("*.py") if '__name__ == "__main__"' in path.read_text()]
    assert commands, f"no file of {folder} can be run"


def test_nothing_imports_what_comes_after_it():
    above = [
        f"{module} imports {other}"
        for module in MODULES
        if place(module) != "__init__"
        for other in imports(module)
        if ORDER.index(place(other)) > ORDER.index(place(module))
    ]
    assert above == []


def test_no_modules_import_each_other():
    graph = {module: imports(module) - {f"{module.rsplit('.', 1)[0]}.__init__"} for module in MODULES}
    TopologicalSorter(graph).prepare()


def test_a_file_is_one_idea_and_a_function_fits_on_a_screen():
    long = [name for name, path in MODULES.items() if len(path.read_text().splitlines()) > 350]
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 65:
                long.append(f"{name}.{node.name}")
    assert long == []


def test_the_code_stays_small():
    """Statements, docstrings left out; what is useful but not the question is in contrib."""
    statements = sum(
        isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for name, path in MODULES.items()
        if not name.startswith("pipeline.contrib")
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert statements <= 9_000
