"""The page: everything else in this folder put into the templates, with nothing left to load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.figures.registry import Tables
from pipeline.lab.machine import machine_facts, package_versions
from pipeline.report import facts
from pipeline.report.answer import answer
from pipeline.report.assets import assets
from pipeline.report.browser import clock_titles, curves_data, seconds_kind
from pipeline.report.curves import drawn
from pipeline.report.language import ENGLISH, Language
from pipeline.report.pictures import InlinedFigure
from pipeline.report.rows import Row, table_rows
from pipeline.report.sources import SOURCES
from pipeline.report.summary import summarise
from pipeline.report.sweep_section import is_sweep, sweep_section
from pipeline.report.verdicts import SIGNS, Line, Verdicts


@dataclass(frozen=True)
class ShownFigure:
    """A figure as the page shows it: ``numbers`` is the English caption, where ``caption`` is another language's."""

    id: str
    title: str
    caption: str
    source: str
    numbers: str = ""


def render(
    studies: Mapping[str, Tables],
    figures: Sequence[InlinedFigure],
    provenance: Mapping[str, Any] | None = None,
    verdicts: Verdicts | None = None,
    lang: Language = ENGLISH,
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
    lang : Language
        The report's. The verdicts are to be read in the same one.

    Returns
    -------
    str
        An HTML page that loads nothing.
    """
    data = facts.data_facts(studies, provenance, lang)
    sections = [_study(name, tables, figures, data["title"]["value"], lang) for name, tables in studies.items()]
    measurements = [_shown(figure, lang) for figure in figures if figure.measurement]
    pictures = {figure.id: figure for study in sections for figure in study["figures"]}
    pictures |= {figure.id: figure for figure in measurements}
    twin = any(tables.offline_twin for tables in studies.values()) or bool((provenance or {}).get("offline_twin"))
    twin = twin or any(line.offline_twin for line in (verdicts.lines if verdicts else ()))
    return (
        _environment(lang)
        .get_template("report.html.j2")
        .render(
            studies=sections,
            clocks=list(clock_titles(lang)),
            clock_titles=clock_titles(lang),
            curves=curves_data(sections, lang),
            measurements=measurements,
            data=data,
            offline_twin=twin,
            machine=machine_facts(),
            versions=package_versions(),
            sources=SOURCES,
            verdicts=_numbered(verdicts, pictures) if verdicts else None,
            signs=[(symbol, style, lang.word(verdict)) for verdict, (symbol, style) in SIGNS.items()],
            assets=assets(),
        )
    )


def _environment(lang: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"lang": lang, "say": lang.say, "count": lang.count, "word": lang.word}
    return environment


def _study(
    name: str, tables: Tables, figures: Sequence[InlinedFigure], data_title: str, lang: Language
) -> dict[str, Any]:
    rows = table_rows(tables.cells, lang)
    sweep = sweep_section(tables, lang) if is_sweep(tables) else None
    chosen = drawn(tables)
    return {
        "name": name,
        "summary": summarise(tables, rows, data_title, sweep=sweep is not None, lang=lang),
        "answer": answer(chosen, lang),
        "drawn": chosen,
        "minimum": tables.minimum,
        "seconds": seconds_kind(tables, chosen),
        "losses": _losses(rows, lang),
        "sweep": sweep,
        "figures": [_shown(figure, lang) for figure in figures if figure.study == name],
        "rows": rows,
        # Without anything to be compared with, the columns would only be empty.
        "columns": any(row.published for row in rows),
        "accuracies": any(row.accuracy for row in rows),
        "clock": facts.clock(tables, lang),
        "statuses": facts.statuses(tables, lang, notes=sweep is None),
    }


def _losses(rows: Sequence[Row], lang: Language) -> str:
    """What the table's losses are: where there is an accuracy there are classes."""
    if any(row.accuracy for row in rows):
        return lang.say("One line a cell. Losses are mean cross-entropies over all training examples.")
    return lang.say("One line a cell. Losses are half mean squared errors over all training rows.")


def _shown(figure: InlinedFigure, lang: Language) -> ShownFigure:
    shown = ShownFigure(f"figure-{figure.name or 'unnamed'}", figure.title, figure.caption, figure.source)
    texts = lang.figures.get(figure.name)
    if texts is None:
        return shown
    return replace(shown, title=texts["title"], caption=texts["caption"], numbers=figure.caption)


def _numbered(verdicts: Verdicts, pictures: Mapping[str, ShownFigure]) -> dict[str, Any]:
    """The verdicts with anchors: ids of claims may hold anything, so claims are numbered."""
    numbered = {}
    for number, line in enumerate(verdicts.lines, 1):
        picture = pictures.get(f"figure-{line.figure}")
        numbered[line] = {
            **{name: getattr(line, name) for name in Line.__dataclass_fields__},
            "number": number,
            "picture": picture.id if picture else "",
            "picture_title": picture.title if picture else "",
        }
    return {
        "summary": verdicts.summary,
        "sources": verdicts.sources,
        "lines": list(numbered.values()),
        "headlines": [numbered[line] for line in verdicts.headlines],
        "groups": [(name, [numbered[line] for line in lines]) for name, lines in verdicts.groups],
    }
