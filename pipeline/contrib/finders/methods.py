"""Every method that is audited, cheapest kind first."""

from pipeline.contrib.finders import halving, lightning_tuner, parameter_free, raced, rules, samplers
from pipeline.contrib.finders.method import Method


def every_method() -> list[Method]:
    """The methods of all files, in the order of table and figure."""
    files = (rules, lightning_tuner, parameter_free, samplers, halving, raced)
    return [method for file in files for method in file.methods()]
