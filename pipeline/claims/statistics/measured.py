"""Statistics of measurements."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.analysis.lr_scaling import fit_line
from pipeline.claims.effect import Effect, median_of_quartiles, quotient
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import CLOCK, CONSTRUCTION, THEORY, basis_of, statistic

Value = tuple[float, float, float]
#: Reciprocal columns: their quartiles are those of the seconds, turned around.
_RATES = ("gigaflops",)


def _basis(arguments: Mapping[str, Any]) -> str:
    """What a measured number rests on: rows of ``memory`` say by their kind whether they were timed."""
    if arguments["measurement"] == "noise_scale":
        return THEORY
    if arguments["measurement"] == "memory" and arguments["column"] == "value":
        return CONSTRUCTION if arguments["row"].get("kind") == "arithmetic" else CLOCK
    return basis_of(arguments)


@statistic(_basis)
def measured_value(evidence: Evidence, measurement: str, row: dict[str, Any], column: str) -> Effect:
    """One number of a measurement, with the interval that stands beside it, or else its quartiles'."""
    line = one_row(evidence.measurement(measurement), measurement, row)
    value, low, high = value_of(line, column)
    return Effect(value, low, high, *_size(line))


@statistic(_basis)
def measured_ratio(
    evidence: Evidence, measurement: str, row: dict[str, Any], over: dict[str, Any], column: str, times: float = 1.0
) -> Effect:
    """A column of one row of a measurement over that of another, times a factor that makes the units agree."""
    table = evidence.measurement(measurement)
    a, b = one_row(table, measurement, row), one_row(table, measurement, over)
    n, of = min(_size(a), _size(b))
    value, low, high = (times * number for number in value_of(a, column))
    return quotient((value, low, high), value_of(b, column), n, of)


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
    found = matching(table, where)
    if len(found) != 1:
        raise NoData(f"no data: {measurement} has {len(found)} rows with {words_of(where)}, not one")
    return found.iloc[0]


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
    """A number with its interval: that of the table, or that of its quartiles, or none where it is exact."""
    value = float(row[column])
    if math.isnan(value):
        raise NoData(f"no data: {column} was not measured")
    if column in ("value", "ratio") and "low" in row.index and not pd.isna(row["low"]):
        return value, float(row["low"]), float(row["high"])
    if column == "ratio_to_independent" and not pd.isna(row["ratio"]):
        scale = value / float(row["ratio"])
        return value, scale * float(row["low"]), scale * float(row["high"])
    if column in _RATES:
        seconds, low, high = value_of(row, "seconds")
        return value, value * seconds / high, value * seconds / low if low else math.inf
    first, third = ("q25", "q75") if column == "value" else (f"{column}_q25", f"{column}_q75")
    if first in row.index and not pd.isna(row[first]):
        return value, *median_of_quartiles(value, float(row[first]), float(row[third]), int(row["repeats"]))
    return value, value, value


def _size(row: "pd.Series[Any]") -> tuple[int, str]:
    for name in ("repeats", "minibatches"):
        if name in row.index and not pd.isna(row[name]):
            return int(row[name]), name
    return 1, "rows"
