"""A study's two tables, some whole cells at once, so that memory does not grow with the study."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.lab.tables import CURVES, RUNS, read_batches, read_table, to_frame

#: Readings that are held at once, unless a single cell has more.
ROWS = 2**16


def read_whole_cells(folder: Path, rows: int = ROWS) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Read a study piece by piece; a cell's rows are all in the same piece.

    Whoever writes tables puts the rows of a cell together, and the cells in the same order in both tables.
    Where another order is found, there is one piece, of everything.

    Parameters
    ----------
    folder : Path
        With ``runs.parquet`` and ``curves.parquet``.
    rows : int
        About as many readings, and no more runs, are in a piece.

    Yields
    ------
    tuple of DataFrame
        Runs and curves of some cells; see :mod:`pipeline.lab.tables`. At least one pair, empty where the study is.

    Raises
    ------
    UserError
        If a table is missing, is no such table, or has another version.
    """
    paths = {RUNS: folder / "runs.parquet", CURVES: folder / "curves.parquet"}
    runs, curves = (_blocks(path, schema) for schema, path in paths.items())
    readings = dict(curves)
    in_order = [cell_id for cell_id, _ in runs if cell_id in readings] == [cell_id for cell_id, _ in curves]
    if len(dict(runs)) < len(runs) or not in_order:
        yield read_table(paths[RUNS], RUNS), read_table(paths[CURVES], CURVES)
        return
    lengths = _pieces([(count, readings.get(cell_id, 0)) for cell_id, count in runs], rows)
    pieces = (_cut(paths[s], s, [piece[i] for piece in lengths]) for i, s in enumerate((RUNS, CURVES)))
    yield from zip(*pieces, strict=True)


def _blocks(path: Path, schema: pa.Schema) -> list[tuple[str, int]]:
    """How many rows each cell has, in the order of the table; a cell that is not in one place is there again."""
    ids = (str(i) for batch in read_batches(path, schema, ["cell_id"]) for i in batch["cell_id"].to_pylist())
    return [(cell_id, sum(1 for _ in block)) for cell_id, block in groupby(ids)]


def _pieces(cells: Sequence[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Put cells together, each with so many runs and readings, up to ``most`` of either.

    Examples
    --------
    >>> _pieces([(1, 4), (1, 4), (1, 4)], 8)
    [(2, 8), (1, 4)]
    """
    pieces = [(0, 0)]
    for runs, readings in cells:
        together = pieces[-1][0] + runs, pieces[-1][1] + readings
        if pieces[-1] == (0, 0) or max(together) <= most:
            pieces[-1] = together
        else:
            pieces.append((runs, readings))
    return pieces


def _cut(path: Path, schema: pa.Schema, lengths: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Read a table in consecutive pieces of so many rows."""
    batches = read_batches(path, schema)
    rest = schema.empty_table()
    for length in lengths:
        held = [rest]
        while sum(map(len, held)) < length:
            held.append(pa.Table.from_batches([next(batches)], schema))
        rest = pa.concat_tables(held)
        yield to_frame(rest.slice(0, length), schema)
        rest = rest.slice(length)
