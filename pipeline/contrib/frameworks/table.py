"""What the scripts measured, as two tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.contrib.frameworks.problem import Problem, Run
from pipeline.contrib.frameworks.reference import reference_losses
from pipeline.lab.tables import VERSION
from pipeline.measure.table import schema

_text, _whole, _real = pa.string(), pa.int64(), pa.float64()

#: One row a reading of the loss; ``reference`` is float64 arithmetic in numpy.
CURVES = pa.schema(
    [
        *(pa.field(name, _text, nullable=False) for name in ("framework", "mode", "name")),
        pa.field("step", _whole, nullable=False),
        pa.field("examples", _whole, nullable=False),
        pa.field("epoch", _real, nullable=False),
        pa.field("loss", _real, nullable=False),
        pa.field("reference", _real, nullable=False),
    ],
    metadata={"table_version": VERSION},
)

#: Of the table ``frameworks``.
COLUMNS: list[str] = schema("frameworks").names

#: Two frameworks that are each within this of the reference are within 1e-4 of each other.
TOLERANCE = 5e-5

#: As in the lab's own runs: above so many times the initial loss a run has diverged.
DIVERGED_ABOVE = 1e6

Measured = Mapping[str, Any]


def aggregate(measured: Sequence[Measured], problem: Problem) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the tables.

    Parameters
    ----------
    measured : sequence of mapping
        Rows of all frameworks, as :func:`pipeline.contrib.frameworks.launch.measure` returns them.
    problem : Problem
        What they computed.

    Returns
    -------
    frameworks, curves : DataFrame
        See ``conf/measurement/frameworks.yaml`` and :data:`CURVES`. A run whose losses are not those of
        the reference has status ``error``.
    """
    runs = {run.name: run for run in problem.runs}
    references = {name: reference_losses(problem, run) for name, run in runs.items()}
    rows = [_row(entry, problem, references) for entry in measured]
    curves = [
        _curve(entry, runs[entry["name"]], references[entry["name"]], len(problem.X))
        for entry in measured
        if entry.get("losses")
    ]
    empty = pd.DataFrame(columns=CURVES.names)
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(curves, ignore_index=True) if curves else empty


def _row(entry: Measured, problem: Problem, references: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    row = {name: entry.get(name) for name in COLUMNS}
    row.update(seconds=None, message=entry.get("message") or "", repeats=len(entry["seconds"]))
    if entry["seconds"]:
        low, middle, high = np.quantile(entry["seconds"], [0.25, 0.5, 0.75])
        row.update(seconds=middle, seconds_q25=low, seconds_q75=high)
        if entry["kind"] == "product":
            row["gigaflops"] = 2 * len(problem.B) ** 3 / middle / 1e9
        else:
            row["seconds_per_epoch"] = middle / entry["epochs"]
    if entry.get("losses"):
        losses, reference = np.array(entry["losses"], dtype=float), references[entry["name"]]
        row.update(final_loss=losses[-1], **_verdict(losses, reference, row))
    return row


def _verdict(losses: NDArray[np.float64], reference: NDArray[np.float64], row: Measured) -> dict[str, Any]:
    """How far the losses are from the reference, and what follows."""
    with np.errstate(invalid="ignore"):
        far = np.abs(losses - reference)
        if not np.isfinite(losses).all() or (losses > DIVERGED_ABOVE * losses[0]).any():
            return {"status": "diverged"} if row["status"] == "ok" else {}
        # Above 1 the difference is relative: an unstable run grows, and its rounding with it.
        wrong = far > TOLERANCE * np.maximum(1, np.abs(reference))
    verdict: dict[str, Any] = {"loss_difference": float(far.max())}
    if wrong.any() and row["status"] == "ok":
        worst = int(far.argmax())
        verdict.update(
            status="error",
            message=f"at reading {worst} the loss is {losses[worst]:.6f}, and {reference[worst]:.6f} by float64 numpy",
        )
    return verdict


def _curve(entry: Measured, run: Run, reference: NDArray[np.float64], rows: int) -> pd.DataFrame:
    """A run's readings."""
    seen = np.array([0, *run.seen])
    return pd.DataFrame(
        {
            "framework": entry["framework"],
            "mode": entry["mode"],
            "name": entry["name"],
            "step": np.cumsum([0, *run.intervals]),
            "examples": seen,
            "epoch": seen / rows,
            "loss": np.array(entry["losses"], dtype=float),
            "reference": reference,
        }
    )
