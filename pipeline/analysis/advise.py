"""``python -m pipeline.analysis.advise [OPTIMIZER]``: which cell, on each of the four clocks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.analysis.axes import Value, along_axes
from pipeline.analysis.best import MOST_UNPARTED, PARTING, halves
from pipeline.analysis.bootstrap import median_interval
from pipeline.analysis.compare import ONE_SIDED, Comparison, probability_better
from pipeline.analysis.seconds import StepCosts, StepKind, read_step_costs, step_costs_of_runs
from pipeline.analysis.sweep import Sweep
from pipeline.lab import formats, stage
from pipeline.lab.command import command_of
from pipeline.lab.config import checks
from pipeline.lab.errors import UserError
from pipeline.lab.grouping import grouped
from pipeline.lab.results import CellResults, StudyResults

#: The four clocks, in the order in which they are shown.
CLOCKS = ("epochs", "steps", "examples", "seconds")
_HEADINGS = ("fewest", "optimizer", "batch size", "lr", "median [95 % interval]", "runner-up", "ranked?")


@dataclass(frozen=True)
class Choice:
    """A cell and what it costs, or its final loss.

    Parameters
    ----------
    cell : CellResults
        The cell.
    value, low, high : float
        The median over the seeds that measure, infinite where half of them or more never arrive, and its 95 %
        interval; below six seeds it is their whole range.
    at_edge : bool
        Whether this is the lowest or highest learning rate tried at that batch size: the best may lie beyond.
    """

    cell: CellResults
    value: float
    low: float
    high: float
    at_edge: bool


@dataclass(frozen=True)
class Advice:
    """The best cell by one measure.

    Parameters
    ----------
    measure : str
        One of :data:`CLOCKS` (the cost of reaching the target), or ``loss`` (the final one).
    best : Choice
        The cell with the lowest median.
    runner_up : Choice or None
        The second; None where there is one cell alone.
    comparison : Comparison or None
        The best held against the runner-up, seed by seed; None where the best does not get to the target. Of seconds,
        with the step of the best as slow, and that of the runner-up as quick, as the error of their times allows.
    """

    measure: str
    best: Choice
    runner_up: Choice | None
    comparison: Comparison | None

    @property
    def known(self) -> bool:
        """Whether more than half of the seeds that measure the best cell get to the target."""
        return math.isfinite(self.best.value)


def advise(sweep: Sweep, optimizer: str | None = None, target: float | None = None) -> list[Advice]:
    """Find the best cell of one optimizer, or of all, on every clock, and by its final loss.

    Parameters
    ----------
    sweep : Sweep
        The study.
    optimizer : str, optional
        One of ``sweep.grid.optimizers``; all of them by default.
    target : float, optional
        The loss to reach; the study's own by default.

    Returns
    -------
    list of Advice
        By clock, then by loss. Seconds are steps times the measured time of a step, and left out where that is not
        known for every batch size; their intervals and comparisons allow for the error of that time.

    Notes
    -----
    Every second seed chooses, the others measure: the best of many noisy cells looks better than it is to the seeds
    that chose it (Dodge et al., 2019, Show Your Work, EMNLP). Three or fewer do both. Cells are ordered by the median
    cost of the target, between readings too; equal medians by the share of seeds that arrive, then by the median final
    loss, as in :func:`pipeline.analysis.target.scaling`. The direction of a comparison is chosen by other seeds than
    those that bear it out: its test is one-sided, at 5 %.
    """
    grid = sweep.grid
    own = np.arange(len(grid.cells)) if optimizer is None else grid.rows(optimizer)
    cells = [sweep.study.cells[str(cell_id)] for cell_id in grid.cells["cell_id"].iloc[own]]
    hits = sweep.hits(sweep.target.loss if target is None else target)
    steps, examples, losses = hits.steps[own], hits.examples[own], grid.losses[own]
    epoch = np.array([[cell.examples or np.nan] for cell in cells])
    measures = {"epochs": examples / epoch, "steps": steps, "examples": examples}
    of_step, error_of_step = sweep.step_seconds(own)[..., None]
    measures |= {"seconds": steps * of_step, "loss": losses}
    choosing, measuring = halves(len(grid.seeds))
    arrived, final = np.isfinite(steps[:, choosing]).mean(axis=1), np.median(losses[:, choosing], axis=1)
    rates = grouped(((sweep.study.series[cell.id], cell.batch_size), cell.lr) for cell in cells)
    found = []
    for measure, values in measures.items():
        if np.isnan(values).any():
            continue
        order = np.lexsort((final, -arrived, np.median(values[:, choosing], axis=1)))[:2]
        error = error_of_step[order] if measure == "seconds" else np.ones((len(order), 1))
        best = values[order][:, measuring]
        low, high = median_interval(best / error)[0], median_interval(best * error)[1]
        choices = [
            Choice(
                cell=cells[i],
                value=float(np.median(best[place])),
                low=float(low[place]),
                high=float(high[place]),
                at_edge=len(tried := rates[sweep.study.series[cells[i].id], cells[i].batch_size]) > 1
                and cells[i].lr in (min(tried), max(tried)),
            )
            for place, i in enumerate(order)
        ]
        # Of the same step the error is the same: it makes both as much slower or quicker.
        if len({(StepKind.of(cells[i].config), cells[i].batch_size) for i in order}) > 1:
            best *= np.concatenate([error[:1], 1 / error[1:]])
        compared = len(order) == 2 and math.isfinite(choices[0].value)
        comparison = probability_better(best[0], best[1], ONE_SIDED) if compared else None
        found.append(Advice(measure, choices[0], choices[1] if len(choices) > 1 else None, comparison))
    return found


def table_of(advice: Sequence[Advice], name: Callable[[CellResults], str] | None = None) -> list[tuple[str, ...]]:
    """Write advice as the rows of a table, the headings first.

    Parameters
    ----------
    advice : sequence of Advice
        As of :func:`advise`.
    name : callable, optional
        From a cell to the name of its optimizer; without it the table has no column of optimizers.

    Returns
    -------
    list of tuple of str
        The measure, the optimizer, batch size, learning rate, median with its interval, the runner-up, and whether the
        seeds are enough to rank the two.
    """
    who = name or (lambda cell: "")
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for one in advice:
        measure = "lowest final loss" if one.measure == "loss" else one.measure
        if not one.known:
            rows.append((measure, "–", "–", "–", "missed by half of the seeds or more", "–", "–"))
            continue
        best, other = one.best, one.runner_up
        interval = f"{_cost(best.value, one)} [{_cost(best.low, one)}, {_cost(best.high, one)}]"
        words = (
            "–"
            if other is None
            else f"{who(other.cell)} b {other.cell.batch_size}, lr {other.cell.lr:g}: {_cost(other.value, one)}"
        )
        rate = f"{best.cell.lr:g}{' (border of its range)' if best.at_edge else ''}"
        point = (who(best.cell), str(best.cell.batch_size), rate)
        rows.append((measure, *point, interval, words.strip(), _ranked(one.comparison)))
    return rows if name else [row[:1] + row[2:] for row in rows]


def _cost(value: float, one: Advice) -> str:
    if one.measure == "loss":
        return formats.loss(value)
    seconds = one.measure == "seconds" and math.isfinite(value)
    return formats.seconds(value) if seconds else formats.number(round(value, 4))


def _ranked(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    share = f"better in {comparison.probability:.0%} of {formats.count(comparison.seeds, 'seed')}"
    return f"yes, {share}" if comparison.low > 0.5 else f"no, too few seeds to rank: {share}"


def command(cell: CellResults) -> str:
    """The command that trains a cell again."""
    seeds, engine = int(cell.runs["seed"].max()) + 1, str(cell.runs["engine"].iloc[0])
    return (
        command_of(cell.config, cell.id, seeds, engine)
        or f"cell {cell.id}, of which conf/ has not every part as it was: add --config-dir"
    )


def report(
    study: StudyResults,
    optimizer: str | None = None,
    target: float | None = None,
    costs: StepCosts | None = None,
    again: Callable[[CellResults], str] = command,
) -> str:
    """Answer the question in words: what was tried, the table, where the clocks differ, and what to run.

    Parameters
    ----------
    study : StudyResults
        The study. Cells that differ in more than batch size and learning rate are not merged: each combination of
        model, data, schedule and so on that it holds has a table of its own.
    optimizer : str, optional
        Name of one of its update rules; by default all of them are held against each other.
    target : float, optional
        The loss to reach; by default that of each part of the study.
    costs : StepCosts, optional
        What a step costs; by default what the study's own runs say.
    again : callable
        From a cell to what trains it again; by default the command.

    Returns
    -------
    str

    Raises
    ------
    UserError
        If the study has no such optimizer.
    """
    if optimizer is not None:
        checks.one_of("optimizer", optimizer, list(dict.fromkeys(study.runs["optimizer"])))
    costs = step_costs_of_runs([study]) if costs is None else costs
    sections = []
    for words, part in study.split().items():
        sweep = Sweep(part, costs)
        own = sweep.grid.cells.loc[sweep.grid.cells["rule"] == optimizer, "optimizer"]
        for series in [None] if optimizer is None else dict.fromkeys(map(str, own)):
            sections.append("\n".join(_section(sweep, series, words, target, again)))
    if optimizer is not None and (values := along_axes(Sweep(study, costs), optimizer)):
        sections.append("\n".join(_along_axes(values, study.metric.replace("_", " "))))
    return "\n\n".join(sections)


def _section(
    sweep: Sweep, series: str | None, words: str, target: float | None, again: Callable[[CellResults], str]
) -> list[str]:
    advice, grid = advise(sweep, series, target), sweep.grid
    chosen_from = len(grid.cells) if series is None else len(grid.rows(series))
    cells, seeds = formats.count(chosen_from, "cell"), formats.count(len(grid.seeds), "seed")
    epochs = formats.count(int(sweep.study.runs["epochs"].max()), "epoch")
    aim = f"{sweep.target.reference}'s best median final loss plus 1 %" if sweep.target.reference else "the study's own"
    aim = aim if target is None else "the given one"
    loss = sweep.target.loss if target is None else target
    who = series or formats.listed(grid.optimizers)
    names = formats.listed(list(dict.fromkeys(facts.name for facts in sweep.study.data)))
    twin = " (offline twin: generated data)" if sweep.study.offline_twin else ""
    lines = [
        f"{who} on {names}{twin}{f' ({words})' if words else ''}: {cells}, {seeds}, {epochs}.",
        f"The target is a {sweep.study.metric.replace('_', ' ')} of {formats.loss(loss)}, {aim}. "
        "Ties go to the cell that more seeds bring there.",
        PARTING[len(grid.seeds) <= MOST_UNPARTED],
        "",
        *formats.aligned(table_of(advice, None if series else lambda cell: sweep.study.series[cell.id])),
        "",
    ]
    if "seconds" in {one.measure for one in advice}:
        lines.append(f"Seconds are steps times {sweep.costs.source}.")
    else:
        lines.append("Seconds are not measured: there is no time of a step of this optimizer, model and data.")
    if any(one.best.value == 0 for one in advice if one.measure != "loss"):
        return [
            *lines,
            "Runs are at the target before their first step, so no cost says anything: lower it with --target.",
        ]
    chosen: dict[str, tuple[CellResults, list[str]]] = {}
    for one in advice:
        if one.known and one.measure != "loss":
            chosen.setdefault(one.best.cell.id, (one.best.cell, []))[1].append(one.measure)
    if len(chosen) > 1:
        lines.append("The clocks differ: what is best depends on what is scarce.")
    return lines + [f"For {formats.listed(clocks)}: {again(cell)}" for cell, clocks in chosen.values()]


def _along_axes(values: Sequence[Value], metric: str) -> list[str]:
    """The table of what else is varied."""
    rows: list[tuple[str, ...]] = [
        ("what else is varied", "batch size", "lr", f"median final {metric} [95 % interval]", "is the first better?")
    ]
    for one in values:
        interval = f"{formats.loss(one.median)} [{formats.loss(one.low)}, {formats.loss(one.high)}]"
        rows.append((one.name, str(one.batch_size), f"{one.lr:g}", interval, _ranked(one.against_best)))
    return [
        f"Each at the batch size and learning rate of its lowest median final {metric}; all else is the same.",
        "",
        *formats.aligned(rows),
    ]


def read_named(study: str, results: Path) -> StudyResults:
    """Read a study by its name or its folder.

    Raises
    ------
    UserError
        If its tables are missing, with the command that makes them, or cannot be read.
    """
    folder = Path(study) if (Path(study) / "runs.parquet").is_file() else results / study
    if not (folder / "runs.parquet").is_file():
        raise UserError(
            f"{folder / 'runs.parquet'} does not exist: make it with snakemake --cores 2 {folder.name}, or name "
            "another study with --study, or another folder of results with --results"
        )
    return StudyResults.read(folder)


@stage.command(
    "pipeline.analysis.advise",
    "Say which optimizer, batch size and learning rate to use, from a study's tables.",
    stage.argument("optimizer", nargs="?", help="one of the study's; all of them where none is named"),
    stage.argument("--target", type=float, metavar="LOSS", help="the loss to reach, instead of the study's own"),
    stage.argument("--study", default="sweep", metavar="NAME", help="a study's name or folder (sweep)"),
    stage.argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="the folder of results (results)"
    ),
    stage.argument(
        "--step-cost",
        type=Path,
        metavar="FILE.parquet",
        help="the measured time of a step (measure/step_cost.parquet in the folder of the results)",
    ),
    stage.CONFIG_DIR,
)
def main(options: stage.Options) -> None:
    """Print the answer."""
    if options.target is not None:
        checks.number("--target", options.target, above=0)
    study = read_named(options.study, options.results)
    table = options.step_cost or options.results / "measure" / "step_cost.parquet"
    costs = read_step_costs(table) if options.step_cost or table.exists() else None
    print(report(study, options.optimizer, options.target, costs))


if __name__ == "__main__":
    main()
