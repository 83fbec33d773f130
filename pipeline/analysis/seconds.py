"""Seconds for runs that have no clock: steps times the measured time of a step."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from pipeline.lab.config.cell import canonical_json
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.parts import configurations
from pipeline.parts.base import TWIN_NAME

COLUMNS = ("implementation", "optimizer", "batch_size", "us_per_step")
#: What was measured where a table of step costs names no model and no data.
MEASURED = {"model": "linear", "data": "airfoil", "sampling": "without_replacement"}
#: Of a time that a single process measured.
ONCE = "measured once, so that its error is not known"
#: Keys of a model that decide where it starts, and not what a step costs.
_START = ("weight_std", "bias", "_target_")
#: Keys of a data set that decide how a minibatch is made.
_LOADING = ("loading", "workers", "prefetch", "persistent")


class StepKind(NamedTuple):
    """What decides the cost of a step, the batch size apart: two cells that differ in it share no measured time."""

    implementation: str
    optimizer: str
    model: str
    data: str
    sampling: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "StepKind":
        """The kind of step of a cell's effective configuration."""
        model, data = config.get("model", {}), config.get("data", {})
        name = str(data.get("name", ""))
        return cls(
            implementation=str(config.get("implementation", "")),
            optimizer=str(config.get("optimizer", {}).get("name", "")),
            model=canonical_json({key: value for key, value in model.items() if key not in _START}),
            data=canonical_json(
                {"name": MEASURED["data"] if name == TWIN_NAME else name}
                | {key: data[key] for key in _LOADING if key in data}
            ),
            sampling=str(config.get("sampling", {}).get("name", "")),
        )


@dataclass(frozen=True)
class StepCosts:
    """Measured times of a step.

    Parameters
    ----------
    seconds : mapping
        Kind of step to batch size to seconds: those of each process, or run, that measured it.
    source : str
        Where they come from, as the end of a sentence.
    """

    seconds: Mapping[StepKind, Mapping[int, Sequence[float]]] = field(default_factory=dict)
    source: str = "not measured"

    def of(self, config: Mapping[str, Any], batch_size: int) -> float:
        """Seconds of one step of a cell.

        Parameters
        ----------
        config : mapping
            The cell's effective configuration.
        batch_size : int
            Its batch size.

        Returns
        -------
        float
            The median. Between two measured batch sizes it is interpolated linearly: a step costs something once, and
            something for each example. NaN outside of them, and where this kind of step was not measured.
        """
        return self._at(config, batch_size, np.median)

    def error(self, config: Mapping[str, Any], batch_size: int) -> float:
        """The factor, up and down, to the ends of a 95 % interval of :meth:`of`, and NaN where that is.

        Student's, over the logarithms of what several processes or runs measured. 1 where there was one alone, of
        which nothing is known.
        """
        return self._at(config, batch_size, _error)

    def _at(self, config: Mapping[str, Any], batch_size: int, summary: Callable[[Sequence[float]], float]) -> float:
        measured = sorted(self.seconds.get(StepKind.of(config), {}).items()) or [(0, [np.nan])]
        values = [summary(seconds) for _, seconds in measured]
        return float(np.interp(batch_size, [b for b, _ in measured], values, left=np.nan, right=np.nan))


def _error(samples: Sequence[float]) -> float:
    n = np.size(samples)
    return float(np.exp(stdtrit(n - 1, 0.975) * np.std(np.log(samples), ddof=1) / np.sqrt(n))) if n > 1 else 1.0


def read_step_costs(path: Path) -> StepCosts:
    """Read the measurement of step costs; several rows of one kind are of different processes.

    Parameters
    ----------
    path : Path
        A ``.parquet`` file with at least the columns ``implementation``, ``optimizer``, ``batch_size`` and
        ``us_per_step`` (microseconds). ``model``, ``data`` and ``sampling`` name what was measured, at the values of
        their files in ``conf/``; without them it is :data:`MEASURED`. Rows count whose ``part``, if any, is ``step``.

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
    table = table.assign(**{name: value for name, value in MEASURED.items() if name not in table.columns})
    steps = []
    for *named, batch_size, microseconds in table[[*StepKind._fields, "batch_size", "us_per_step"]].to_numpy():
        kind = _measured_kind(*map(str, named))
        if kind is not None:
            steps.append((kind, int(batch_size), 1e-6 * float(microseconds)))
    seconds = _pooled(steps)
    counts = sorted({len(each) for sizes in seconds.values() for each in sizes.values()})
    known = f"measured in {' to '.join(map(str, dict.fromkeys(counts[:1] + counts[-1:])))} processes"
    return StepCosts(seconds, f"the time of a step, {known}" if counts[-1:] > [1] else f"the time of a step, {ONCE}")


def step_costs_of_runs(studies: Iterable[StudyResults]) -> StepCosts:
    """Derive the time of a step from runs that have a clock: seconds over steps, the median over runs.

    Parameters
    ----------
    studies : iterable of StudyResults
        Those without a clock add nothing; nor do those of other machines than the one that has timed the most runs.

    Returns
    -------
    StepCosts
    """
    steps: list[tuple[StepKind, int, float]] = []
    names: set[str] = set()
    clocks: Counter[str] = Counter()
    for study in (studies := list(studies)):
        clocks.update(study.runs.loc[study.runs["train_seconds"].notna(), "machine"])
    for study in studies:
        timed = study.runs["train_seconds"].notna() & (study.runs["status"] == "ok") & (study.runs["steps"] > 0)
        timed &= study.runs["machine"].isin([machine for machine, _ in clocks.most_common(1)])
        for cell in study.select(study.runs.loc[timed, "cell_id"]).cells.values():
            own = cell.runs[timed.loc[cell.runs.index]]
            each = own["train_seconds"].astype(float) / own["steps"]
            steps += [(StepKind.of(cell.config), cell.batch_size, float(seconds)) for seconds in each]
            names.add(study.name)
    if not steps:
        return StepCosts()
    return StepCosts(_pooled(steps), f"the time of a step in the timed runs of study {', '.join(sorted(names))}")


@lru_cache(maxsize=256)
def _measured_kind(implementation: str, optimizer: str, model: str, data: str, sampling: str) -> StepKind | None:
    """The kind of step that a row of the measurement names; None where ``conf/`` no longer has its model or data."""
    default = MEASURED["data"] if data == TWIN_NAME else data
    own = default not in configurations("data")  # a table of one's own, which is in no file
    try:
        composed = compose_cell([*([] if own else [f"data={default}"]), f"model={model}"])
    except UserError:
        return None
    of_data = {"name": data} if own else vars(composed.data)
    config = {"model": vars(composed.model), "data": of_data, "sampling": {"name": sampling}}
    return StepKind.of({**config, "implementation": implementation, "optimizer": {"name": optimizer}})


def _pooled(steps: Iterable[tuple[StepKind, int, float]]) -> dict[StepKind, dict[int, list[float]]]:
    pooled: dict[StepKind, dict[int, list[float]]] = {}
    for kind, batch_size, seconds in steps:
        pooled.setdefault(kind, {}).setdefault(batch_size, []).append(seconds)
    return pooled
