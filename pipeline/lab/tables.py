"""The two tables of a study.

``runs``: one row per run. ``curves``: one row per reading of the loss. Their columns
are a contract; a change of it changes ``VERSION``, which every file carries.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.lab.errors import MAKE_AGAIN, UserError, first_line
from pipeline.lab.files import written_whole

VERSION = "4"

_METADATA = {"table_version": VERSION}

#: Rows of a row group: what a reader that streams holds at once, 7 MB of runs or less. Small enough, too, that each
#: distinct configuration is stored once a group, so that a table of runs takes a third of what larger groups take.
ROW_GROUP = 2**12


_text, _whole, _real = pa.string(), pa.int64(), pa.float64()

#: One row per run. Losses are over all training rows: half mean squared errors in whitened units, or mean
#: cross-entropies; validation losses are the same over the examples held out, null where there are none. ``accuracy``
#: is that on examples held out, at the end, null where there are no classes; seconds are training seconds of the
#: clock, null where runs were stacked, and belong to the ``machine``: its processor, and the GPU where one was used.
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
        pa.field("machine", _text, nullable=False),
        pa.field("status", _text, nullable=False),
        *(pa.field(name, _whole, nullable=False) for name in ("epochs", "steps", "examples")),
        *(pa.field(name, _real) for name in ("initial_loss", "final_loss", "best_loss")),  # null after an error
        *(pa.field(name, _real) for name in ("final_validation_loss", "best_validation_loss")),
        pa.field("accuracy", _real),
        pa.field("train_seconds", _real),
        pa.field("seconds_per_epoch", _real),
        pa.field("diverged_step", _whole),
        pa.field("config", _text, nullable=False),
    ],
    metadata=_METADATA,
)

#: One row per reading; ``epoch`` counts passes over the data, with fractions. What is read of the examples held out is
#: null where there are none.
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
        pa.field("validation_loss", _real),
        pa.field("validation_accuracy", _real),
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
        pq.write_table(arrow, temporary, row_group_size=ROW_GROUP)


def join_tables(paths: Sequence[Path], schema: pa.Schema, out: Path) -> None:
    """Write the rows of some tables into one, in the order given.

    Row group by row group: memory does not grow with the number of rows.

    Parameters
    ----------
    paths : sequence of Path
        Tables of that schema.
    schema : pyarrow.Schema
        :data:`RUNS` or :data:`CURVES`.
    out : Path
        A ``.parquet`` file.

    Raises
    ------
    UserError
        If a file cannot be read, is no such table, or has another version; then nothing is written.
    """
    with written_whole(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for group in _row_groups(batch for path in paths for batch in read_batches(path, schema)):
            writer.write_table(pa.Table.from_batches(group, schema))


def read_batches(path: Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a table no more than a row group at once, and check its version.

    Parameters
    ----------
    path : Path
        The table.
    schema : pyarrow.Schema
        Its columns.
    columns : sequence of str, optional
        Those that are wanted, all by default: the others are not even fetched from the disk.

    Yields
    ------
    pyarrow.RecordBatch

    Raises
    ------
    UserError
        If the file is missing, is no such table, or has another version.
    """
    wanted = schema.names if columns is None else list(columns)
    with _opened(path, schema) as file:
        for batch in file.iter_batches(ROW_GROUP, columns=wanted):
            yield batch.cast(pa.schema([schema.field(name) for name in wanted], schema.metadata))


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Put small batches together: ten thousand jobs of ten runs are no ten thousand row groups."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        if group and sum(map(len, group)) + len(batch) > ROW_GROUP:
            yield group
            group = []
        group.append(batch)
    yield group


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a table and check its version.

    A text that many rows share, such as a configuration, is in memory once.

    Raises
    ------
    UserError
        If the file is missing, is no such table, or has another version.
    """
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    with _opened(path, schema, shared=texts) as file:
        # One at a time, so that no more than a column is held twice.
        columns = {field.name: _series(file.read([field.name])[field.name], field) for field in schema}
    return pd.DataFrame(columns, copy=False)


def to_frame(table: pa.Table, schema: pa.Schema) -> pd.DataFrame:
    """Give rows that were read batch by batch the types that :func:`read_table` gives them."""
    return pd.DataFrame({field.name: _series(table[field.name], field) for field in schema}, copy=False)


def _series(column: pa.ChunkedArray, field: pa.Field) -> "pd.Series[Any]":
    """A column for pandas; each distinct text is a single object."""
    if pa.types.is_string(field.type):
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        categories: pd.Series[Any] = coded.to_pandas()
        return pd.Series(categories.cat.categories.to_numpy(dtype=object).take(categories.cat.codes), dtype=object)
    series: pd.Series[Any] = column.to_pandas()
    # pandas would turn whole numbers with gaps into floats
    return series.astype("Int64") if field.nullable and pa.types.is_integer(field.type) else series


@contextmanager
def _opened(path: Path, schema: pa.Schema, shared: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """Open a table and check its version; columns named in ``shared`` hold each distinct value once."""
    try:
        found = pq.read_schema(path)
        version = (found.metadata or {}).get(b"table_version", b"none").decode()
        if version != VERSION or found.names != schema.names:
            other = "other columns" if version == VERSION else f"table version {version}"
            raise UserError(f"{path} has {other}, and this is version {VERSION}: {MAKE_AGAIN}")
        with pq.ParquetFile(path, read_dictionary=list(shared)) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        cure = f": {MAKE_AGAIN}" if path.is_file() else ""
        raise UserError(f"{path} cannot be read as a table ({first_line(error)}){cure}") from None
