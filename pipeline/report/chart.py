"""The interactive chart, as a specification of Vega-Lite. The page's script adds the points and the names of axes."""

import functools
from typing import Any

#: Colours that differ in lightness too, and stand out on white as on black (contrast 3 and more).
PALETTE = (
    "#0079c4", "#d1570f", "#00916b", "#b0568f", "#8a7400", "#7a6ad0", "#c2403f", "#5f7f00", "#00879e", "#8c6d5a"
)  # fmt: skip
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3], [12, 3], [4, 4], [3, 1], [6, 2, 1, 2])
HEIGHT = 420
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
