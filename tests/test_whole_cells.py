"""A study is read piece by piece, and no cell is torn."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_tables import one_cell, tables

from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.lab.whole_cells import read_whole_cells


def study(folder, *cells):
    """Write a study; each cell has so many seeds and readings of each."""
    made = [
        one_cell("s", f"cell{i}", losses=(0.1,) * seeds, readings=readings) for i, (seeds, readings) in enumerate(cells)
    ]
    runs, curves = tables(*made)
    write(folder, runs, curves)
    return runs, curves


def write(folder, runs, curves):
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")


@pytest.mark.slow
@given(
    cells=st.lists(st.tuples(st.integers(1, 4), st.integers(2, 6)), min_size=1, max_size=12),
    rows=st.integers(1, 60),
)
def test_the_pieces_put_together_are_the_tables_and_hold_whole_cells(tmp_path_factory, cells, rows):
    folder = tmp_path_factory.mktemp("study")
    study(folder, *cells)
    pieces = list(read_whole_cells(folder, rows))
    for i, (schema, name) in enumerate(((RUNS, "runs"), (CURVES, "curves"))):
        together = pd.concat([piece[i] for piece in pieces], ignore_index=True)
        pd.testing.assert_frame_equal(together, read_table(folder / f"{name}.parquet", schema))
    for runs, curves in pieces:
        assert set(runs.cell_id) == set(curves.cell_id)
        assert len(set(runs.cell_id)) == 1 or max(len(runs), len(curves)) <= rows
    ids = [cell_id for runs, _ in pieces for cell_id in runs.cell_id.unique()]
    assert len(ids) == len(set(ids))


def test_a_cell_without_readings_is_there_with_its_runs(tmp_path):
    runs, curves = study(tmp_path, (2, 3), (2, 3), (2, 3))
    write(tmp_path, runs, curves[curves.cell_id != "cell1"])
    pieces = list(read_whole_cells(tmp_path, 6))
    assert [sorted(set(runs.cell_id)) for runs, _ in pieces] == [["cell0", "cell1"], ["cell2"]]
    assert [sorted(set(curves.cell_id)) for _, curves in pieces] == [["cell0"], ["cell2"]]


@pytest.mark.parametrize("shuffled", ["runs", "curves"])
def test_tables_in_another_order_come_in_one_piece(tmp_path, shuffled):
    runs, curves = study(tmp_path, (2, 3), (2, 3), (2, 3))
    runs = runs[::-1] if shuffled == "runs" else runs
    curves = curves.sort_values(["seed", "step"], kind="stable") if shuffled == "curves" else curves
    write(tmp_path, runs, curves)
    (piece,) = read_whole_cells(tmp_path, 6)
    assert [len(table) for table in piece] == [len(runs), len(curves)]


def test_a_study_without_runs_is_one_empty_piece(tmp_path):
    runs, curves = study(tmp_path, (1, 2))
    write(tmp_path, runs[:0], curves[:0])
    ((runs, curves),) = read_whole_cells(tmp_path)
    assert runs.empty and curves.empty


def test_a_table_that_is_missing_is_told(tmp_path):
    with pytest.raises(UserError, match="runs.parquet cannot be read as a table"):
        next(read_whole_cells(tmp_path))
