"""The data of the page's script, as JSON: curves, charts, and its words in the report's language."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.analysis.study import AnalysedStudy
from pipeline.report.chart import DASHES, PALETTE, loss_chart
from pipeline.report.clocks import CLOCKS
from pipeline.report.curves import Drawn, records, views
from pipeline.report.language import Language

#: How a browser writes numbers: its own name of the language, and D3's description of it.
_LOCALES = {
    "en": {"tag": "en-GB", "format": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", ""]}},
    "pt": {"tag": "pt-BR", "format": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", ""]}},
}


def curves_data(studies: Sequence[Mapping[str, Any]], lang: Language) -> dict[str, Any]:
    """Everything that the page's script reads.

    Parameters
    ----------
    studies : sequence of mapping
        Sections of the page: ``name``, ``drawn``, ``answer``, ``minimum``, ``seconds``, ``accuracies``.
    lang : Language
        The report's.

    Returns
    -------
    dict
        ``studies``, ``charts``, ``strings``, ``locale``; nothing in it is infinite or NaN, which JSON does not know.
    """
    return {
        "studies": [_study(study, lang) for study in studies],
        "charts": {kind: loss_chart(kind) for kind in ("linear", "log")},
        "styles": [{"colour": colour, "dash": dash} for colour, dash in zip(PALETTE, DASHES, strict=True)],
        "strings": _strings(lang),
        "locale": _LOCALES[lang.code],
    }


def clock_titles(lang: Language) -> dict[str, str]:
    """The clocks, as a heading or an axis names them."""
    titles = {
        "epochs": lang.say("Epochs (passes over the data)"),
        "steps": lang.say("Steps (updates)"),
        "examples": lang.say("Examples seen"),
        "seconds": lang.say("Seconds of training"),
    }
    assert titles.keys() == CLOCKS.keys()
    return titles


def seconds_kind(study: AnalysedStudy, chosen: Drawn) -> str:
    """Where a study's seconds come from: ``measured`` by the clock, ``derived`` from the steps, or ``none``."""
    if study.curves["seconds"].notna().any():
        return "measured"
    known = any(curves["seconds"].notna().any() for curves in chosen.curves.values())
    return "derived" if known else "none"


def _study(study: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    chosen: Drawn = study["drawn"]
    kind: str = study["loss_kind"]
    kind = lang.word(kind)
    return {
        "name": study["name"],
        "cells": [{**record, "steps": record["step"]} for record in records(chosen)],
        "views": views(chosen.cells),
        "start": "sgd",
        "minimum": study["minimum"],
        "seconds": study["seconds"],
        "ranking": study["answer"].ranking,
        "note": _note(chosen, lang),
        "lossName": (
            lang.say("loss of the examples held out ({name})", name=kind)
            if study["held_out"]
            else lang.say("loss ({name})", name=kind)
        ),
    }


def _note(chosen: Drawn, lang: Language) -> str:
    """Say which cells are drawn, where that is not all of them."""
    if len(chosen.cells) == chosen.total:
        return lang.say("Every cell of the study is drawn: the median over its seeds.")
    if chosen.best:
        return lang.say(
            "{n} of {total} cells are drawn: for each optimizer and batch size, the learning rate that is first at the "
            "target. A line is the median over the seeds.",
            n=len(chosen.cells),
            total=chosen.total,
        )
    return lang.say(
        "{n} of {total} cells are drawn, evenly chosen. A line is the median over the seeds.",
        n=len(chosen.cells),
        total=chosen.total,
    )


def _strings(lang: Language) -> dict[str, Any]:
    return {
        "axis": clock_titles(lang),
        "logScale": lang.say("log scale"),
        "aboveMinimum": lang.say("loss above the minimum"),
        "allCells": lang.say("all cells"),
        "cell": lang.say("Cell"),
        "reading": lang.say("Reading"),
        "loss": lang.say("Loss, median [10 %; 90 %]"),
        "seed": lang.say("Seed"),
        "seedText": lang.say("{{seed}} is the run next to the median here; seeds {{seeds}}"),
        "command": lang.say("Command"),
        "noCommand": lang.say("none: this configuration is not one that conf/ composes today"),
        "mlflow": lang.say("MLflow run"),
        "derived": lang.say(
            "Seconds are steps times the measured time of a step: these runs were stacked and have no clock."
        ),
        **{clock: lang.word(clock) for clock in CLOCKS},
    }
