"""The data of the page's script, as JSON: curves, charts in Vega-Lite, and its words in the report's language."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.analysis.study import AnalysedStudy
from pipeline.report.clocks import CLOCKS
from pipeline.report.curves import Drawn, records, views
from pipeline.report.language import Language

#: Colours that differ in lightness too, and stand out on white as on black (contrast 3 and more).
PALETTE = (
    "#0079c4", "#d1570f", "#00916b", "#b0568f", "#8a7400", "#7a6ad0", "#c2403f", "#5f7f00", "#00879e", "#8c6d5a"
)  # fmt: skip
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3], [12, 3], [4, 4], [3, 1], [6, 2, 1, 2])
HEIGHT = 300
#: A number of seconds with its unit, as an expression of Vega's.
_SECONDS = (
    "datum.value >= 0.9995 ? format(datum.value, '.3~g') + ' s'"
    " : datum.value >= 0.9995e-3 ? format(datum.value * 1e3, '.3~g') + ' ms'"
    " : format(datum.value * 1e6, '.3~g') + ' µs'"
)


@functools.cache
def loss_chart(kind: str) -> dict[str, Any]:
    """The specification of the chart of loss curves.

    Parameters
    ----------
    kind : str
        Of the axis of losses: ``linear`` or ``log``.

    Returns
    -------
    dict
        Vega-Lite. Its data sets are ``points`` and ``chosen`` (one point, or none), of ``x``, ``y``, ``low``, ``high``,
        ``series`` and ``id``. Its parameters are ``selected`` (the cell whose spread is drawn), ``unit`` (of x),
        ``bottom`` and ``top`` (the ends of the axis of losses). The script names the axes, and puts
        a legend of :data:`PALETTE` and :data:`DASHES` below.
    """
    import altair as alt

    names: dict[str, str | float] = {"selected": "", "unit": "", "bottom": 0.1, "top": 1.0}
    params = [alt.param(name=name, value=value) for name, value in names.items()]
    x_axis = alt.Axis(
        labelExpr=f"unit === '' ? format(datum.value, ',.4~g') : {_SECONDS}",
        labelOverlap="greedy",
    )
    y_axis = alt.Axis(labelExpr="format(datum.value, '.3~g')", labelOverlap="greedy", tickCount=7)
    ends = {"domainMin": alt.ExprRef("bottom"), "domainMax": alt.ExprRef("top")}
    shape = {"type": "log"} if kind == "log" else {"type": "linear", "zero": False}
    y_scale = alt.Scale(nice=False, **shape, **ends)
    x = alt.X("x:Q", scale=alt.Scale(type="log", nice=False, padding=8), axis=x_axis)
    y = alt.Y("y:Q", scale=y_scale, axis=y_axis)
    colour = alt.Color("series:N", sort=None, scale=alt.Scale(range=list(PALETTE)), legend=None)
    dash = alt.StrokeDash("series:N", sort=None, scale=alt.Scale(range=[list(one) for one in DASHES]), legend=None)
    base = alt.Chart(alt.NamedData("points")).encode(x=x)
    faint = alt.condition("selected !== '' && datum.id !== selected", alt.value(0.3), alt.value(1.0))
    band = base.transform_filter("datum.id === selected").mark_area(opacity=0.22, clip=True, aria=False)
    lines = base.mark_line(clip=True, aria=False, strokeWidth=2)
    points = base.mark_point(clip=True, aria=False, filled=True, size=24)
    ring = alt.Chart(alt.NamedData("chosen")).mark_point(size=170, strokeWidth=2.5, filled=False, aria=False)
    chart = alt.layer(
        band.encode(y=alt.Y("low:Q", scale=y_scale, axis=y_axis), y2="high:Q", color=colour),
        lines.encode(y=y, detail="id:N", color=colour, strokeDash=dash, opacity=faint),
        points.encode(y=y, color=colour, opacity=faint),
        ring.encode(x=x, y=y, stroke=alt.value("currentColor")),
    )
    specification: dict[str, Any] = _styled(chart.add_params(*params)).to_dict()
    return specification


def _styled(chart: Any) -> Any:
    """Size and text; the text takes the page's colour, in either theme and on paper."""
    ink = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 12}
    line = {"gridColor": "currentColor", "domainColor": "currentColor", "tickColor": "currentColor"}
    chart = chart.properties(width="container", height=HEIGHT, background="transparent", padding=4)
    chart = chart.configure(font="system-ui, sans-serif").configure_view(stroke=None)
    return chart.configure_axis(**ink, **line, gridOpacity=0.14, titleFontSize=12, titleFontWeight="normal")


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
    known = any(curves["seconds"].notna().any() for curves in chosen.curves.values())
    return "measured" if study.curves["seconds"].notna().any() else "derived" if known else "none"


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
