"""What figures and report say, in a language: its sentences, its lists, and how its numbers are written.

English stands in the code and in the templates; every other language is a gettext catalogue.
"""

import gettext
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.lab import formats

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
        A claim's id to its text, its setting and its reason, by the ledger's keys.
    tests : mapping
        What a test of a claim measures, in English, to the same in this language.
    """

    code: str = "en"
    catalogue: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)
    claims: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
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


def read_catalogue(path: Path, code: str) -> gettext.GNUTranslations:
    """Read a gettext catalogue, ``.po``, of the language."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
