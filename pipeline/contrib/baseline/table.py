"""A baseline: a row for each verdict, number behind a verdict, ratio of timings and cell."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.claims.effect import geometric_mean
from pipeline.lab.config.cell import updates
from pipeline.lab.config.study import load_study, study_names
from pipeline.lab.errors import UserError
from pipeline.lab.machine import machine_facts, package_versions
from pipeline.lab.results import StudyResults
from pipeline.measure.table import read_measured

VERSION = 2
#: A row has some of: ``part`` (verdict, number, ratio or loss), ``name``, ``text`` for people, ``state`` (the verdict,
#: or how many runs ended how), ``value``, ``low``, ``high``, ``n``, ``of``, ``rule``, ``twin``, ``steps`` and
#: ``digest``.
Row = dict[str, Any]
#: How JSON holds what it has no number for.
_INFINITE = {"infinite": math.inf, "-infinite": -math.inf}


def baseline_of(results: Path) -> dict[str, Any]:
    """Sum up a folder of results: the verdicts, and the studies that a plain ``snakemake`` runs.

    Parameters
    ----------
    results : Path
        The folder.

    Returns
    -------
    dict
        ``version``, ``made_with`` (this machine: run it where the results were made) and ``rows``.

    Raises
    ------
    UserError
        If there are no verdicts, or a file cannot be read.
    """
    rows = _from_json(rows_of_claims, results / "claims.json", "snakemake")
    if (results / "measure" / "step_cost.parquet").exists():
        rows += rows_of_steps(read_measured(results / "measure" / "step_cost.parquet").table)
    if (results / "bench.json").exists():
        rows += _from_json(rows_of_benchmarks, results / "bench.json", "make bench")
    for name in study_names():
        if (results / name / "runs.parquet").exists() and not load_study(name).config.opt_in:
            rows += rows_of_study(StudyResults.read(results / name))
    return {"version": VERSION, "made_with": {**machine_facts(), **package_versions()}, "rows": rows}


def to_text(baseline: Mapping[str, Any]) -> str:
    """Write a baseline as JSON with a line for each row, so that a diff says what changed."""
    head = [f' "{key}": {_json(baseline[key])}' for key in ("version", "made_with")]
    rows = ",\n".join(f"  {_json(row)}" for row in baseline["rows"])
    return "{\n" + ",\n".join([*head, f' "rows": [\n{rows}\n ]']) + "\n}\n"


def from_text(text: str, name: str) -> dict[str, Any]:
    """Read what :func:`to_text` wrote.

    Raises
    ------
    UserError
        If it is no baseline, or one of another version; ``name`` says which file.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        if found["version"] != VERSION:
            raise UserError(
                f"{name} is a baseline of version {found['version']}, and this is version {VERSION}: store it again"
            )
        found["rows"] = [{key: _INFINITE.get(str(value), value) for key, value in row.items()} for row in found["rows"]]
        if not all({"part", "name"} <= row.keys() for row in found["rows"]):
            raise KeyError("name")
        dict(found["made_with"])
        return found
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{name} is no baseline: make one with python -m pipeline.contrib.baseline store") from None


def rows_of_claims(claims: Mapping[str, Any]) -> list[Row]:
    """The verdicts in ``claims.json``, and the numbers behind each."""
    rows = []
    for claim in claims["claims"]:
        n = min((test["n"] for test in claim["tests"]), default=1)  # 0 where a test had no data
        row = {"part": "verdict", "name": claim["id"], "text": claim["text"], "state": claim["verdict"], "n": n}
        rows.append(row | {"twin": claim["offline_twin"]})
        for test in claim["tests"]:
            low, high = test["interval"] or (None, None)
            row = {"part": "number", "name": f"{claim['id']}: {test['name']}", "state": test["verdict"]}
            row |= _numbers(test["effect"], low, high, test["n"], test["of"])
            rows.append(row | {"rule": test["threshold"]})
    return rows


def rows_of_study(study: StudyResults) -> list[Row]:
    """The final losses of every cell: how runs ended, median and range over them, and a digest to the last bit."""
    rows = []
    for cell in study.cells.values():
        data, losses = cell.runs["data"].iloc[0], np.sort(cell.losses)
        middle = losses[[(len(losses) - 1) // 2, len(losses) // 2]].mean() if len(losses) else None
        name = f"{study.name}, {cell.name}"
        row: Row = {"part": "loss", "name": f"{name}, {data}", "text": name}
        row["steps"] = updates(cell.examples or 0, cell.batch_size, int(cell.runs["epochs"].iloc[0]))
        row["state"] = ", ".join(f"{count} {status}" for status, count in cell.statuses.items())
        low, high = (losses[0], losses[-1]) if len(losses) else (None, None)
        row |= _numbers(middle, low, high, len(cell.runs), "runs")
        rows.append(row | {"digest": digest(cell.runs)})
    return rows


def digest(runs: pd.DataFrame) -> str:
    """Twelve hexadecimal digits that change with any bit of a cell's final losses, or any run's status."""
    ordered = runs.sort_values("seed")
    losses = ordered["final_loss"].to_numpy(dtype=float, na_value=np.nan)
    each = zip(ordered["seed"], ordered["status"], losses, strict=True)
    lines = (f"{seed} {status} {loss.hex()}" for seed, status, loss in each)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def rows_of_steps(steps: pd.DataFrame) -> list[Row]:
    """Time of a step with torch.optim over that from scratch, for every rule that has both; the first kind of cell."""
    kind = ["model", "data", "sampling"]
    own = steps[(steps["part"] == "step") & (steps[kind] == steps[kind].iloc[0]).all(axis=1)]
    rows = []
    for (optimizer, batch_size), pair in own.groupby(["optimizer", "batch_size"], sort=False):
        seconds = pair.pivot_table(index="process", columns="implementation", values="us_per_step")
        if {*seconds} == {"scratch", "torch"}:
            ratio = geometric_mean((seconds["torch"] / seconds["scratch"]).dropna().to_numpy(dtype=float), "processes")
            name = f"seconds of a step with torch.optim over from scratch, {optimizer}, b {batch_size}"
            rows.append({"part": "ratio", "name": name} | vars(ratio))
    return rows


def rows_of_benchmarks(bench: Mapping[str, Any]) -> list[Row]:
    """The lab's timings over plain PyTorch's, from ``bench.json``.

    An interval reaches from the fastest over the slowest timing to the slowest over the fastest: it is wide, and
    so slow to call a change. Whole commands are timed too few times to have one, and are left out.
    """
    parts = (("solo", "slicing", "ms", "ms_per_epoch"), ("stacks", "DataLoader", "us", "us_per_run_epoch"))
    return [row for part, *names in parts for row in _ratios(bench.get(part, []), *names)]


def _ratios(timings: Sequence[Mapping[str, Any]], plain: str, unit: str, middle: str) -> Iterator[Row]:
    loops = {row["batch_size"]: row for row in timings if row["contender"] == plain}
    for row in timings:
        if row["contender"] in ("slicing", "DataLoader"):  # PyTorch's own
            continue
        over, b = loops[row["batch_size"]], row["batch_size"]
        ends = row[f"{unit}_min"] / over[f"{unit}_max"], row[f"{unit}_max"] / over[f"{unit}_min"]
        name = f"seconds of {row['contender']} over a plain loop ({plain}), b {b}"
        yield {"part": "ratio", "name": name} | _numbers(row[middle] / over[middle], *ends, row["repeats"], "repeats")


def _numbers(value: Any, low: Any, high: Any, n: int, of: str) -> Row:
    value, low, high = (_INFINITE.get(str(number), number) for number in (value, low, high))
    return {"value": value, "low": low, "high": high, "n": n, "of": of}


def _json(value: Any) -> str:
    return json.dumps(jsonable(value), ensure_ascii=False, allow_nan=False)


def jsonable(value: Any) -> Any:
    """Write numbers so that JSON can hold them: nine digits, infinity in words, and nothing for what is undefined."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return float(f"{value:.9g}") if math.isfinite(value) else "infinite" if value > 0 else "-infinite"
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, list | tuple) else value


def _from_json(rows_of: Any, path: Path, command: str) -> list[Row]:
    """Read a JSON file and make rows of it."""
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; make it with {command}") from None
    except ValueError:
        raise UserError(f"{path} is no JSON: make it again with {command}") from None
    try:
        rows: list[Row] = rows_of(found)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is of another version of the lab: make it again with {command}") from None
    return rows
