"""What the workflow knows of figures and languages without importing them is what there is."""

from pipeline.figures import registry
from pipeline.figures.measured import registry as measured_registry
from pipeline.figures.names import figure_names
from pipeline.report.language import LANGUAGES
from pipeline.workflow import settings as request


def test_the_figures_read_from_their_files_are_those_that_register():
    registered = {(entry.name, entry.title, entry.study, "") for entry in registry.registered()}
    registered |= {(entry.name, entry.title, "", entry.measurement) for entry in measured_registry.registered()}
    assert {(one.name, one.title, one.study, one.measurement) for one in figure_names()} == registered


def test_the_languages_are_those_that_have_a_catalogue():
    assert request.report_languages() == list(LANGUAGES)
