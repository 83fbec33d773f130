"""The report on a sweep: best cells, costs of the target, best learning rates on the border of their range."""

import math
from dataclasses import dataclass

import pandas as pd

from pipeline.analysis.compare import Comparison
from pipeline.analysis.grid import STATUSES
from pipeline.analysis.study import AnalysedStudy
from pipeline.analysis.sweep import Sweep
from pipeline.report.language import ENGLISH, Language

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class SweepSection:
    """The parts of the section, as text for people.

    Parameters
    ----------
    leaders : list of dict
        A line for each optimizer's best cell, the lowest median first.
    edges : list of str
        Best learning rates on the border of their range.
    statuses : list of dict
        How many runs of each optimizer ended how.
    target : str
        The target and how it was fixed.
    """

    leaders: list[dict[str, str]]
    edges: list[str]
    statuses: list[dict[str, str]]
    target: str


def sweep_section(study: AnalysedStudy, lang: Language = ENGLISH) -> SweepSection:
    """Write the section.

    Parameters
    ----------
    study : AnalysedStudy
        A sweep.
    lang : Language
        The report's.

    Returns
    -------
    SweepSection
    """
    sweep = study.sweep
    return SweepSection(
        leaders=_leaders(sweep, lang),
        edges=edge_lines(sweep, lang),
        statuses=_statuses(sweep, lang),
        target=target_words(study, lang),
    )


def target_words(study: AnalysedStudy, lang: Language) -> str:
    """The target, and how it was fixed."""
    target = study.sweep.target
    if not math.isfinite(target.loss):
        return lang.say("No target: {name} has no cell whose median final loss is finite.", name=target.reference)
    if not target.reference:
        return lang.say("The target is {loss}, as the study states it.", loss=lang.loss(target.loss))
    cell = study.sweep.grid.cells.iloc[target.row]
    text = lang.say(
        "The target is {loss}: the median final loss of {name}'s best cell ({best} at b = {b}, lr {lr}) plus 1 % of "
        "that loss",
        loss=lang.loss(target.loss),
        name=target.reference,
        best=lang.loss(target.best),
        b=str(cell["batch_size"]),
        lr=lang.local(f"{cell['lr']:g}"),
    )
    if study.minimum is not None:
        excess = (target.loss - study.minimum) / (target.best - study.minimum)
        times = lang.number(excess, 2)
        text += lang.say(", which is {times} times that cell's distance from the minimum", times=times)
    return text + "."


def sweep_summary(study: AnalysedStudy, lang: Language = ENGLISH) -> list[str]:
    """Write the summary: the best cell, whether the seeds can rank it, the caveats."""
    sweep = study.sweep
    first = sweep.best.iloc[0]
    if not math.isfinite(first["median"]):
        return [lang.say("Half of the runs or more diverged or failed in every cell: there is nothing to rank.")]
    seeds = lang.count(len(sweep.grid.seeds), "{n} seed", "{n} seeds")
    text = lang.say(
        "Of {cells}, {place} has the lowest median final loss: {interval} (95\N{NO-BREAK SPACE}% bootstrap interval "
        "over {seeds}",
        cells=lang.count(len(sweep.grid.cells), "{n} cell", "{n} cells"),
        place=f"{_place(first, lang)},",
        interval=_interval(first, lang),
        seeds=seeds,
    )
    if math.isfinite(first["held_out"]):
        held_out = lang.loss(first["held_out"])
        text += lang.say("; {loss} where each seed is scored on a cell chosen by the others", loss=held_out)
    return [f"{text}).", *_ranking(sweep, lang), _border(sweep, lang), *_caveat(sweep, lang)]


def _place(line: "pd.Series", lang: Language) -> str:
    return lang.say(
        "{optimizer} at b = {b}, lr {lr}",
        optimizer=line["optimizer"],
        b=str(line["batch_size"]),
        lr=lang.rate(line["lr"]),
    )


def _interval(line: "pd.Series", lang: Language) -> str:
    median, low, high = (lang.loss(float(line[name])) for name in ("median", "low", "high"))
    return f"{median} {lang.between(low, high)}"


def _ranking(sweep: Sweep, lang: Language) -> list[str]:
    """Optimizers that the seeds cannot rank against the leader."""
    others = list(zip(sweep.best["optimizer"], sweep.against_leader, strict=True))[1:]
    if not others:
        return []
    leader, seeds = sweep.best["optimizer"].iloc[0], len(sweep.grid.seeds)
    close = [str(name) for name, other in others if other is not None and not other.ranked]
    if not close:
        return [
            lang.count(
                seeds,
                "{n} seed is enough to rank {leader}'s best cell above that of every other optimizer.",
                "{n} seeds are enough to rank {leader}'s best cell above that of every other optimizer.",
                leader=leader,
            )
        ]
    return [
        lang.count(
            seeds,
            "{n} seed is too few to rank {leader} against {close}, each at its best cell.",
            "{n} seeds are too few to rank {leader} against {close}, each at its best cell.",
            leader=leader,
            close=lang.listed(close),
        )
    ]


def _border(sweep: Sweep, lang: Language) -> str:
    n = len(sweep.edges)
    if not n:
        return lang.say("No best learning rate lies on the border of its range.")
    return lang.count(
        n,
        "{n} best learning rate lies on the border of the range: run snakemake extend.",
        "{n} best learning rates lie on the border of the range: run snakemake extend.",
    )


def _caveat(sweep: Sweep, lang: Language) -> list[str]:
    """All batch sizes had the same epochs, and so the largest only a few steps."""
    cells = sweep.grid.cells
    steps = {b: float(cells.loc[cells["batch_size"] == b, "steps"].max()) for b in sweep.grid.batch_sizes}
    least, most = min(steps, key=lambda b: steps[b]), max(steps, key=lambda b: steps[b])
    if steps[least] == steps[most]:
        return []
    return [
        lang.say(
            "All cells had the same epochs, so b = {least} made {few} updates and b = {most} made {many}: this favours "
            "small batches, and compares them per example.",
            least=str(least),
            few=lang.local(f"{steps[least]:,.0f}"),
            most=str(most),
            many=lang.local(f"{steps[most]:,.0f}"),
        )
    ]


def edge_lines(sweep: Sweep, lang: Language = ENGLISH) -> list[str]:
    """Say of each flagged range which side its best rate lies on."""
    lines = []
    for optimizer, b, side, best in sweep.edges.to_numpy():
        where = f"{optimizer}, b = {b}"
        if math.isnan(best):
            lines.append(
                lang.say(
                    "{where}: half of the runs or more diverged at every rate, so the range is too high.", where=where
                )
            )
            continue
        rate = lang.rate(best)
        lines.append(
            lang.say("{where}: the best rate, {rate}, is the lowest one tried.", where=where, rate=rate)
            if side == "low"
            else lang.say("{where}: the best rate, {rate}, is the highest one tried.", where=where, rate=rate)
        )
    return lines


def _leaders(sweep: Sweep, lang: Language) -> list[dict[str, str]]:
    lines: list[dict[str, str]] = []
    for (_, line), other in zip(sweep.best.iterrows(), sweep.against_leader, strict=True):
        text = {"optimizer": str(line["optimizer"]), "batch_size": "–", "lr": "–", "median": "∞", "held_out": "–"}
        text |= {"statuses": lang.say("half or more diverged or failed in every cell"), "p": "–"}
        if line["row"] >= 0:
            text |= {"batch_size": lang.whole(int(line["batch_size"])), "lr": lang.rate(line["lr"])}
            text |= {"median": _interval(line, lang), "held_out": lang.loss(line["held_out"])}
            text |= {"statuses": _ended(sweep, int(line["row"]), lang)}
            text |= {"p": _probability(other, lang) if lines or other else lang.say("the leader")}
        lines.append(text)
    return lines


def _probability(other: Comparison | None, lang: Language) -> str:
    """How surely the leader is ahead; empty where there is nothing to compare."""
    if other is None:
        return ""
    low, middle, high = (lang.local(f"{value:.2f}") for value in (other.low, other.probability, other.high))
    text = f"P = {middle} {lang.between(low, high)}"
    return text if other.ranked else lang.say("{probability}; too few seeds to rank", probability=text)


def _ended(sweep: Sweep, row: int, lang: Language) -> str:
    cell = sweep.grid.cells.iloc[row]
    return ", ".join(f"{lang.whole(int(cell[name]))} {name}" for name in STATUSES if cell[name])


def _statuses(sweep: Sweep, lang: Language) -> list[dict[str, str]]:
    lines = []
    for name in sweep.grid.optimizers:
        own = sweep.grid.cells.iloc[sweep.grid.rows(name)]
        lines.append({"optimizer": name} | {status: lang.whole(int(own[status].sum())) for status in STATUSES})
    return lines
