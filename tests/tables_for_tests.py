"""Small tables of runs and curves, as training would write them."""

import json
import math
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.analysis.study import AnalysedStudy, StepCosts
from pipeline.lab.tables import CURVES, RUNS

ROWS = 1500


def cell(
    label,
    *,
    batch_size=10,
    lr=0.05,
    epochs=2,
    seeds=4,
    implementation="scratch",
    data="airfoil",
    engine="solo",
    machine="this one",
    diverged=(),
    error=(),
    final=0.245,
    bias="zeros",
):
    """Runs and curves of one cell; ``diverged`` and ``error`` name the seeds that ended so."""
    cell_id = f"sgd-b{batch_size}-{crc32(repr((label, implementation, lr)).encode()):x}"
    config = {
        "label": label,
        "implementation": implementation,
        "batch_size": batch_size,
        "lr": lr,
        "epochs": epochs,
        "data": {"name": data, "rows": ROWS, "title": "Airfoil", "credit": "Ada & Co", "licence": "CC BY 4.0"},
        "model": {"name": "linear", "bias": bias},
        "optimizer": {"name": "sgd"},
        "schedule": {"name": "constant"},
        "sampling": {"name": "without_replacement"},
    }
    runs, curves = [], []
    for seed in range(seeds):
        readings = [] if seed in error else _readings(batch_size, epochs, engine, final + 0.0005 * seed)
        if seed in diverged:
            readings = [*readings[:3], readings[3] | {"loss": math.inf}]
        status = "error" if seed in error else "diverged" if seed in diverged else "ok"
        last = readings[-1] if readings else {"step": 0, "examples": 0, "loss": None, "seconds": None}
        timed = bool(readings) and engine == "solo"
        runs.append(
            {
                "study": "textbook",
                "cell_id": cell_id,
                "data": data,
                "model": "linear",
                "implementation": implementation,
                "optimizer": "sgd",
                "schedule": "constant",
                "sampling": "without_replacement",
                "batch_size": batch_size,
                "lr": lr,
                "seed": seed,
                "engine": engine,
                "machine": machine,
                "status": status,
                "epochs": epochs,
                "steps": last["step"],
                "examples": last["examples"],
                "initial_loss": readings[0]["loss"] if readings else None,
                "final_loss": last["loss"],
                "best_loss": min(r["loss"] for r in readings) if readings else None,
                "train_seconds": last["seconds"],
                "seconds_per_epoch": last["seconds"] / last["examples"] * ROWS * (1 + 0.1 * seed) if timed else None,
                "diverged_step": last["step"] if status == "diverged" else None,
                "config": json.dumps(config),
            }
        )
        curves += [{"study": "textbook", "cell_id": cell_id, "seed": seed, **reading} for reading in readings]
    return runs, curves


def _readings(batch_size, epochs, engine, final):
    every = max(200, batch_size)
    readings = []
    for examples in range(0, epochs * ROWS + 1, every):
        steps = examples // batch_size
        readings.append(
            {
                "step": steps,
                "examples": examples,
                "epoch": examples / ROWS,
                "seconds": steps * 5e-5 if engine == "solo" else None,
                "loss": final + (0.49 - final) * math.exp(-examples / 300),
            }
        )
    return readings


@dataclass(frozen=True, eq=False)
class KnownStudy(AnalysedStudy):
    """A study whose minimum, or least squares problem, is given instead of worked out from its whitened table."""

    known_minimum: float | None = None
    known_problem: Any = None

    @property
    def problem(self):
        return self.known_problem

    @property
    def minimum(self):
        return self.known_minimum


def analysed(runs, curves, minimum=None, problem=None, costs=None, kind="curves", **words):
    """A study of two tables."""
    known = {"known_minimum": minimum, "known_problem": problem, "costs": costs or StepCosts()}
    return KnownStudy(runs, curves, words={"kind": kind, **words}, **known)


def study(*cells, minimum=None, costs=None, **words):
    """A study of some cells, of curves unless it says otherwise."""
    runs = pd.DataFrame([row for runs, _ in cells for row in runs], columns=RUNS.names)
    curves = pd.DataFrame([row for _, curves in cells for row in curves], columns=CURVES.names)
    return analysed(runs.astype({"diverged_step": "Int64"}), curves, minimum, costs=costs, **words)


def write_study(study, folder):
    """Write a study to disk; unlike ``write_table``, with losses that are null after an error."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table, schema in (("runs", study.runs, RUNS), ("curves", study.curves, CURVES)):
        nullable = pa.schema([field.with_nullable(True) for field in schema], metadata=schema.metadata)
        pq.write_table(pa.Table.from_pandas(table, schema=nullable, preserve_index=False), folder / f"{name}.parquet")
    if study.words:
        (folder / "study.json").write_text(json.dumps({"version": 1, **study.words}))
    return folder


def mixed(data="airfoil", **words):
    """Everything that can happen to a run, under labels of every kind."""
    return study(
        cell("gd", batch_size=1500, lr=1.0, epochs=10, data=data),
        cell("torch $x_1^2$ & co", implementation="torch", data=data),
        cell("_some diverge", lr=0.5, diverged=(1, 3), data=data),
        cell("all diverge", lr=5.0, diverged=range(4), data=data),
        cell("all fail", batch_size=7, error=range(4), data=data),
        cell("once", batch_size=100, lr=0.4, seeds=1, data=data),
        cell("<script>alert(1)</script>", batch_size=1, lr=0.005, data=data),
        minimum=0.2417,
        **words,
    )
