"""The figures, inlined."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.lab.errors import MAKE_AGAIN, UserError


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
        """Study, or ``measure``, and name."""
        return f"{self.study or 'measure'}-{self.name}"


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
