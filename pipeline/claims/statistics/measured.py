"""Statistics of measurements."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.analysis.lr_scaling import fit_line
from pipeline.claims.effect import Effect, geometric_mean, quotient
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import CLOCK, CONSTRUCTION, COUNTS, THEORY, basis_of, statistic

Value = tuple[float, float, float]


def _basis(arguments: Mapping[str, Any]) -> str:
    """What a measured number rests on: rows of ``memory`` say by their kind whether they were timed."""
    if arguments["measurement"] == "noise_scale":
        return THEORY
    if arguments["measurement"] == "memory" and arguments["column"] == "value":
        return CONSTRUCTION if arguments["row"].get("kind") == "arithmetic" else CLOCK
    return basis_of(arguments)


@statistic(_basis)
def measured_value(evidence: Evidence, measurement: str, row: dict[str, Any], column: str) -> Effect:
    """One number of a measurement: with the interval that stands beside it, or with that of several processes."""
    return ratio_of_rows(evidence, measurement, row, None, column)


@statistic(_basis)
def measured_ratio(
    evidence: Evidence, measurement: str, row: dict[str, Any], over: dict[str, Any], column: str, times: float = 1.0
) -> Effect:
    """A column of one row of a measurement over that of another, times a factor that makes the units agree."""
    return ratio_of_rows(evidence, measurement, row, over, column, times)


def ratio_of_rows(
    evidence: Evidence,
    measurement: str,
    row: dict[str, Any],
    over: dict[str, Any] | None,
    column: str,
    times: float = 1.0,
) -> Effect:
    """A column of one row over that of another, or over 1, process by process where there are several.

    A number with an interval beside it, or one that is counted, is that of the one row. Others are times: each process
    is a sample of one, and a single process says nothing.
    """
    table = evidence.measurement(measurement)
    rows = [_rows(table, measurement, where) for where in (row, over) if where is not None]
    values = [*(value_of(one.iloc[0], column) for one in rows), (1.0, 1.0, 1.0)]
    n, of = min(_size(one.iloc[0]) for one in rows)
    if of == "repeats" and column not in COUNTS and all(low == high for _, low, high in values):
        ratios = times * rows[0][column] / (rows[1][column] if over else 1.0)
        return geometric_mean(ratios.dropna().to_numpy(dtype=float), "processes")
    value, low, high = (times * number for number in values[0])
    return quotient((value, low, high), values[1], n, of)


@statistic()
def log_slope(evidence: Evidence, measurement: str, rows: dict[str, Any], x: str, y: str) -> Effect:
    """Slope of log y against log x over some rows; the interval is 1.96 standard errors of the fit."""
    found = matching(evidence.measurement(measurement), rows)
    if len(found) < 3:
        raise NoData(f"no data: {measurement} has {len(found)} rows with {words_of(rows)}; a slope takes three")
    log_x, log_y = np.log(found[x].to_numpy(dtype=float)), np.log(found[y].to_numpy(dtype=float))
    slope, intercept = (float(number) for number in fit_line(log_x, log_y))
    left: Array = log_y - intercept - slope * log_x
    spread = float(np.sum((log_x - log_x.mean()) ** 2))
    error = 1.96 * float(np.sqrt(np.sum(left**2) / (len(found) - 2) / spread))
    return Effect(slope, slope - error, slope + error, len(found), "batch sizes")


@statistic(THEORY)
def critical_over_noise_scale(evidence: Evidence, target: str, run: str) -> Effect:
    """The critical batch size of a target over the noise scale of a run at the same excess loss."""
    table = evidence.measurement("noise_scale")
    critical = one_row(table, "noise_scale", {"kind": "critical", "run": target})
    readings = matching(table, {"kind": "training", "run": run}).sort_values("excess")
    excess = readings["excess"].to_numpy(dtype=float)
    at = float(critical["excess"])
    if not len(excess) or not excess[0] <= at <= excess[-1]:
        raise NoData(f"no data: run {run!r} has no reading around an excess loss of {at:.2g}")
    columns = [readings[name].to_numpy(dtype=float) for name in ("value", "low", "high")]
    value, low, high = (float(np.exp(np.interp(np.log(at), np.log(excess), np.log(y)))) for y in columns)
    return quotient(value_of(critical, "value"), (value, low, high), len(readings), "readings")


def one_row(table: pd.DataFrame, measurement: str, where: dict[str, Any]) -> "pd.Series[Any]":
    """The one row with some values.

    Raises
    ------
    NoData
        If there is none, or more than one.
    """
    return _rows(table, measurement, where).iloc[0]


def _rows(table: pd.DataFrame, measurement: str, where: dict[str, Any]) -> pd.DataFrame:
    """The row with some values in each process, by process."""
    found = matching(table, where)
    process = found.get("process", pd.Series(1, found.index)).fillna(1)
    if found.empty or process.duplicated().any():
        raise NoData(f"no data: {measurement} has {len(found)} rows with {words_of(where)}, not one")
    return found.set_index(process)


def matching(table: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    """The rows with some values."""
    kept = pd.Series(True, index=table.index)
    for name, value in where.items():
        kept &= (table[name] == value).fillna(False).astype(bool)
    return table[kept]


def words_of(where: dict[str, Any]) -> str:
    """The values, for a sentence."""
    return ", ".join(f"{name} {value}" for name, value in where.items())


def value_of(row: "pd.Series[Any]", column: str) -> Value:
    """A number with its interval: that of the table, or none where it is exact."""
    value = float(row[column])
    if math.isnan(value):
        raise NoData(f"no data: {column} was not measured")
    if column in ("value", "ratio") and "low" in row.index and not pd.isna(row["low"]):
        return value, float(row["low"]), float(row["high"])
    if column == "ratio_to_independent" and not pd.isna(row["ratio"]):
        scale = value / float(row["ratio"])
        return value, scale * float(row["low"]), scale * float(row["high"])
    return value, value, value


def _size(row: "pd.Series[Any]") -> tuple[int, str]:
    for name in ("repeats", "minibatches"):
        if name in row.index and not pd.isna(row[name]):
            return int(row[name]), name
    return 1, "rows"
