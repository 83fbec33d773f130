"""The language that figures are drawn in: English unless another one is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from pipeline.lab.config import checks
from pipeline.lab.language import ENGLISH, Language, mark, read_catalogue

#: A gettext catalogue for each language, with all that the figures say.
LOCALE = Path(__file__).parent / "locale"
#: Every language that figures can be drawn in.
LANGUAGES = ("en", *sorted(path.stem for path in LOCALE.glob("*.po")))

#: What losses are, which is looked up.
_WORDS = (
    *(mark("half mean squared error"), mark("half mean squared error, examples held out")),
    *(mark("mean cross-entropy"), mark("mean cross-entropy, examples held out")),
    *(mark("as the task defines it"), mark("as the task defines it, examples held out")),
    *(mark("of several tasks"), mark("of several tasks, examples held out")),
    *(mark("final loss"), mark("final loss − minimum"), mark("final validation loss")),
)

_LANGUAGE: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def lang() -> Language:
    """The language that is spoken now."""
    return _LANGUAGE.get()


def sentences(*parts: str) -> str:
    """Join sentences, without those that have nothing to say."""
    return " ".join(part for part in parts if part)


def passed(agrees: bool) -> str:
    """The verdict of a rule."""
    return lang().say("pass") if agrees else lang().say("FAIL")


@contextmanager
def spoken(code: str) -> Iterator[None]:
    """Draw in a language, with its numbers.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    checks.one_of("lang", code, LANGUAGES)
    before = _LANGUAGE.set(ENGLISH if code == "en" else Language(code, read_catalogue(LOCALE / f"{code}.po", code)))
    try:
        yield
    finally:
        _LANGUAGE.reset(before)
