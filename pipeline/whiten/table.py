"""Write the whitened table as a Parquet file with its provenance and the means and deviations that undo it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lab.errors import MAKE_AGAIN, UserError
from pipeline.lab.files import read_limited, written_whole
from pipeline.parts.data.table import Config as TableConfig
from pipeline.whiten.parse import parse
from pipeline.whiten.whiten import Whitening, whitening_of

#: Of the file's layout and metadata.
VERSION = b"1"
#: Largest allowed provenance file, in bytes.
MOST_PROVENANCE = 1_000_000


def whiten_file(raw: Path, out: Path, config: TableConfig) -> Path:
    """Parse a fetched file, whiten it and write the table.

    The Parquet file has all rows, in float64. Its schema's metadata are ``version``, ``provenance`` (the
    JSON that fetching wrote) and ``whitening`` (JSON: ``method``; ``columns``, each with ``name``, ``unit``,
    ``mean`` and ``deviation``; ``decorrelation``, a matrix or null), so that values can be mapped back to units.

    Parameters
    ----------
    raw : Path
        The table as :func:`pipeline.fetch.download.fetch` wrote it, with its provenance beside it.
    out : Path
        The file to write, whole or not at all.
    config : TableConfig
        For the columns, the number of rows and the method.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    UserError
        If the table or its provenance is missing or wrong, or cannot be whitened or written.
    """
    # Where it is there it is read first: it knows whether the table is damaged, and the cure.
    provenance = read_provenance(raw) if raw.exists() and raw.with_suffix(".json").exists() else None
    table = parse(raw, config)
    provenance = provenance or read_provenance(raw)
    whitening = whitening_of(table, config.whiten)
    metadata = {
        b"version": VERSION,
        b"provenance": json.dumps(provenance).encode(),
        b"whitening": json.dumps(_description(whitening, config)).encode(),
    }
    with written_whole(out) as temporary:
        pq.write_table(_arrow(whitening.apply(table), metadata), temporary)
    return out


def read_provenance(raw: Path) -> dict[str, Any]:
    """Read the provenance beside a fetched table, and check that it is the table's.

    Parameters
    ----------
    raw : Path
        The table.

    Returns
    -------
    dict
        As :func:`pipeline.fetch.download.fetch` describes it.

    Raises
    ------
    UserError
        If it is missing, unreadable, or of other bytes than the table's.
    """
    path = raw.with_suffix(".json")
    try:
        provenance = json.loads(read_limited(path, MOST_PROVENANCE))
        recorded = provenance["sha1"], bool(provenance["offline_twin"])
        found = hashlib.sha1(raw.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read ({error.strerror}): fetch the data with python -m pipeline.fetch"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{path} is not a provenance file: {MAKE_AGAIN}") from None
    if recorded[0] != found:
        raise UserError(f"{raw} has SHA-1 {found}, not {recorded[0]} as {path.name} says: {MAKE_AGAIN}")
    return dict(provenance)


def _description(whitening: Whitening, config: TableConfig) -> dict[str, Any]:
    columns = [
        {"name": column.name, "unit": column.unit, "mean": mean, "deviation": deviation}
        for column, mean, deviation in zip(
            config.columns, whitening.mean.tolist(), whitening.deviation.tolist(), strict=True
        )
    ]
    matrix = whitening.decorrelation
    return {
        "method": whitening.method,
        "columns": columns,
        "decorrelation": None if matrix is None else matrix.tolist(),
    }


def _arrow(frame: pd.DataFrame, metadata: dict[bytes, bytes]) -> pa.Table:
    table = pa.table({name: pa.array(frame[name].to_numpy(), type=pa.float64()) for name in frame.columns})
    return table.replace_schema_metadata(metadata)
