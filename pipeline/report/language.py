"""The report's language: its sentences, its lists, and how its numbers are written.

English stands in the code and in the templates. Every other language has a folder in ``locale``: ``report.po``, a
gettext catalogue, and files with the texts that are somebody else's in English: ``claims.yaml`` and ``tests.yaml``
(those of ``conf/claims.yaml``, by id and by name) and ``figures.yaml`` (those of the figures, by name).
"""

import gettext
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.lab import formats
from pipeline.lab.errors import UserError

#: Where the languages are.
LOCALE = Path(__file__).parent / "locale"
#: Every language that the report can be written in.
LANGUAGES = ("en", *sorted(path.name for path in LOCALE.iterdir() if path.is_dir()))
_TEXTS = ("claims.yaml", "figures.yaml", "tests.yaml")

_BREAKS = re.compile(r"[ \n]+")  # and not the spaces that do not break
_SEPARATOR = re.compile(r"(?<=\d)[.,](?=\d)")


@dataclass(frozen=True, eq=False)
class Language:
    """How something is said.

    Parameters
    ----------
    code : str
        As in HTML's ``lang``.
    catalogue : gettext.NullTranslations
        The sentences.
    claims : mapping
        A claim's id to its text.
    figures : mapping
        A figure's name to its ``title`` and its ``caption``.
    tests : mapping
        What a test of a claim measures, in English, to the same in this language.
    """

    code: str = "en"
    catalogue: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)
    claims: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)

    def say(self, message: str, **values: Any) -> str:
        """Say a sentence; ``{name}`` stands for one of the values, which are texts or whole numbers."""
        return self._filled(self.catalogue.gettext(message_id(message)), values)

    def count(self, n: int, one: str, many: str, **values: Any) -> str:
        """Say a sentence about ``{n}`` things, which depends on whether it is one."""
        text = self.catalogue.ngettext(message_id(one), message_id(many), n)
        return self._filled(text, {"n": n, **values})

    def word(self, text: str) -> str:
        """Translate a text that comes from elsewhere as it stands; see :func:`mark`."""
        return self.catalogue.gettext(text) if text else text

    def _filled(self, text: str, values: Mapping[str, Any]) -> str:
        return text.format(**{key: self.whole(n) if isinstance(n, int) else n for key, n in values.items()})

    def listed(self, items: Sequence[str]) -> str:
        """Join words as a sentence does."""
        if len(items) < 2:
            return "".join(items)
        return self.say("{items} and {last}", items=", ".join(items[:-1]), last=items[-1])

    def local(self, number: str) -> str:
        """Write an English number, or several, with this language's separators.

        Examples
        --------
        >>> Language().local("1,500 of 0.25"), Language("pt").local("1,500 of 0.25")
        ('1,500 of 0.25', '1.500 of 0,25')
        """
        if self.code == "en":
            return number
        return _SEPARATOR.sub(lambda match: "," if match[0] == "." else ".", number)

    def whole(self, value: int) -> str:
        """Write a whole number."""
        return self.local(f"{value:,}")

    def between(self, low: str, high: str) -> str:
        """Write an interval of two numbers; where commas are in numbers, a semicolon parts them."""
        return f"[{low}{',' if self.code == 'en' else ';'}\N{NO-BREAK SPACE}{high}]"

    def loss(self, value: float | None) -> str:
        """Write a loss; see :func:`pipeline.lab.formats.loss`."""
        return self.local(formats.loss(value))

    def number(self, value: float | None, digits: int = 3) -> str:
        """Write a number; see :func:`pipeline.lab.formats.number`."""
        return self.local(formats.number(value, digits))

    def cost(self, value: float, clock: str) -> str:
        """Write what a run spends; see :func:`pipeline.lab.formats.cost`."""
        return self.local(formats.cost(value, clock))

    def rate(self, value: float) -> str:
        """Write a learning rate, with as many digits as tell it apart."""
        return self.local(f"{value:.4g}")

    def seconds(self, value: float | None) -> str:
        """Write a time; see :func:`pipeline.lab.formats.seconds`."""
        return self.local(formats.seconds(value))


ENGLISH = Language()


def message_id(message: str) -> str:
    """A message as the catalogue has it, however its lines are broken in the source."""
    return _BREAKS.sub(" ", message)


def mark(message: str) -> str:
    """Mark a text that is looked up where its value is known: the catalogue must have it."""
    return message


@lru_cache
def language(code: str) -> Language:
    """Read a language.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    if code not in LANGUAGES:
        raise UserError(f"lang={code} is not allowed: it must be one of {', '.join(LANGUAGES)}")
    if code == "en":
        return ENGLISH
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from omegaconf import OmegaConf

    folder = LOCALE / code
    with (folder / "report.po").open("rb") as file:
        compiled = io.BytesIO()
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    texts: list[Any] = [OmegaConf.to_object(OmegaConf.load(folder / name)) for name in _TEXTS]
    return Language(code, gettext.GNUTranslations(compiled), *texts)
