"""A folder of results, read and summed up."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.contrib.baseline.parts import Baseline, Number
from pipeline.contrib.baseline.summary import benchmarks_of, losses_of, step_cost_ratios, verdicts_of
from pipeline.lab.config.study import load_study, study_names
from pipeline.lab.errors import UserError
from pipeline.lab.machine import machine_facts, package_versions
from pipeline.lab.tables import RUNS, read_table
from pipeline.measure.table import read_measured


def baseline_of(results: Path) -> Baseline:
    """Sum up what is in a folder of results: the verdicts, and the studies that a plain ``snakemake`` runs.

    Parameters
    ----------
    results : Path
        The folder.

    Returns
    -------
    Baseline
        With this machine's facts: run it where the results were made.

    Raises
    ------
    UserError
        If there are no verdicts, or a file cannot be read.
    """
    ratios: list[Number] = []
    if (results / "measure" / "step_cost.parquet").exists():
        ratios += step_cost_ratios(read_measured(results / "measure" / "step_cost.parquet").table)
    if (results / "bench.json").exists():
        ratios += _understood(benchmarks_of, results / "bench.json", "make bench")
    studies = [name for name in study_names() if not load_study(name).config.opt_in]
    tables = {name: results / name / "runs.parquet" for name in studies}
    return Baseline(
        machine=machine_facts(),
        packages=package_versions(),
        verdicts=_understood(verdicts_of, results / "claims.json", "snakemake"),
        ratios=tuple(ratios),
        losses=tuple(
            loss for name, path in tables.items() if path.exists() for loss in losses_of(name, read_table(path, RUNS))
        ),
    )


def _understood(read: Any, path: Path, command: str) -> Any:
    """Read a JSON file and make something of it."""
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; make it with {command}") from None
    except ValueError:
        raise UserError(f"{path} is no JSON: make it again with {command}") from None
    try:
        return read(found)
    except (KeyError, TypeError, StopIteration):
        raise UserError(f"{path} is of another version of the lab: make it again with {command}") from None
