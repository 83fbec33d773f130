"""The page: everything above put into the template, with nothing left to load."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import UserError
from pipeline.figures import formats
from pipeline.figures.cells import CellSummary, unstable
from pipeline.figures.registry import Tables
from pipeline.machine import machine_facts, package_versions
from pipeline.published import SOURCES
from pipeline.report.rows import Row, table_rows
from pipeline.report.summary import summarise
from pipeline.report.sweep_section import is_sweep, sweep_section
from pipeline.report.verdicts import Verdicts


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
    """

    title: str
    caption: str
    study: str
    source: str
    measurement: str = ""


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
            )
            for entry in json.loads(path.read_text(encoding="utf-8"))
        ]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: draw the figures with python -m pipeline.figures") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a list of captions ({error}): draw the figures again") from None


def _data_uri(svg: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"


def render(
    studies: Mapping[str, Tables],
    figures: Sequence[InlinedFigure],
    provenance: Mapping[str, Any] | None = None,
    verdicts: Verdicts | None = None,
) -> str:
    """Write the report.

    Parameters
    ----------
    studies : mapping
        A study's name to its tables.
    figures : sequence of InlinedFigure
        Those of other studies are left out.
    provenance : mapping, optional
        Where the data come from: ``title``, ``credit``, ``licence``, ``source``, ``sha1``,
        ``offline_twin``. Without it, what the cells' configuration says.
    verdicts : Verdicts, optional
        Those of the claims; without them the page has no table of claims.

    Returns
    -------
    str
        An HTML page that loads nothing.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = _data_facts(studies, provenance)
    twin = any(tables.offline_twin for tables in studies.values()) or bool((provenance or {}).get("offline_twin"))
    twin = twin or any(line.offline_twin for line in (verdicts.lines if verdicts else ()))
    return environment.get_template("report.html.j2").render(
        studies=[_study(name, tables, figures, data["Data"]) for name, tables in studies.items()],
        measurements=[figure for figure in figures if figure.measurement],
        data=data,
        offline_twin=twin,
        machine=machine_facts(),
        versions=package_versions(),
        sources=SOURCES,
        verdicts=verdicts,
    )


def _study(name: str, tables: Tables, figures: Sequence[InlinedFigure], data_title: str) -> dict[str, Any]:
    rows = table_rows(tables.cells)
    sweep = sweep_section(tables) if is_sweep(tables) else None
    return {
        "name": name,
        "summary": summarise(tables, rows, data_title, sweep=sweep is not None),
        "sweep": sweep,
        "figures": [figure for figure in figures if figure.study == name],
        "rows": rows,
        "columns": _published_columns(rows),
        "accuracies": any(row.accuracy for row in rows),
        "clock": _clock(tables),
        "statuses": _statuses(tables, notes=sweep is None),
    }


def _published_columns(rows: Sequence[Row]) -> bool:
    """Whether any cell has something to be compared with; else the columns would only be empty."""
    return any(row.published for row in rows)


def _statuses(tables: Tables, *, notes: bool) -> dict[str, Any]:
    """How many runs ended how, and the cells about which there is more to say."""
    cells = tables.cells
    counts: Counter[str] = sum((Counter(cell.statuses) for cell in cells), Counter())
    counted = {status: counts.get(status, 0) for status in dict.fromkeys(["ok", "diverged", "error", *counts])}
    return {"counts": counted, "notes": _notes(cells) if notes else []}


def _notes(cells: Sequence[CellSummary]) -> list[str]:
    notes = []
    for cell in cells:
        for status, n in cell.statuses.items():
            if status == "ok":
                continue
            rows = cell.runs[cell.runs["status"] == status]
            text = f"{formats.quoted(cell.label)}: {n} of {len(cell.runs)} runs ended with status {status}"
            steps = rows["diverged_step"].dropna().astype(float)
            if len(steps):
                text += f", noticed at step {steps.median():,.0f} (median)"
            notes.append(f"{text}; seeds {formats.listed([str(seed) for seed in rows['seed']])}.")
    for cell, initial, final in unstable(list(cells)):
        notes.append(
            f"{formats.quoted(cell.label)} has status ok and yet its loss rises from {formats.loss(initial)} to "
            f"{formats.loss(final)}: it was on its way to divergence when its epochs were over."
        )
    return notes


def _clock(tables: Tables) -> str:
    """Say which runs have a clock."""
    engines = Counter(map(str, tables.runs["engine"]))
    timed = int(tables.runs["seconds_per_epoch"].notna().sum())
    total = len(tables.runs)
    if not timed:
        return f"None of the {formats.count(total, 'run')} has a clock (engine {formats.listed(sorted(engines))})."
    seeds = tables.runs.groupby("cell_id").size()
    repeats = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    share = f"{timed:,} of {formats.count(total, 'run')}"
    return f"{share} have a clock; a cell's seconds are the median of {repeats} repeats."


def _data_facts(studies: Mapping[str, Tables], provenance: Mapping[str, Any] | None) -> dict[str, str]:
    """Title, credit, licence, source and hash of the data."""
    if provenance is None:
        config = next(tables.cells[0].config.get("data", {}) for tables in studies.values())
        return {
            "Data": str(config.get("title") or config.get("name", "unknown data")),
            "Credit": str(config.get("credit", "not recorded")),
            "Licence": str(config.get("licence", "not recorded")),
        }
    return {
        "Data": str(provenance.get("title", "unknown data")),
        "Credit": str(provenance.get("credit", "not recorded")),
        "Licence": str(provenance.get("licence", "not recorded")),
        "Source": public_source(str(provenance.get("source", "not recorded"))),
        "SHA-1": str(provenance.get("sha1", "not recorded")),
    }


def public_source(source: str) -> str:
    """Name a source without the folders of this machine: a report is made to be given away.

    Examples
    --------
    >>> public_source("/home/ada/data/airfoil.dat"), public_source("https://example.org/airfoil.zip")
    ('a local copy, airfoil.dat', 'https://example.org/airfoil.zip')
    """
    if urlsplit(source).scheme in {"http", "https"} or not ("/" in source or "\\" in source):
        return source
    return f"a local copy, {source.replace(chr(92), '/').rsplit('/', 1)[-1]}"
