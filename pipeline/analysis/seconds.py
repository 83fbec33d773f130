"""Seconds for runs that have no clock: steps times the measured time of a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.lab.errors import UserError

COLUMNS = ("implementation", "optimizer", "batch_size", "us_per_step")


@dataclass(frozen=True)
class StepCosts:
    """What one update costs.

    Parameters
    ----------
    seconds : mapping
        (implementation, optimizer, batch size) to seconds.
    source : str
        Where they come from, as the end of a sentence.
    """

    seconds: Mapping[tuple[str, str, int], float] = field(default_factory=dict)
    source: str = "not measured"

    def of(self, optimizer: str, batch_size: int, implementation: str = "scratch") -> float:
        """Seconds of one step.

        Between two measured batch sizes it is interpolated linearly: a step costs something once, and
        something for each example. NaN outside of them, and where nothing was measured.
        """
        measured = sorted((b, s) for (i, o, b), s in self.seconds.items() if (i, o) == (implementation, optimizer))
        if not measured:
            return float("nan")
        sizes, seconds = zip(*measured, strict=True)
        return float(np.interp(batch_size, sizes, seconds, left=np.nan, right=np.nan))


def read_step_costs(path: Path) -> StepCosts:
    """Read a measurement: one row an implementation, optimizer and batch size, or several of which the median counts.

    Parameters
    ----------
    path : Path
        A ``.parquet`` file with at least the columns ``implementation``, ``optimizer``, ``batch_size`` and
        ``us_per_step`` (microseconds). Where it splits a step, rows count whose ``part`` is ``step``.

    Raises
    ------
    UserError
        If the file cannot be read or lacks a column.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}: it must have {', '.join(COLUMNS)}")
    if "part" in table.columns:
        table = table[table["part"] == "step"]
    return StepCosts(_medians(table, table["us_per_step"].astype(float) * 1e-6), "the measured time of a step")


def step_costs_of_runs(runs: pd.DataFrame) -> StepCosts:
    """Derive the time of a step from runs that have a clock: seconds over steps, the median over runs."""
    timed = runs[runs["train_seconds"].notna() & (runs["status"] == "ok") & (runs["steps"] > 0)]
    if timed.empty:
        return StepCosts()
    seconds = timed["train_seconds"].astype(float) / timed["steps"]
    names = ", ".join(sorted({str(name) for name in timed["study"].unique()}))
    return StepCosts(_medians(timed, seconds), f"the time of a step in the timed runs of study {names}")


def _medians(table: pd.DataFrame, seconds: pd.Series) -> dict[tuple[str, str, int], float]:
    kinds = zip(table["implementation"], table["optimizer"], table["batch_size"], strict=True)
    pooled: dict[tuple[str, str, int], list[float]] = {}
    for (implementation, optimizer, batch_size), value in zip(kinds, seconds, strict=True):
        pooled.setdefault((str(implementation), str(optimizer), int(batch_size)), []).append(float(value))
    return {kind: float(np.median(values)) for kind, values in pooled.items()}


def add_seconds(table: pd.DataFrame, costs: StepCosts) -> pd.DataFrame:
    """Add ``seconds``, ``seconds_low`` and ``seconds_high`` to a table of steps to the target.

    Parameters
    ----------
    table : DataFrame
        As of :func:`pipeline.analysis.scaling.scaling`.
    costs : StepCosts
        What a step costs.

    Returns
    -------
    DataFrame
        NaN where the cost of a step is not known; infinite where it is, and the target is missed.
    """
    each = np.array(
        [costs.of(str(o), int(b)) for o, b in zip(table["optimizer"], table["batch_size"], strict=True)], dtype=float
    )
    suffixes = ("", "_low", "_high")
    return table.assign(**{f"seconds{suffix}": table[f"steps{suffix}"].to_numpy() * each for suffix in suffixes})
