"""The report's languages.

English stands in the code and in the templates. Every other language has a folder in ``locale``: ``report.po``, a
gettext catalogue, and files with the texts that are somebody else's in English: ``claims.yaml`` and ``tests.yaml``
(what ``conf/claims.yaml`` says of claims, by id, and of tests, by name). The figures' texts are with the figures.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError
from pipeline.lab.language import ENGLISH, Language, mark, read_catalogue

__all__ = ["ENGLISH", "LANGUAGES", "LOCALE", "Language", "language", "mark"]

#: Where the languages are.
LOCALE = Path(__file__).parent / "locale"
#: Every language that the report can be written in.
LANGUAGES = ("en", *sorted(path.name for path in LOCALE.iterdir() if path.is_dir()))
_TEXTS = ("claims.yaml", "tests.yaml")


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
    from omegaconf import OmegaConf

    folder = LOCALE / code
    texts: list[Any] = [OmegaConf.to_object(OmegaConf.load(folder / name)) for name in _TEXTS]
    return Language(code, read_catalogue(folder / "report.po", code), *texts)
