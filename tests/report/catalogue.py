"""Everything that the report and the figures say, found in its code and templates by Babel."""

import io
import re
from string import Formatter

from babel.messages.extract import extract
from conftest import ROOT

PACKAGE = ROOT / "pipeline"
REPORT_SAYS = [
    *sorted((PACKAGE / "report").rglob("*.py")),
    *sorted((PACKAGE / "report").rglob("*.j2")),
    *(PACKAGE / "analysis" / "best.py", PACKAGE / "analysis" / "cells.py", PACKAGE / "lab" / "language.py"),
]
FIGURES_SAY = [
    *sorted((PACKAGE / "figures").glob("*.py")),
    *sorted((PACKAGE / "contrib").glob("*/figure/*.py")),
    *(PACKAGE / "analysis" / "cells.py", PACKAGE / "lab" / "language.py"),
]
_KEYWORDS = {"say": None, "word": None, "mark": None, "count": (2, 3)}


def messages(paths=REPORT_SAYS):
    """Every message: a text, or a pair of them where it depends on a number."""
    found = set()
    for path in paths:
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        options = {} if path.suffix == ".py" else {"trim_blocks": "true", "lstrip_blocks": "true"}
        with io.BytesIO(path.read_bytes()) as file:
            for _, text, _, _ in extract(method, file, keywords=_KEYWORDS, options=options):
                texts = (text,) if isinstance(text, str) else tuple(part for part in text if part)
                found.add(tuple(re.sub(r"[ \n]+", " ", part) for part in texts))
    return found


def placeholders(text):
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
