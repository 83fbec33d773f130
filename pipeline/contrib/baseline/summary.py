"""From tables and verdicts to the parts of a baseline."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.cells import quantiles
from pipeline.claims.effect import median_of_quartiles, quotient
from pipeline.contrib.baseline.parts import Loss, Number, Verdict, real
from pipeline.lab.results import CellResults, StudyResults


def verdicts_of(claims: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The verdicts in ``claims.json``."""
    return tuple(
        Verdict(
            claim["id"],
            claim["verdict"],
            claim["text"],
            tuple(_number_of(test) for test in claim["tests"]),
            claim["offline_twin"],
        )
        for claim in claims["claims"]
    )


def _number_of(test: Mapping[str, Any]) -> Number:
    low, high = test["interval"] or (None, None)
    value, low, high = (real(number) for number in (test["effect"], low, high))
    return Number(test["name"], value, low, high, test["n"], test["of"], test["verdict"], test["threshold"])


def losses_of(study: str, runs: pd.DataFrame) -> Iterator[Loss]:
    """The final losses of every cell of a table of runs."""
    for cell in StudyResults(runs, pd.DataFrame()).cells.values():
        low, median, high = _summary(cell)
        yield Loss(
            study,
            cell.id,
            cell.name,
            str(cell.runs["data"].iloc[0]),
            cell.statuses,
            median,
            low,
            high,
            digest(cell.runs),
        )


def _summary(cell: CellResults) -> tuple[float | None, ...]:
    if not len(cell.losses):
        return None, None, None
    return tuple(float(value) for value in quantiles(np.asarray(cell.losses, dtype=np.float64), [0.0, 0.5, 1.0]))


def digest(runs: pd.DataFrame) -> str:
    """Twelve hexadecimal digits that change with any bit of a cell's final losses, or any run's status.

    Parameters
    ----------
    runs : DataFrame
        The cell's rows, in any order.

    Returns
    -------
    str
    """
    ordered = runs.sort_values("seed")
    losses = ordered["final_loss"].to_numpy(dtype=float, na_value=np.nan)
    lines = [
        f"{seed} {status} {loss.hex()}"
        for seed, status, loss in zip(ordered["seed"], ordered["status"], losses, strict=True)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def step_cost_ratios(steps: pd.DataFrame) -> Iterator[Number]:
    """Time of a step with torch.optim over that from scratch, for every rule that has both.

    Parameters
    ----------
    steps : DataFrame
        The table of the measurement ``step_cost``.

    Yields
    ------
    Number
    """
    kind = ["model", "data", "sampling"]
    whole = steps[(steps["part"] == "step") & (steps[kind] == steps[kind].iloc[0]).all(axis=1)]
    for (optimizer, batch_size), rows in whole.groupby(["optimizer", "batch_size"], sort=False):
        by_name = {str(row["implementation"]): row for row in rows.to_dict("records")}
        if by_name.keys() == {"scratch", "torch"}:
            torch, scratch = (_microseconds(by_name[name]) for name in ("torch", "scratch"))
            ratio = quotient(torch, scratch, int(rows["repeats"].min()), "repeats")
            name = f"seconds of a step with torch.optim over from scratch, {optimizer}, b {batch_size}"
            yield Number(name, ratio.value, ratio.low, ratio.high, ratio.n, ratio.of)


def _microseconds(row: Mapping[Any, Any]) -> tuple[float, float, float]:
    median, q25, q75 = (float(row[f"us_per_step{end}"]) for end in ("", "_q25", "_q75"))
    return median, *median_of_quartiles(median, q25, q75, int(row["repeats"]))


def benchmarks_of(bench: Mapping[str, Any]) -> tuple[Number, ...]:
    """The lab's timings over plain PyTorch's, from ``bench.json``.

    An interval reaches from the fastest over the slowest timing to the slowest over the fastest: it is wide, and
    so slow to call a change. Whole commands are timed too few times to have one, and are left out.
    """
    return tuple(
        number
        for part, plain, unit in (("solo", "slicing", "ms"), ("stacks", "DataLoader", "us"))
        for number in _ratios(bench.get(part, []), plain, unit)
    )


def _ratios(rows: Sequence[Mapping[str, Any]], plain: str, unit: str) -> Iterator[Number]:
    middle = {"ms": "ms_per_epoch", "us": "us_per_run_epoch"}[unit]
    loops = {row["batch_size"]: row for row in rows if row["contender"] == plain}
    for row in rows:
        if row["contender"] in ("slicing", "DataLoader"):  # nobody's but PyTorch's
            continue
        over = loops[row["batch_size"]]
        yield Number(
            f"seconds of {row['contender']} over a plain loop ({plain}), b {row['batch_size']}",
            row[middle] / over[middle],
            row[f"{unit}_min"] / over[f"{unit}_max"],
            row[f"{unit}_max"] / over[f"{unit}_min"],
            row["repeats"],
            "repeats",
        )
