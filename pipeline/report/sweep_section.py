"""What the report says about a sweep: the best cells, who reaches the target first, what lies on a border."""

import math
from dataclasses import dataclass

import pandas as pd

from pipeline.analysis.grid import STATUSES
from pipeline.analysis.scaling import cheapest
from pipeline.analysis.sweep import Sweep
from pipeline.figures import formats
from pipeline.figures.cost_to_target import target_words, write_cost
from pipeline.figures.leading_cells import verdict
from pipeline.figures.registry import Tables

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class SweepSection:
    """The parts of the section, as text for people.

    Parameters
    ----------
    leaders : list of dict
        A line for each optimizer's best cell, the lowest median first.
    batches : list of dict
        A line for each optimizer and batch size.
    edges : list of str
        Best learning rates on the border of their range.
    statuses : list of dict
        How many runs of each optimizer ended how.
    target : str
        The target and how it was fixed.
    seconds : bool
        Whether any cost in seconds is known.
    """

    leaders: list[dict[str, str]]
    batches: list[dict[str, str]]
    edges: list[str]
    statuses: list[dict[str, str]]
    target: str
    seconds: bool


def is_sweep(tables: Tables) -> bool:
    """Whether a study is a grid to be read as one: no cell has a name, and learning rates are compared."""
    if any(cell.config.get("label") for cell in tables.cells):
        return False
    rates = tables.runs.groupby(["optimizer", "batch_size"])["lr"].nunique()
    return bool(rates.max() > 1)


def sweep_section(tables: Tables) -> SweepSection:
    """Write the section.

    Parameters
    ----------
    tables : Tables
        A sweep.

    Returns
    -------
    SweepSection
    """
    sweep = tables.sweep
    return SweepSection(
        leaders=_leaders(sweep),
        batches=_batches(sweep),
        edges=edge_lines(sweep),
        statuses=_statuses(sweep),
        target=target_words(tables),
        seconds=bool(sweep.scaling["seconds"].notna().any()),
    )


def sweep_summary(tables: Tables) -> list[str]:
    """Write the summary: the best cell, whether the seeds can rank it, the cheapest ways to the target, the caveats."""
    sweep = tables.sweep
    first = sweep.best.iloc[0]
    if not math.isfinite(first["median"]):
        return ["Half of the runs or more diverged or failed in every cell: there is nothing to rank."]
    cells, seeds = len(sweep.grid.cells), len(sweep.grid.seeds)
    text = (
        f"Of {formats.count(cells, 'cell')}, {_place(first)} has the lowest median final loss: "
        f"{_interval(first)} (95{_SPACE}% bootstrap interval over {formats.count(seeds, 'seed')}"
    )
    if math.isfinite(first["held_out"]):
        text += f"; {formats.loss(first['held_out'])} where each seed is scored on a cell chosen by the others"
    return [f"{text}).", *_ranking(sweep), *_cheapest(sweep), _border(sweep), *_caveat(sweep)]


def _place(line: "pd.Series") -> str:
    return f"{line['optimizer']} at b = {line['batch_size']}, lr {line['lr']:.4g},"


def _interval(line: "pd.Series") -> str:
    median, low, high = (formats.loss(float(line[name])) for name in ("median", "low", "high"))
    return f"{median} [{low},{_SPACE}{high}]"


def _ranking(sweep: Sweep) -> list[str]:
    """Who can be told from the leader."""
    others = list(zip(sweep.best["optimizer"], sweep.against_leader, strict=True))[1:]
    if not others:
        return []
    leader, seeds = sweep.best["optimizer"].iloc[0], formats.count(len(sweep.grid.seeds), "seed")
    close = [str(name) for name, other in others if other is not None and not other.ranked]
    if not close:
        return [f"{seeds.capitalize()} are enough to rank {leader}'s best cell above that of every other optimizer."]
    return [
        f"{seeds.capitalize()} are too few to rank {leader} against {formats.listed(close)}, each at its best cell."
    ]


def _cheapest(sweep: Sweep) -> list[str]:
    """The fewest examples, steps and seconds."""
    found = []
    for name in ("examples", "steps", "seconds"):
        table = cheapest(sweep.scaling, name)
        reached = table[table[name] < math.inf].sort_values(name, kind="stable")
        if len(reached):
            line = reached.iloc[0]
            fewest = "the least time" if name == "seconds" else f"the fewest {name}"
            found.append(f"{fewest}, {write_cost(float(line[name]), name)}, by {_place(line).rstrip(',')}")
    if not found:
        return ["No cell reaches the target in more than half of its runs."]
    goal = formats.loss(sweep.target.loss)
    text = f"A loss of {goal} is reached with {formats.listed(found)}"
    known = sweep.scaling["seconds"].notna()
    if known.any() and not known.all():
        text += f" (times are known for {int(known.sum())} of {len(known)} combinations)"
    return [f"{text}."]


def _border(sweep: Sweep) -> str:
    n = len(sweep.edges)
    if not n:
        return "No best learning rate lies on the border of its range."
    verb = "lies" if n == 1 else "lie"
    return f"{formats.count(n, 'best learning rate')} {verb} on the border of the range: run snakemake extend."


def _caveat(sweep: Sweep) -> list[str]:
    """All batch sizes had the same epochs, and so the largest only a few steps."""
    cells = sweep.grid.cells
    steps = {b: float(cells.loc[cells["batch_size"] == b, "steps"].max()) for b in sweep.grid.batch_sizes}
    least, most = min(steps, key=lambda b: steps[b]), max(steps, key=lambda b: steps[b])
    if steps[least] == steps[most]:
        return []
    return [
        f"All cells had the same epochs, so b = {least} made {steps[least]:,.0f} updates and b = {most} made "
        f"{steps[most]:,.0f}: this favours small batches, and compares them per example."
    ]


def edge_lines(sweep: Sweep) -> list[str]:
    """Say of each flagged range which side its best rate lies on."""
    lines = []
    for optimizer, b, side, best in sweep.edges.to_numpy():
        where = f"{optimizer}, b = {b}"
        if math.isnan(best):
            lines.append(f"{where}: half of the runs or more diverged at every rate, so the range is too high.")
        else:
            word = "lowest" if side == "low" else "highest"
            lines.append(f"{where}: the best rate, {best:.4g}, is the {word} one tried.")
    return lines


def _leaders(sweep: Sweep) -> list[dict[str, str]]:
    lines: list[dict[str, str]] = []
    for (_, line), other in zip(sweep.best.iterrows(), sweep.against_leader, strict=True):
        text = {"optimizer": str(line["optimizer"]), "batch_size": "–", "lr": "–", "median": "∞", "held_out": "–"}
        text |= {"statuses": "half or more diverged or failed in every cell", "p": "–"}
        if line["row"] >= 0:
            text |= {"batch_size": f"{line['batch_size']:,}", "lr": f"{line['lr']:.4g}", "median": _interval(line)}
            text |= {"held_out": formats.loss(line["held_out"]), "statuses": _ended(sweep, int(line["row"]))}
            text |= {"p": verdict(other, "the leader" if not lines else "").replace("\n", "; ")}
        lines.append(text)
    return lines


def _ended(sweep: Sweep, row: int) -> str:
    cell = sweep.grid.cells.iloc[row]
    return ", ".join(f"{cell[name]} {name}" for name in STATUSES if cell[name])


def _batches(sweep: Sweep) -> list[dict[str, str]]:
    flagged = {
        (str(o), int(b)): str(side) for o, b, side in sweep.edges[["optimizer", "batch_size", "side"]].to_numpy()
    }
    lines = []
    for (_, best), (_, cost) in zip(sweep.best_by_batch_size.iterrows(), sweep.scaling.iterrows(), strict=True):
        side = flagged.get((str(best["optimizer"]), int(best["batch_size"])))
        text = {"optimizer": str(best["optimizer"]), "batch_size": f"{best['batch_size']:,}", "median": "∞", "lr": "–"}
        if best["row"] >= 0:
            text |= {"median": _interval(best), "lr": f"{best['lr']:.4g}"}
        text |= {"edge": {None: "", "low": "lowest tried", "high": "highest tried"}[side], "target_lr": "–"}
        if cost["arrived"]:
            text |= {"target_lr": f"{cost['lr']:.4g}"}
        text |= {name: _cost(cost, name) for name in ("examples", "steps", "seconds")}
        lines.append(text | {"arrived": f"{100 * cost['arrived']:.0f}{_SPACE}%"})
    return lines


def _cost(line: "pd.Series", name: str) -> str:
    if math.isnan(line[name]):
        return "not measured"
    middle, low, high = (write_cost(float(line[key]), name) for key in (name, f"{name}_low", f"{name}_high"))
    return "∞" if middle == low == "∞" else f"{middle} [{low},{_SPACE}{high}]"


def _statuses(sweep: Sweep) -> list[dict[str, str]]:
    lines = []
    for name in sweep.grid.optimizers:
        own = sweep.grid.cells.iloc[sweep.grid.rows(name)]
        lines.append({"optimizer": name} | {status: f"{own[status].sum():,}" for status in STATUSES})
    return lines
