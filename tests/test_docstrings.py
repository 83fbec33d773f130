"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import pipeline

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(pipeline.__path__, "pipeline.") if "__main__" not in module.name
)


#: Each of these runs in an environment of its own, where the lab's packages are not.
FRAMEWORKS = {f"pipeline.contrib.frameworks.run_{name}": name for name in ("jax", "mxnet", "tensorflow")}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    if name in FRAMEWORKS:
        pytest.importorskip(FRAMEWORKS[name], reason="runs in an environment of its own")
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_there_are_examples():
    found = [
        test
        for name in ("pipeline.lab.config.cell", "pipeline.train.intervals")
        for test in doctest.DocTestFinder().find(importlib.import_module(name))
        if test.examples
    ]
    assert len(found) >= 3
