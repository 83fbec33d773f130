"""The documentation site has an entry for every public key and column, and a place for every page."""

import re
import sys

import pytest
from repository import ROOT

DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

import ledger_pages  # noqa: E402
import reference  # noqa: E402

import pipeline  # noqa: E402
from pipeline.parts import own  # noqa: E402

ENTRIES, DESCRIPTIONS = reference.entries(), reference.descriptions()


@pytest.mark.parametrize("part", ENTRIES)
def test_every_public_key_and_column_has_one_line_and_no_line_is_left_over(part):
    names = [one.name for one in ENTRIES[part]]
    assert len(set(names)) == len(names) > 0
    assert {*names} == {*DESCRIPTIONS[part]}
    assert all(len(line.split()) > 1 for line in DESCRIPTIONS[part].values())


@pytest.mark.parametrize("page", [reference.keys_page, reference.tables_page])
def test_a_reference_page_shows_each_key_with_its_meaning_in_a_row_of_its_own(page):
    text = page()
    shown = {"keys_page": ("cell", "study", "answer", "workflow", "environment"), "tables_page": ("runs", "curves")}
    for part in shown[page.__name__]:
        for one in ENTRIES[part]:
            meaning = DESCRIPTIONS[part][one.name].replace("|", "\\|")
            assert re.search(rf"^\| `{re.escape(one.name)}` \|.*\| {re.escape(meaning)} \|$", text, re.MULTILINE), (
                one.name
            )


def test_the_defaults_of_the_reference_are_those_of_the_code():
    found = {one.name: one.default for one in ENTRIES["cell"]}
    assert (found["batch_size"], found["track"], found["study"]) == ("`10`", "`true`", "null")
    assert found["schedule.warmup_steps"] == "`0`"


def test_every_file_of_the_configuration_is_shown_as_it_is():
    text = reference.choices_page() + reference.tables_page()
    files = [path for group in reference.GROUPS for path in (ROOT / "conf" / group).glob("*.yaml")]
    assert len(files) > 40
    assert [path.name for path in files if path.read_text(encoding="utf-8").rstrip() not in text] == []


def test_the_variables_that_the_lab_reads_from_the_environment_are_listed():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "pipeline").rglob("*.py")]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "conf").rglob("*.yaml")]
    named = set(re.findall(r"\b(?:MINIBATCH_LAB|AIRFOIL)_[A-Z_]+\b", "\n".join(texts)))
    named -= {own.VARIABLE}  # set by the lab for its own jobs
    assert named <= {*DESCRIPTIONS["environment"]}
    assert {name for name in DESCRIPTIONS["environment"] if not name.startswith("MLFLOW")} == named


def test_every_command_with_a_help_of_its_own_is_on_the_page_of_commands():
    stages = {path.parent for path in (ROOT / "pipeline").glob("*/__main__.py")} - {ROOT / "pipeline" / "workflow"}
    assert {f"pipeline.{path.name}" for path in stages} <= {*reference.COMMANDS}


def test_every_public_name_is_on_the_page_for_python():
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    assert {*re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)} == {*pipeline.__all__}


def test_every_page_has_a_place_in_the_contents():
    listed = re.findall(r"^([\w/-]+|dev/\*)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert pages <= {*listed} and "dev/*" in listed
    notebooks = {f"generated/notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= {*listed}


def test_the_ledger_is_cut_into_a_page_a_claim_and_nothing_is_lost():
    whole = (DOCS / "ledger.md").read_text(encoding="utf-8")
    index, pages = ledger_pages.split_ledger(whole)
    assert len(pages) == len(re.findall(r"^## [A-Z]\d", whole, re.MULTILINE)) > 40
    together = index + "".join(pages.values())
    assert [line for line in whole.splitlines() if line.removeprefix("#").strip() not in together] == []
    assert all(f"(generated/claims/{name}.md)" in index for name in pages)
    assert "## Remarks" in index and not any("## Remarks" in page for page in pages.values())


@pytest.mark.parametrize("wrong", ["# No claims\n", "## A1: Something.\n\nNo outcome.\n"])
def test_a_ledger_without_claims_or_outcomes_is_an_error(wrong):
    with pytest.raises(ValueError, match=r"docs/ledger\.md"):
        ledger_pages.split_ledger(wrong)
