"""Read and write measurements: a typed table with the machine and the data in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.tables import read_table, write_table
from pipeline.measure.schemas import SCHEMAS


@dataclass(frozen=True, eq=False)
class Measured:
    """A measurement's table, and the machine and data it was made on.

    Parameters
    ----------
    name : str
        The measurement.
    table : DataFrame
        Columns as in :data:`pipeline.measure.schemas.SCHEMAS`.
    facts : dict
        ``machine`` (text for people), ``threads``, ``data`` (name, rows, offline twin; None where no data are used),
        ``seconds`` (wall time of the measurement, imports left out).
    """

    name: str
    table: pd.DataFrame
    facts: dict[str, Any]

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
    schema = SCHEMAS[measured.name]
    facts: Mapping[str, str] = {"measurement": measured.name, "facts": json.dumps(measured.facts, sort_keys=True)}
    write_table(measured.table, schema.with_metadata({**schema.metadata, **facts}), path)


def read_measured(path: Path) -> Measured:
    """Read a measurement.

    Raises
    ------
    UserError
        If the file is missing, is no measurement's, or has another version.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        name, facts = metadata[b"measurement"].decode(), json.loads(metadata[b"facts"])
        schema = SCHEMAS[name]
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or str(error).splitlines()[0]}") from None
    except (ValueError, KeyError):  # pyarrow's error for what is no Parquet file is a ValueError
        raise UserError(f"{path} is no measurement: {MAKE_AGAIN}") from None
    return Measured(name, read_table(path, schema), facts)
