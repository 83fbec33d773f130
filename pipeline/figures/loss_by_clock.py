"""Loss against epochs and against training seconds: what a run costs where computing is free, and where it is not."""

import math

from matplotlib.figure import Figure

from pipeline.analysis.cells import TARGET, costs_to_target, curve_table, unstable
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.loss_panels import draw_losses, settings
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark

#: How costs are read, as captions say it.
BETWEEN = mark("Between two readings the loss is taken to fall evenly, and costs are read there too.")


def _costs(study: AnalysedStudy, axis: str) -> tuple[dict[str, float], str]:
    """What the cells that reach the target need in the median, least first, and a sentence on those that never do."""
    costs = costs_to_target(study.cells.values(), study.curves, axis)
    reached = {formats.quoted(name): cost for name, cost in costs.items() if math.isfinite(cost)}
    never = [formats.quoted(name) for name, cost in costs.items() if math.isinf(cost)]
    return dict(sorted(reached.items(), key=lambda item: item[1])), (
        lang().say(
            "In half of their runs or more, these never get to {target}: {cells}.",
            cells=lang().listed(never),
            target=_target(),
        )
        if never
        else ""
    )


def _target() -> str:
    return lang().local(f"{TARGET:g}")


def epoch_title(study: AnalysedStudy) -> str:
    """Which cell diverges, and how late; else which one needs the fewest examples."""
    rising = [(cell.name, curve_table(study.readings(cell))) for cell, *_ in unstable(study.cells.values())]
    turns = [(float(own["epoch"].iloc[int(own["loss"].argmin())]), formats.quoted(name)) for name, own in rising]
    epoch, name = max(turns, default=(0.0, ""))
    if epoch:
        return lang().say("{cell} diverges, but only after epoch {epoch}", cell=name, epoch=lang().number(epoch, 2))
    reached, _ = _costs(study, "examples")
    if not reached:
        return lang().say("No cell reaches a loss of {target}", target=_target())
    return lang().say(
        "{cell} is at a loss of {target} after the fewest examples, {cost}",
        cell=next(iter(reached)),
        target=_target(),
        cost=lang().cost(min(reached.values()), "examples"),
    )


def _caption(study: AnalysedStudy, axis: str, what: str) -> str:
    """Say how to read the figure, what each cell needs to reach the target, and which never do."""
    reached, never = _costs(study, axis)
    groups = grouped((lang().cost(cost, axis), name) for name, cost in reached.items())
    needs = "; ".join(f"{cost} ({lang().listed(names)})" for cost, names in groups.items())
    words = lang().say("Needed until the loss is {target}, in the median: {needs}.", target=_target(), needs=needs)
    return sentences(what, settings(study), words if needs else "", lang().word(BETWEEN), never)


def epoch_caption(study: AnalysedStudy) -> str:
    """Say how many examples each cell needs to reach the target."""
    return _caption(
        study,
        "examples",
        lang().say("How far the loss is above its minimum, against passes over the data; costs are in examples."),
    )


@register(kind="curves", title=epoch_title, caption=epoch_caption, place=1)
def loss_by_epoch(study: AnalysedStudy) -> Figure:
    """Draw the loss against epochs, on a log axis, with the examples seen along the top.

    Parameters
    ----------
    study : AnalysedStudy
        Of loss curves.

    Returns
    -------
    Figure
    """
    figure = draw_losses(study, "epoch", lang().say("epochs (passes over the data, log scale)"), formats.tick)
    if n := study.examples:
        style.top_axis(figure.axes[0], n, lang().say("examples seen (log scale)"))
    return figure


def time_title(study: AnalysedStudy) -> str:
    """Which cell is first at the target in seconds, and how far behind the last one is."""
    reached, _ = _costs(study, "seconds")
    if not reached:
        return lang().say("No cell reaches a loss of {target}", target=_target())
    (first, least), *_, (last, most) = [*reached.items()] * 2
    return lang().say(
        "{first} is first at a loss of {target}, in {seconds}; {last} takes {times} times as long",
        **{"first": first, "last": last, "target": _target(), "seconds": lang().seconds(least)},
        times=lang().number(most / least, 2),
    )


def time_caption(study: AnalysedStudy) -> str:
    """Say which cell reaches the target first, in seconds, and which never do."""
    return _caption(
        study,
        "seconds",
        lang().say("How far the loss is above its minimum, against training seconds; evaluation is not timed."),
    )


@register(kind="curves", title=time_title, caption=time_caption, place=2, fits=lambda study: study.timed)
def loss_by_time(study: AnalysedStudy) -> Figure:
    """Draw the loss against training seconds, on a log axis.

    Parameters
    ----------
    study : AnalysedStudy
        Of loss curves, with a clock.

    Returns
    -------
    Figure
    """
    return draw_losses(study, "seconds", lang().say("training time (log scale)"), formats.tick_seconds)
