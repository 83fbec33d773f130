"""What the page carries inside it: style, scripts, the policy that lets nothing else in, and the figures."""

import base64
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.lab.errors import MAKE_AGAIN, UserError

FOLDER = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Assets:
    """What the page carries along.

    Parameters
    ----------
    style : str
        CSS.
    scripts : tuple of str
        JavaScript, in the order of the files' names.
    """

    style: str
    scripts: tuple[str, ...]

    @property
    def policy(self) -> str:
        """The Content-Security-Policy: no request, no script but these, by their SHA-256, and no ``eval``.

        Charts and the card of a reading set style attributes: hence ``unsafe-inline``, for styles only.
        """
        hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in self.scripts)
        return (
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        )


@functools.cache
def assets() -> Assets:
    """Read them."""
    # No end tag may stand in a script; what the page carries is trusted, and this says so if that ever changes.
    scripts = tuple(script.replace("</script", "<\\/script") for script in _texts("*.js"))
    return Assets("".join(_texts("*.css")), scripts)


def _texts(pattern: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob(pattern))]


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@dataclass(frozen=True)
class InlinedFigure:
    """A figure with its picture inside.

    Parameters
    ----------
    name : str
        The figure's name.
    title, caption : str
        Plain text.
    study : str
        The study it was drawn from; empty if it is of a measurement.
    source : str
        A ``data:`` URI.
    """

    name: str
    title: str
    caption: str
    study: str
    source: str

    @property
    def id(self) -> str:
        """The page's anchor: study, or ``measure``, and name."""
        return f"figure-{self.study or 'measure'}-{self.name}"


def read_figures(folder: Path) -> list[InlinedFigure]:
    """Read the figures that ``python -m pipeline.figures`` drew.

    Parameters
    ----------
    folder : Path
        With ``captions.json`` and the SVG files it names.

    Returns
    -------
    list of InlinedFigure

    Raises
    ------
    UserError
        If a file is missing or is no such file.
    """
    path = folder / "captions.json"
    try:
        return [_inlined(folder, entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: draw the figures with python -m pipeline.figures") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a list of captions ({error}): {MAKE_AGAIN}") from None


def _inlined(folder: Path, entry: dict[str, Any]) -> InlinedFigure:
    path = folder / entry["svg"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is outside of the folder")
    source = f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"
    words = {key: str(entry[key]) for key in ("name", "title", "caption", "study")}
    return InlinedFigure(**words, source=source)
