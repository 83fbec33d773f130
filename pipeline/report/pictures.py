"""The figures, as they stand inside the page."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.lab.errors import UserError


@dataclass(frozen=True)
class InlinedFigure:
    """A figure with its picture inside.

    Parameters
    ----------
    title, caption : str
        Plain text.
    study : str
        The study it was drawn from; empty if it is of a measurement.
    source : str
        A ``data:`` URI.
    measurement : str
        The measurement it was drawn from; empty if it is of a study.
    name : str
        The stem of its files.
    """

    title: str
    caption: str
    study: str
    source: str
    measurement: str = ""
    name: str = ""


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
        return [
            InlinedFigure(
                title=str(entry["title"]),
                caption=str(entry["caption"]),
                study=str(entry["study"]),
                source=_data_uri(folder / Path(entry["svg"]).name),
                measurement=str(entry.get("measurement", "")),
                name=str(entry.get("name", "")),
            )
            for entry in json.loads(path.read_text(encoding="utf-8"))
        ]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: draw the figures with python -m pipeline.figures") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a list of captions ({error}): draw the figures again") from None


def _data_uri(svg: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"
