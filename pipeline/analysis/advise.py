"""``python -m pipeline.analysis.advise OPTIMIZER``: which batch size and learning rate, on each of the four clocks."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.lab.errors import exit_on_user_error

if TYPE_CHECKING:
    from pipeline.analysis.advice import Advice, Choice
    from pipeline.analysis.sweep import Sweep

_HEADINGS = ("fewest", "batch size", "lr", "median [95 % interval]", "runner-up", "ranked?")


def table_of(advice: "Sequence[Advice]") -> list[tuple[str, ...]]:
    """Write advice as the rows of a table, the headings first.

    Parameters
    ----------
    advice : sequence of Advice
        As of :func:`pipeline.analysis.advice.advise`.

    Returns
    -------
    list of tuple of str
        The measure, batch size, learning rate, median with its interval, the runner-up, and whether the seeds are
        enough to rank the two.
    """
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for one in advice:
        name = "lowest final loss" if one.measure == "loss" else one.measure
        if not one.known:
            rows.append((name, "–", "–", "missed by half of the seeds or more in every cell", "–", "–"))
            continue
        best, other = one.best, one.runner_up
        interval = f"{_cost(best.value, one)} [{_cost(best.low, one)}, {_cost(best.high, one)}]"
        words = "–" if other is None else f"b {other.batch_size}, lr {other.lr:g}: {_cost(other.value, one)}"
        rows.append((name, str(best.batch_size), _rate(best), interval, words, _ranked(one)))
    return rows


def _cost(value: float, one: "Advice") -> str:
    from pipeline.lab import formats

    if one.measure == "loss":
        return formats.loss(value)
    seconds = one.measure == "seconds" and math.isfinite(value)
    return formats.seconds(value) if seconds else formats.number(round(value, 4))


def _rate(choice: "Choice") -> str:
    return f"{choice.lr:g}{' (border of its range)' if choice.at_edge else ''}"


def _ranked(one: "Advice") -> str:
    from pipeline.lab import formats

    if one.comparison is None:
        return "–"
    share = f"better in {one.comparison.probability:.0%} of {formats.count(one.comparison.seeds, 'seed')}"
    return f"yes, {share}" if one.ranked else f"no, too few seeds to rank: {share}"


def report(sweep: "Sweep", optimizer: str, target: float | None = None) -> str:
    """Answer the question in words: what was tried, the table, where the clocks differ, and what to run.

    Parameters
    ----------
    sweep : Sweep
        The study.
    optimizer : str
        One of its optimizers.
    target : float, optional
        The loss to reach; the study's own by default.

    Returns
    -------
    str
    """
    from pipeline.analysis.advice import advise
    from pipeline.lab import formats

    config = json.loads(sweep.runs["config"].iloc[0])
    advice = advise(sweep, optimizer, int(config["data"]["rows"]), target)
    grid = sweep.grid
    cells = formats.count(len(grid.rows(optimizer)), "cell")
    seeds = formats.count(len(grid.seeds), "seed")
    epochs = formats.count(int(sweep.runs["epochs"].max()), "epoch")
    aim = "the given one" if target is not None else f"{sweep.target.reference}'s best median final loss plus 1 %"
    loss = sweep.target.loss if target is None else target
    twin = " (offline twin: generated data)" if sweep.runs["data"].str.endswith("_twin").any() else ""
    lines = [
        f"{optimizer} on {config['data']['name']}{twin}: {cells}, {seeds}, {epochs}.",
        f"The target is a loss of {formats.loss(loss)}, {aim}. Ties go to the cell that more seeds bring there.",
        "",
        *_aligned(table_of(advice)),
        "",
    ]
    if "seconds" not in {one.measure for one in advice}:
        lines.append("Seconds are not known: measure the time of a step with snakemake measure.")
    else:
        lines.append(f"Seconds are steps times {sweep.costs.source}.")
    known = [one for one in advice if one.known and one.measure != "loss"]
    chosen: dict[tuple[int, float], list[str]] = {}
    for one in known:
        chosen.setdefault((one.best.batch_size, one.best.lr), []).append(one.measure)
    if len(chosen) > 1:
        lines.append("The clocks differ: what is best depends on what is scarce.")
    for (b, lr), clocks in chosen.items():
        lines.append(
            f"For {formats.listed(clocks)}: python -m pipeline.train optimizer={optimizer} batch_size={b} lr={lr:g}"
        )
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Print the answer.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.analysis.advise",
        description="Say which batch size and learning rate to use for an optimizer, from a sweep's tables.",
    )
    parser.add_argument("optimizer", help="one of the study's")
    parser.add_argument("--target", type=float, metavar="LOSS", help="the loss to reach, instead of the study's own")
    parser.add_argument("--study", type=Path, default=Path("results/sweep"), metavar="DIR", help="a study's folder")
    parser.add_argument(
        "--step-cost",
        type=Path,
        default=Path("results/measure/step_cost.parquet"),
        metavar="FILE.parquet",
        help="the measured time of a step; without it there are no seconds",
    )
    options = parser.parse_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.analysis.seconds import StepCosts, read_step_costs
    from pipeline.analysis.sweep import Sweep
    from pipeline.lab.config import checks
    from pipeline.lab.tables import CURVES, RUNS, read_table

    if options.target is not None:
        checks.number("--target", options.target, above=0)
    costs = read_step_costs(options.step_cost) if options.step_cost.exists() else StepCosts()
    runs, curves = (
        read_table(options.study / f"{name}.parquet", schema) for name, schema in (("runs", RUNS), ("curves", CURVES))
    )
    sweep = Sweep(runs, curves, costs)
    checks.one_of("optimizer", options.optimizer, sweep.grid.optimizers)
    print(report(sweep, options.optimizer, options.target))


if __name__ == "__main__":
    main()
