"""Read and write measurements: a typed table with the machine and the data in its metadata."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.tables import VERSION, read_table, write_table
from pipeline.measure import measurement

_TYPES = {"text": pa.string(), "whole": pa.int64(), "real": pa.float64(), "flag": pa.bool_()}


def schema(name: str) -> pa.Schema:
    """The columns of a measurement's table, as its configuration lists them.

    Raises
    ------
    UserError
        If there is no such measurement, or its file is wrong.
    """
    columns = measurement(name).columns.items()
    fields = [pa.field(column, _TYPES[kind.rstrip("?")], nullable=kind.endswith("?")) for column, kind in columns]
    return pa.schema(fields, metadata={"table_version": VERSION})


def table_of(name: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Gather the rows of a measurement into its table; what a row does not name is missing.

    Parameters
    ----------
    name : str
        The measurement.
    rows : sequence of mapping, or DataFrame
        Column to value.

    Returns
    -------
    DataFrame
        All columns of the schema, in its order; whole numbers that may be missing are ``Int64``.

    Raises
    ------
    UserError
        If a column is not among those of its configuration, is of another type, or has gaps where it must have none.
    """
    columns, table = schema(name), pd.DataFrame(rows)
    if other := sorted(set(map(str, table.columns)) - set(columns.names)):
        raise UserError(f"measurement={name} returned the column {other[0]}; its file has {', '.join(columns.names)}")
    kinds = {
        field.name: float if field.type == pa.float64() else "Int64"
        for field in columns
        if field.type == pa.float64() or (field.type == pa.int64() and field.nullable)
    }
    try:
        table = table.reindex(columns=columns.names).astype(kinds)
        pa.Table.from_pandas(table, schema=columns, preserve_index=False)
    except (ValueError, TypeError) as error:
        raise UserError(f"measurement={name} returned another table than its file says: {error}") from None
    return table


def quartiles(values: ArrayLike) -> tuple[float, float, float]:
    """First quartile, median and third quartile: what a row keeps of repeats."""
    low, middle, high = np.quantile(np.asarray(values, dtype=float), [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


@dataclass(frozen=True, eq=False)
class Measured:
    """A measurement's table, and the machine and data it was made on.

    Parameters
    ----------
    name : str
        The measurement.
    table : DataFrame
        Columns as in its configuration.
    facts : dict
        ``machine`` (text for people), ``threads``, ``data`` (name, rows, offline twin; None where no data are used),
        ``seconds`` (wall time of the measurement, imports left out).
    """

    name: str
    table: pd.DataFrame
    facts: dict[str, Any]

    @property
    def pooled(self) -> pd.DataFrame:
        """The table with the rows of several processes made one: medians over processes, and all repeats counted."""
        one = measurement(self.name)
        if not one.repeated or "process" not in self.table or self.table["process"].nunique() < 2:
            return self.table
        how = {name: "median" for name, kind in one.columns.items() if kind.rstrip("?") == "real"} | {"repeats": "sum"}
        keys = [name for name in one.columns if name not in (*how, "process")]
        return self.table.groupby(keys, sort=False, dropna=False).agg(how).reset_index().reindex(columns=[*one.columns])

    @property
    def offline_twin(self) -> bool:
        """Whether the generated stand-in for the data was used."""
        return bool((self.facts.get("data") or {}).get("offline_twin"))


def write_measured(measured: Measured, path: Path) -> None:
    """Write a measurement whole.

    Parameters
    ----------
    measured : Measured
        What was measured.
    path : Path
        A ``.parquet`` file.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    columns = schema(measured.name)
    facts: Mapping[str, str] = {"measurement": measured.name, "facts": json.dumps(measured.facts, sort_keys=True)}
    write_table(measured.table, columns.with_metadata({**columns.metadata, **facts}), path)


def read_measured(path: Path) -> Measured:
    """Read a measurement.

    Raises
    ------
    UserError
        If the file is missing, is no measurement's or that of an unknown one, or has another version.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        name, facts = metadata[b"measurement"].decode(), json.loads(metadata[b"facts"])
    except OSError as error:
        cure = f": {MAKE_AGAIN}" if path.is_file() else ""
        raise UserError(f"{path} cannot be read ({error.strerror or str(error).splitlines()[0]}){cure}") from None
    except (ValueError, KeyError):  # pyarrow's error for what is no Parquet file is a ValueError
        raise UserError(f"{path} is no measurement: {MAKE_AGAIN}") from None
    return Measured(name, read_table(path, schema(name)), facts)
