"""The data of the page's script, as JSON: curves, and its words in the report's language."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.analysis.study import AnalysedStudy
from pipeline.report.clocks import CLOCKS
from pipeline.report.curves import Drawn, records
from pipeline.report.language import Language

#: Colours that differ in lightness too, and stand out on white as on black (contrast 3 and more).
PALETTE = (
    "#0079c4", "#d1570f", "#00916b", "#b0568f", "#8a7400", "#7a6ad0", "#c2403f", "#5f7f00", "#00879e", "#8c6d5a"
)  # fmt: skip
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3], [12, 3], [4, 4], [3, 1], [6, 2, 1, 2])


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
        ``studies``, ``styles``, ``strings``; nothing in it is infinite or NaN, which JSON does not know.
    """
    return {
        "studies": [_study(study, lang) for study in studies],
        "styles": [{"colour": colour, "dash": dash} for colour, dash in zip(PALETTE, DASHES, strict=True)],
        "strings": _strings(lang),
    }


def clock_titles(lang: Language) -> dict[str, str]:
    """The clocks, as a heading or an axis names them."""
    return {
        "epochs": lang.say("Epochs (passes over the data)"),
        "steps": lang.say("Steps (updates)"),
        "examples": lang.say("Examples seen"),
        "seconds": lang.say("Seconds of training"),
    }


def seconds_kind(study: AnalysedStudy, chosen: Drawn) -> str:
    """Where a study's seconds come from: ``measured`` by the clock, ``derived`` from the steps, or ``none``."""
    known = any(curves["seconds"].notna().any() for curves in chosen.curves.values())
    return "measured" if study.curves["seconds"].notna().any() else "derived" if known else "none"


def _study(study: Mapping[str, Any], lang: Language) -> dict[str, Any]:
    chosen: Drawn = study["drawn"]
    kind: str = study["loss_kind"]
    kind, cells = lang.word(kind), records(chosen, lang)
    grids: dict[str, int] = {}
    for cell in cells:  # many cells are read at the same places
        grid = {name: cell.pop(name) for name in ("steps", "examples", "epochs")}
        cell["grid"] = grids.setdefault(json.dumps(grid), len(grids))
    return {
        "name": study["name"],
        "title": study["title"],
        "cells": cells,
        "drawn": len(chosen.cells),
        "mapped": chosen.best and len(cells) == chosen.total,
        "grids": [json.loads(grid) for grid in grids],
        "target": chosen.target,
        "readEvery": _read_every(chosen, lang),
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


def _read_every(chosen: Drawn, lang: Language) -> str:
    """Say how finely the loss is read, and what is taken to happen in between."""
    gaps = [gap for curves in chosen.curves.values() for gap in np.diff(np.unique(curves["examples"]))]
    return lang.count(
        int(min(gaps, default=0)),
        "The loss is read after every {n} example, or after each update where a batch has more. Between two readings "
        "it is taken to fall evenly: a cost is no surer than that.",
        "The loss is read after every {n} examples, or after each update where a batch has more. Between two readings "
        "it is taken to fall evenly: a cost is no surer than that.",
    )


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
        "aboveMinimum": lang.say("loss above the minimum, {{minimum}} (log scale)"),
        "allCells": lang.say("all cells"),
        "cell": lang.say("Cell"),
        "reading": lang.say("Reading"),
        "loss": lang.say("Loss, median [quartiles]"),
        "target": lang.say("to reach: {{target}}"),
        "copy": lang.say("Copy"),
        "close": lang.say("Close"),
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
