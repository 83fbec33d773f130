"""Final losses of many seeds, one row per cell, beside the means that others' seeds gave."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.analysis.cells import quantiles
from pipeline.analysis.study import AnalysedStudy
from pipeline.figures import style
from pipeline.figures.registry import register
from pipeline.figures.words import lang, sentences
from pipeline.lab import formats
from pipeline.lab.grouping import grouped
from pipeline.lab.language import mark
from pipeline.lab.published import published_for
from pipeline.lab.results import CellResults

Groups = list[list[CellResults]]

_SPREAD, _EXPECTED = "#56B4E9", "#D55E00"
#: Nothing is drawn closer to the minimum than this: rounding lies there.
_SMALLEST = 1e-6
_SEEDS = mark(
    "Bars: where the seeds end; dot: their mean, with three standard errors; diamond: the mean that others' seeds gave."
)


@dataclass(frozen=True)
class Variation:
    """Something that the cells of an exercise do otherwise, each to be seen beside the same cell without it.

    Parameters
    ----------
    name : str
        Of the figure.
    words : str
        What is done, as the beginning of title and caption.
    effect : str
        What it does, as the end of it; true of any data.
    varies : callable
        Whether a configuration has it.
    free : tuple of str
        Keys of the configuration in which a cell and its variant may differ.
    """

    name: str
    words: str
    effect: str
    varies: Callable[[Mapping[str, Any]], bool]
    free: tuple[str, ...]

    def groups(self, study: AnalysedStudy) -> Groups:
        """The variants with the cells that they vary: those of one optimizer and learning rate together."""
        cells = study.cells.values()
        variants = [cell for cell in cells if self.varies(cell.config)]
        shown = (
            cell
            for cell in cells
            if self.varies(cell.config) or any(self._is_base(cell, variant) for variant in variants)
        )
        return list(grouped(((cell.optimizer, cell.lr), cell) for cell in shown).values())

    def _is_base(self, cell: CellResults, variant: CellResults) -> bool:
        fields = {"data", "model", "implementation", "optimizer", "schedule", "sampling", "batch_size", "lr", "epochs"}
        decays = "schedule" in self.free and cell.config["schedule"]["name"] != "constant"
        return not decays and all(cell.config[key] == variant.config[key] for key in fields.difference(self.free))


VARIATIONS = (
    Variation(
        "decay",
        mark("A tenth of the learning rate after each epoch"),
        mark("A smaller rate lets the noise of the minibatches die down."),
        lambda config: bool(config["schedule"]["name"] == "step_per_epoch"),
        ("schedule",),
    ),
    Variation(
        "replacement",
        mark("Minibatches drawn with replacement"),
        mark("Rows that come twice and rows that do not come at all add noise."),
        lambda config: bool(config["sampling"]["name"] == "with_replacement"),
        ("sampling",),
    ),
    Variation(
        "duplicates",
        mark("Copies of every row"),
        mark(
            "An epoch of twice the rows has twice the updates, unless the batch size is doubled too: then half the "
            "rate per example is half the noise. A full batch whose size is not doubled becomes half a batch."
        ),
        lambda config: int(config["data"].get("copies", 1)) > 1,
        ("data", "batch_size"),
    ),
)  # fmt: skip


def agreement(cells: Iterable[CellResults], *, offline_twin: bool) -> str:
    """Say how many means lie within three standard errors of the expected ones.

    Parameters
    ----------
    cells : iterable of CellResults
        Those with nothing to compare with do not count.
    offline_twin : bool
        On generated data nothing is compared.

    Returns
    -------
    str
        A sentence; empty where nothing was published for any cell.
    """
    if offline_twin:
        return lang().say("The expected means are those of the measured table, so nothing is compared here.")
    known = [(cell, published.expected) for cell in cells if (published := published_for(cell.config))]
    means = [
        (cell, expected)
        for cell, expected in known
        if expected is not None and np.isfinite(cell.losses).all() and len(cell.losses) > 1
    ]
    outside = [
        formats.quoted(cell.name)
        for cell, expected in means
        if abs(cell.losses.mean() - expected.mean) > expected.interval(cell.losses)
    ]
    compared = len(means)
    values = {"inside": compared - len(outside), "compared": compared, "cells": lang().listed(outside)}
    if outside:
        return lang().say(
            "{inside} of {compared} means lie within three standard errors of the expected ones; not so: {cells}.",
            **values,
        )
    return (
        lang().say("{inside} of {compared} means lie within three standard errors of the expected ones.", **values)
        if compared
        else ""
    )


def _changes(groups: Groups, varies: Callable[[Mapping[str, Any]], bool]) -> dict[str, float]:
    """By how much the first variant of each group changes the mean final loss of the first cell without it."""
    pairs = [
        [next((c for c in group if varies(c.config) is wanted), None) for wanted in (False, True)] for group in groups
    ]
    return {
        formats.quoted(plain.name): float(variant.losses.mean() - plain.losses.mean())
        for plain, variant in pairs
        if plain and variant and plain.losses.size and variant.losses.size
    }


def _varied(variation: Variation) -> None:
    """Register the figure of a variation."""

    def title(study: AnalysedStudy) -> str:
        """Say what is varied, and in how many of the comparisons the mean falls or rises."""
        changes = _changes(variation.groups(study), variation.varies)
        fallen = sum(change < 0 for change in changes.values())
        values = {"what": lang().word(variation.words), "total": len(changes)}
        if 2 * fallen > len(changes):
            return lang().say("{what}: the mean loss is lower in {n} of {total} pairs", **values, n=fallen)
        return lang().say("{what}: the mean loss is higher in {n} of {total} pairs", **values, n=len(changes) - fallen)

    def caption(study: AnalysedStudy) -> str:
        """Say what is varied, what it does to the mean, and whether the means are as expected."""
        groups = variation.groups(study)
        changes = [
            f"{name} {'+' if change > 0 else '−'}{lang().number(abs(change), 2)}"
            for name, change in _changes(groups, variation.varies).items()
        ]
        return sentences(
            f"{lang().word(variation.words)}.",
            lang().word(_SEEDS),
            lang().say("Change of the mean final loss: {changes}.", changes=", ".join(changes)) if changes else "",
            lang().word(variation.effect),
            agreement([cell for group in groups for cell in group], offline_twin=study.offline_twin),
        )

    register(
        kind="exercise",
        title=title,
        caption=caption,
        place=2,
        fits=lambda study: bool(variation.groups(study)),
        name=variation.name,
    )(lambda study: draw_final_losses(study, variation.groups(study)))


for _variation in VARIATIONS:
    _varied(_variation)


def _ends(study: AnalysedStudy) -> list[tuple[float, str]]:
    """The mean final losses of the cells, ascending; none where there is only one."""
    ranked = sorted(
        (float(cell.losses.mean()), formats.quoted(cell.name)) for cell in study.cells.values() if cell.losses.size
    )
    return ranked if len(ranked) > 1 else []


def _title(study: AnalysedStudy) -> str:
    """Name the cells that end lowest and highest."""
    if not (ranked := _ends(study)):
        return lang().say("Where the seeds end")
    return lang().say("{low} ends lowest, {high} highest", low=ranked[0][1], high=ranked[-1][1])


def _caption(study: AnalysedStudy) -> str:
    """Give the losses of the cells that end lowest and highest, and say whether the means are as expected."""
    ends = [f"{name} {lang().loss(loss)}" for loss, name in _ends(study)]
    return sentences(
        lang().say("Final losses by optimizer."),
        lang().word(_SEEDS),
        lang().say("Means: lowest {low}, highest {high}.", low=ends[0], high=ends[-1]) if ends else "",
        agreement(study.cells.values(), offline_twin=study.offline_twin),
    )


@register(
    kind="exercise",
    title=_title,
    caption=_caption,
    place=1,
    fits=lambda study: not any(variation.groups(study) for variation in VARIATIONS),
)
def final_losses(study: AnalysedStudy) -> Figure:
    """Draw the final losses of every cell, by optimizer.

    Parameters
    ----------
    study : AnalysedStudy
        An exercise.

    Returns
    -------
    Figure
    """
    groups = grouped((cell.optimizer, cell) for cell in study.cells.values())
    return draw_final_losses(study, list(groups.values()))


def draw_final_losses(study: AnalysedStudy, groups: Groups) -> Figure:
    """Draw cells in rows, a line between the groups.

    Parameters
    ----------
    study : AnalysedStudy
        The study that the cells are of.
    groups : list of lists of CellResults
        What is to be compared stands together.

    Returns
    -------
    Figure
        The middle 90 % and 50 % of the seeds as bars, the mean with three standard errors, and the expected mean.
    """
    cells = [cell for group in groups for cell in group]
    figure = style.new_figure(height=1.5 + 0.36 * max(len(cells), 3))
    axes = figure.subplots()
    style.log(axes.xaxis, lambda value: f"{value:.6f}".rstrip("0").rstrip("."))
    names = {"loss": lang().word(study.final_loss_name), "kind": lang().word(study.loss_name)}
    axes.set_xlabel(lang().say("{loss} ({kind}, log scale)", **names), loc="right")
    for row, cell in enumerate(cells):
        _draw_row(axes, row, cell, study)
    style.rows(axes, [style.shortened(style.note(cell), 34) for cell in cells], fontsize=8.5)
    for edge in np.cumsum([len(group) for group in groups])[:-1]:
        axes.axhline(edge - 0.5, color="#999999", linewidth=0.8)
    keys = [
        style.key(lang().say("middle 90 % of the seeds"), color=_SPREAD, linewidth=3),
        style.key(lang().say("middle 50 %"), color=_SPREAD, linewidth=8),
        style.key(lang().say("mean ± 3 standard errors"), color="black", linewidth=1.2, marker="o", markersize=4),
    ]
    if not study.offline_twin and any(published_for(cell.config) for cell in cells):
        keys.append(style.key(lang().say("mean of others' many seeds"), **_DIAMOND))
    style.add_legend(figure, keys)
    return figure


_DIAMOND: Any = {"marker": "D", "color": _EXPECTED, "markerfacecolor": "none", "markersize": 7}


def _draw_row(axes: Axes, row: int, cell: CellResults, study: AnalysedStudy) -> None:
    losses = cell.losses
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        style.beside(axes, row, lang().say("no finite loss"), x=0.02, fontsize=10, fontstyle="italic")
        return
    for width, ends in ((3, [0.05, 0.95]), (8, [0.25, 0.75])):
        low, high = study.excess(np.minimum(quantiles(losses, ends), finite.max()), _SMALLEST)
        style.span(axes, row, low, high, color=_SPREAD, linewidth=width)
    if len(finite) == len(losses):
        mean = float(losses.mean())
        error = 3 * float(losses.std(ddof=1)) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
        low, middle, high = study.excess([mean - error, mean, mean + error], _SMALLEST)
        style.span(axes, row, low, high, color="black", linewidth=1.2)
        axes.plot([middle], [row], "o", color="black", markersize=4)
    published = None if study.offline_twin else published_for(cell.config)
    if published is not None and published.expected is not None:
        axes.plot(study.excess([published.expected.mean], _SMALLEST), [row], linestyle="none", **_DIAMOND)
