"""The two tables that others read.

``runs``: one row a run. ``curves``: one row a reading of the loss. Their columns
are a contract; a change of it changes ``VERSION``, which every file carries.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.files import written_whole

VERSION = "2"

_METADATA = {"table_version": VERSION}


_text, _whole, _real = pa.string(), pa.int64(), pa.float64()

#: One row a run. Losses are over all training rows: half mean squared errors in whitened units, or mean
#: cross-entropies. ``accuracy`` is that on examples held out, null where there are no classes;
#: seconds are training seconds of the clock, null where runs were stacked.
RUNS = pa.schema(
    [
        *(
            pa.field(name, _text, nullable=False)
            for name in ("study", "cell_id", "data", "model", "implementation", "optimizer", "schedule", "sampling")
        ),
        pa.field("batch_size", _whole, nullable=False),
        pa.field("lr", _real, nullable=False),
        pa.field("seed", _whole, nullable=False),
        pa.field("engine", _text, nullable=False),
        pa.field("status", _text, nullable=False),
        *(pa.field(name, _whole, nullable=False) for name in ("epochs", "steps", "examples")),
        *(pa.field(name, _real) for name in ("initial_loss", "final_loss", "best_loss")),  # null after an error
        pa.field("accuracy", _real),
        pa.field("train_seconds", _real),
        pa.field("seconds_per_epoch", _real),
        pa.field("diverged_step", _whole),
        pa.field("config", _text, nullable=False),
    ],
    metadata=_METADATA,
)

#: One row a reading; ``epoch`` counts passes over the data, with fractions.
CURVES = pa.schema(
    [
        pa.field("study", _text, nullable=False),
        pa.field("cell_id", _text, nullable=False),
        pa.field("seed", _whole, nullable=False),
        pa.field("step", _whole, nullable=False),
        pa.field("examples", _whole, nullable=False),
        pa.field("epoch", _real, nullable=False),
        pa.field("seconds", _real),
        pa.field("loss", _real, nullable=False),
    ],
    metadata=_METADATA,
)


def write_table(table: pd.DataFrame, schema: pa.Schema, path: Path) -> None:
    """Write a table whole, typed by its schema.

    Parameters
    ----------
    table : DataFrame
        Its columns are the schema's.
    schema : pyarrow.Schema
        :data:`RUNS`, :data:`CURVES`, or a measurement's own.
    path : Path
        A ``.parquet`` file.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a column is of another type, or has gaps where it must have none.
    UserError
        If the file cannot be written.
    """
    arrow = pa.Table.from_pandas(table[schema.names], schema=schema, preserve_index=False, safe=True)
    arrow = arrow.replace_schema_metadata({**(schema.metadata or {})})
    with written_whole(path) as temporary:
        pq.write_table(arrow, temporary)


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a table and check its version.

    Raises
    ------
    UserError
        If the file is missing, is no such table, or has another version.
    """
    try:
        arrow = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from None
    version = (arrow.schema.metadata or {}).get(b"table_version", b"none").decode()
    if version != VERSION or arrow.schema.names != schema.names:
        raise UserError(f"{path} has table version {version}, and this is version {VERSION}: make it again")
    # pandas would turn whole numbers with gaps into floats
    gaps = {field.name: "Int64" for field in schema if field.nullable and pa.types.is_integer(field.type)}
    table: pd.DataFrame = arrow.to_pandas().astype(gaps)
    return table
