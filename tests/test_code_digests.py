"""A digest follows the imports that code really has, and nothing else changes it."""

import shutil

import pytest

from pipeline.lab.config import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.paths import PACKAGE
from pipeline.workflow import code
from pipeline.workflow.jobs import part_files


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of some of the package; digests are computed anew each time."""
    copy = tmp_path / "pipeline"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "report", "contrib"))
    monkeypatch.setattr(code, "PACKAGE", copy)
    monkeypatch.setattr(code, "_PARTS", copy / "parts")
    yield copy
    forget()


def forget():
    for cached in (code.digest, code._parsed, code._fingerprint, code._imported):
        cached.cache_clear()


def digest(*names, **options):
    forget()
    return code.digest(*names, **options)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


MODULE = '''
"""What it does."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from pipeline.lab.machine import machine_facts

class Shape:
    """A shape."""

    def area(self, side: float) -> float:
        """Its area."""
        return side ** 2
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it does.", "What it does, in other words."),
        ('"""A shape."""', '"""A form."""'),
        ('"""A shape."""\n', ""),
        ("return side ** 2", "return (\n            side**2\n        )  # squared"),
        ("    from pipeline.lab.machine import machine_facts", "    import pandas as pd"),
    ],
)
def test_words_and_layout_change_no_digest(package, old, new):
    write(package / "made" / "shape.py", MODULE)
    before = digest("pipeline.made.shape")
    assert old in MODULE
    write(package / "made" / "shape.py", MODULE.replace(old, new))
    assert digest("pipeline.made.shape") == before
    write(package / "made" / "shape.py", MODULE.replace("2", "3"))
    assert digest("pipeline.made.shape") != before


@pytest.mark.parametrize(
    "statement",
    [
        "import pipeline.made.far",
        "from pipeline.made import far",
        "from pipeline.made.far import value as other",
        "from . import far",
        "from .far import value",
        "from ..made.far import value",
        "from pipeline.made.near import value",  # near imports it from far
        "from pipeline.made.again import value",  # a package that passes it on
        "def late():\n    if True:\n        from pipeline.made.far import value",
        "try:\n    pass\nexcept ValueError:\n    from pipeline.made.far import value",
        "match 1:\n    case 1:\n        from pipeline.made import far",
    ],
)
def test_every_way_to_import_is_followed(package, statement):
    made = package / "made"
    write(made / "__init__.py", "")
    write(made / "far.py", "value = 1")
    write(made / "near.py", "from pipeline.made.far import value")
    write(made / "again" / "__init__.py", "from pipeline.made.near import value\nfrom pipeline.made.other import none")
    write(made / "other.py", "none = 0")
    write(made / "start.py", statement)
    before = digest("pipeline.made.start")
    write(made / "other.py", "none = None")
    assert digest("pipeline.made.start") == before, "what a package passes on besides is not needed"
    write(made / "far.py", "value = 2")
    assert digest("pipeline.made.start") != before
    assert digest("pipeline.made.start", apart=("pipeline.made.far",)) == digest(
        "pipeline.made.start", apart=("pipeline.made.far",)
    )


def test_a_package_stands_for_its_modules_and_its_other_files(package):
    write(package / "made" / "texts" / "page.html", "<p>")
    write(package / "made" / "one.py", "1")
    before = digest("pipeline.made")
    write(package / "made" / "texts" / "page.html", "<p><p>")
    between = digest("pipeline.made")
    write(package / "made" / "two.py", "2")
    assert len({before, between, digest("pipeline.made")}) == 3


@pytest.mark.parametrize(
    ("rule", "needs", "needs_not"),
    [
        ("pipeline.contrib.many_devices", ["train/many_devices.py", "train/solo.py"], ["figures/style.py"]),
        ("pipeline.contrib.noise.measurement.noise_scale", ["lab/theory/problem.py"], ["parts/optimizers/sgd.py"]),
        ("pipeline.contrib.machine.measurement.loading", ["parts/data/digits.py"], ["lab/theory/problem.py"]),
        ("pipeline.measure.step_cost", ["parts/optimizers/yogi.py", "train/solo.py"], ["figures/style.py"]),
    ],
)
def test_what_was_once_left_out_is_found(rule, needs, needs_not):
    found = {path.relative_to(PACKAGE).as_posix() for path in code.files([code._path(rule)])}
    assert set(needs) <= found
    assert not found & set(needs_not)


def test_a_part_outside_the_lab_counts_with_what_lies_beside_it(tmp_path):
    part, helper = tmp_path / "optimizer" / "mine.py", tmp_path / "optimizer" / "helper.py"
    write(helper, "factor = 1")
    write(part, "from helper import factor\nfrom pipeline.parts.optimizers.sgd import sgd\nimport torch")
    before = digest("pipeline.train.cells", parts=(part,))
    write(helper, "factor = 2")
    assert digest("pipeline.train.cells", parts=(part,)) != before


def test_code_that_cannot_be_parsed_is_named(tmp_path):
    write(tmp_path / "mine.py", "def mine(:\n")
    with pytest.raises(UserError, match=r"mine.py is not valid Python \(line 1: invalid syntax\)"):
        digest("pipeline.train.cells", parts=(tmp_path / "mine.py",))


def test_a_rule_that_leaves_parameters_to_another_counts_with_it():
    cell = Cell(compose_cell(["optimizer=muon", "model=mlp"]))
    assert {"muon.py", "adamw.py", "mlp.py"} <= {path.name for path in part_files(cell)}
