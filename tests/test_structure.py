"""The package is what its listing says: data flows one way, and a file is one idea."""

import ast
from functools import cache
from graphlib import TopologicalSorter

import pytest
from repository import ROOT

PACKAGE = ROOT / "pipeline"
STAGES = (
    *("fetch", "whiten", "train", "measure", "collect", "track", "analysis", "figures", "claims", "report"),
    "answer",  # trains, and needs none of the tables
)
#: What a module of a folder may import: its own folder and those before it. `lab` finds the parts, which build on it.
ORDER = (("lab", "parts"), *((stage,) for stage in STAGES), ("api",), ("contrib",), ("workflow",))
FOLDERS = [folder for level in ORDER for folder in level]
#: The command logs what it has trained, as users of MLflow expect of it.
ALLOWED = {("pipeline.train.app", "pipeline.track.log"), ("pipeline.train.app", "pipeline.track.store")}
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}


def place(module):
    """Where in that order a module is."""
    return next(number for number, level in enumerate(ORDER) if module.split(".")[1] in level)


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
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(FOLDERS)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_command(stage):
    folder = PACKAGE / stage
    commands = [path for path in folder.glob("*.py") if '__name__ == "__main__"' in path.read_text()]
    assert commands, f"no file of {folder} can be run"


def test_nothing_imports_what_comes_after_it():
    inside = [module for module in MODULES if module != "pipeline.__init__"]
    above = {(one, other) for one in inside for other in imports(one) & set(inside) if place(other) > place(one)}
    assert above == ALLOWED


def test_no_modules_import_each_other():
    graph = {module: imports(module) - {f"{module.rsplit('.', 1)[0]}.__init__"} for module in MODULES}
    del graph["pipeline.__init__"]  # imports what it passes on only when that is asked for
    TopologicalSorter(graph).prepare()


#: Longer than they should be; the list may only become shorter.
LONG = {"pipeline.api.__init__.compare"}


def test_a_file_is_one_idea_and_a_function_fits_on_a_screen():
    long = {name for name, path in MODULES.items() if len(path.read_text().splitlines()) > 350}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 65:
                long.add(f"{name}.{node.name}")
    assert long == LONG


def test_the_code_does_not_grow():
    """Statements, docstrings left out; what is useful but not the question is in contrib."""
    statements = sum(
        isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for name, path in MODULES.items()
        if not name.startswith("pipeline.contrib")
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert statements <= 12_800
