"""Every text of the report exists in every language, with the same placeholders."""

import pytest
from babel.messages.pofile import read_po
from catalogue import FIGURES_SAY, messages, placeholders
from conftest import ROOT

from pipeline.claims.ledger import read_ledger
from pipeline.figures.registry import registered
from pipeline.figures.words import LANGUAGES as FIGURES_LANGUAGES
from pipeline.figures.words import LOCALE as FIGURES_LOCALE
from pipeline.lab.errors import UserError
from pipeline.report.language import ENGLISH, LANGUAGES, LOCALE, language
from pipeline.report.verdicts import FIGURES
from pipeline.workflow.settings import read_settings

OTHERS = [code for code in LANGUAGES if code != "en"]
LEDGER = read_ledger(ROOT / "conf" / "claims.yaml")


def figure_names():
    return {entry.name for entry in registered()}


def catalogues(code):
    """What the report says and what the figures say, each with its catalogue."""
    return (messages(), LOCALE / code / "report.po"), (messages(FIGURES_SAY), FIGURES_LOCALE / f"{code}.po")


def entries(path, code):
    """The catalogue's texts: a message to its translations."""
    with path.open("rb") as file:
        found = {}
        for message in read_po(file, locale=code):
            if message.id:
                key, text = ((part,) if isinstance(part, str) else tuple(part) for part in (message.id, message.string))
                found[key] = text
        return found


def test_there_is_portuguese_and_the_workflow_knows_without_importing_anything(run):
    assert "pt" in OTHERS
    assert [read_settings({"report_lang": code}).report_lang for code in LANGUAGES] == list(LANGUAGES)
    slow = {"babel", "jinja2", "matplotlib", "numpy", "pandas", "torch"}
    script = (
        "import sys\nfrom pipeline.workflow.settings import read_settings\n"
        f'read_settings({{"report_lang": "pt"}})\nprint(sorted({slow} & set(sys.modules)))'
    )
    assert run("python", "-c", script).stdout.strip() == "[]"


@pytest.mark.parametrize("code", OTHERS)
def test_the_catalogue_has_every_message_and_no_other(code):
    for said, path in catalogues(code):
        translated = {key for key, text in entries(path, code).items() if all(text)}
        assert len(said) > 200
        assert sorted(said - translated) == []
        assert sorted(translated - said) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_placeholders_of_its_message(code):
    for _, path in catalogues(code):
        for key, texts in entries(path, code).items():
            for message, text in zip(key, texts, strict=True):
                assert placeholders(text) == placeholders(message), message


@pytest.mark.parametrize("code", OTHERS)
def test_every_claim_and_every_test_has_its_text(code):
    assert language(code).claims.keys() == {claim.id for claim in LEDGER.claims}
    keys = {claim.id: ("text", "setting", "why", *["machine"] * bool(claim.machine)) for claim in LEDGER.claims}
    assert {name: tuple(words) for name, words in language(code).claims.items()} == keys
    assert language(code).tests.keys() == {test.name for claim in LEDGER.claims for test in claim.tests}


def test_the_figures_speak_every_language_of_the_report():
    assert FIGURES_LANGUAGES == LANGUAGES


def test_a_claims_figure_exists_and_so_does_the_claim():
    assert FIGURES.keys() <= {claim.id for claim in LEDGER.claims}
    assert set(FIGURES.values()) <= figure_names()


def test_an_unknown_language_is_refused():
    with pytest.raises(UserError, match="lang=fr is not allowed: it must be one of en, pt"):
        language("fr")


def test_portuguese_writes_numbers_and_plurals_its_own_way():
    portuguese = language("pt")
    assert portuguese.whole(7800) == "7.800" and ENGLISH.whole(7800) == "7,800"
    assert portuguese.loss(0.24168) == "0,24168"
    assert portuguese.between("0,1", "0,2") == "[0,1;\xa00,2]"
    assert portuguese.count(1, "{n} run", "{n} runs") == "1 execução"
    assert portuguese.count(2, "{n} run", "{n} runs") == "2 execuções"
    assert portuguese.listed(["a", "b", "c"]) == "a, b e c"
