"""The page: the parts of the report put into the templates, with nothing left to load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.analysis.study import AnalysedStudy
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.machine import machine_facts, package_versions
from pipeline.report import facts
from pipeline.report.answer import Answer, answer
from pipeline.report.assets import InlinedFigure, assets
from pipeline.report.browser import clock_titles, curves_data, seconds_kind
from pipeline.report.choose import SCARCE, choosers
from pipeline.report.curves import Drawn, drawn
from pipeline.report.language import ENGLISH, Language, mark
from pipeline.report.race import race_section, raced
from pipeline.report.rows import SOURCES, table_rows
from pipeline.report.sweep_section import sweep_section
from pipeline.report.verdicts import SIGNS, Verdicts


def render(
    studies: Sequence[AnalysedStudy],
    figures: Sequence[InlinedFigure],
    verdicts: Verdicts | None = None,
    lang: Language = ENGLISH,
    mlflow: str | None = None,
) -> str:
    """Write the report.

    Parameters
    ----------
    studies : sequence of AnalysedStudy
        In the order of the page.
    figures : sequence of InlinedFigure
        Those of other studies are left out.
    verdicts : Verdicts, optional
        Those of the claims; without them the page has no table of claims.
    lang : Language
        The report's. The verdicts are to be read in the same one.
    mlflow : str, optional
        A page beside the report with links to the studies in MLflow; without one the report has no such links.

    Returns
    -------
    str
        An HTML page that loads nothing.
    """
    sections = [_study(study, figures, lang) for study in studies]
    measurements = [figure for figure in figures if not figure.study]
    pictures = {figure.id: figure for shown in (measurements, *(s["figures"] for s in sections)) for figure in shown}
    twin = any(study.offline_twin for study in studies)
    if verdicts and all(line["stored"] for line in verdicts.lines):  # no claim is about these data
        verdicts = None
    if verdicts:
        twin = twin or any(line["offline_twin"] for line in verdicts.lines)
    return (
        _environment(lang)
        .get_template("report.html.j2")
        .render(
            about=facts.about(studies, lang),
            studies=sections,
            clocks=list(clock_titles(lang)),
            clock_titles=clock_titles(lang),
            curves=curves_data(sections, lang),
            choosers=choosers(studies, lang),
            scarce=SCARCE,
            measurements=measurements,
            data=facts.data_facts(studies, lang),
            offline_twin=twin,
            machine=machine_facts(),
            versions=package_versions(),
            sources=SOURCES,
            verdicts=verdicts,
            pictures=pictures,
            signs=[(symbol, style, lang.word(verdict)) for verdict, (symbol, style) in SIGNS.items()],
            assets=assets(),
            mlflow=mlflow,
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


#: What losses can be, which is looked up.
_LOSSES = (
    mark("half mean squared error"),
    mark("mean cross-entropy"),
    mark("as the task defines it"),
    mark("of several tasks"),
)


def _study(study: AnalysedStudy, figures: Sequence[InlinedFigure], lang: Language) -> dict[str, Any]:
    rows = table_rows(study, lang)
    sweep = sweep_section(study, lang) if study.kind == "sweep" else None
    chosen = drawn(study)
    return {
        "name": study.name,
        "title": study.title,
        "summary": facts.summarise(study, rows, lang),
        "answer": _answer(study, chosen, lang),
        "race": race_section(study, lang),
        "drawn": chosen,
        "minimum": study.minimum,
        "limit": study.problem and lang.number(study.problem.max_stable_lr_full_batch),
        "seconds": seconds_kind(study, chosen),
        "loss_kind": study.loss_kind,
        "held_out": study.metric == "validation_loss",
        "sweep": sweep,
        "figures": [figure for figure in figures if figure.study == study.name],
        "rows": rows,
        # Without anything to be compared with, the columns would only be empty.
        "columns": any(row.published for row in rows),
        "accuracies": any(row.accuracy for row in rows),
        "timed": study.timed,
        "clock": facts.clock(study, lang),
        "statuses": facts.statuses(study, lang, notes=sweep is None),
    }


def _answer(study: AnalysedStudy, chosen: Drawn, lang: Language) -> Answer:
    race, found = study.words.get("answer"), answer(chosen, lang)
    return raced(found, race, study.examples, lang) if race else found


def _spent(cost: str, clock: str) -> str:
    return cost if clock == "seconds" else f"{cost} {clock.removesuffix('s') if cost == '1' else clock}"


def answers(studies: Sequence[AnalysedStudy]) -> list[str]:
    """A line for each study, for the terminal: which cells get to its target for the least, on each clock."""
    lines = []
    for study in studies:
        found = _answer(study, drawn(study), ENGLISH)
        first = grouped((who, _spent(cost, clock)) for clock, (cost, who) in found.first.items() if who)
        needs = "; ".join(f"in {formats.listed(least)} by {who}" for who, least in first.items())
        line = f"{study.name}: a loss of {found.target} is reached {needs or 'by no cell'}"
        lines.append(line.replace("\N{NO-BREAK SPACE}", " "))
    return lines
