"""The tables come back as they were written, or not at all."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, VERSION, read_table, write_table


def runs(**changes):
    """Two rows: a run that went well and one that diverged."""
    columns = {
        **{name: ["a", "b"] for name in RUNS.names if RUNS.field(name).type == pa.string()},
        **{name: [1, 2] for name in RUNS.names if RUNS.field(name).type == pa.int64()},
        **{name: [0.25, np.inf] for name in RUNS.names if RUNS.field(name).type == pa.float64()},
        "diverged_step": pd.array([None, 7], dtype="Int64"),
        **changes,
    }
    return pd.DataFrame(columns)[RUNS.names]


def test_a_table_comes_back_as_it_was_written(tmp_path):
    write_table(runs(), RUNS, tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "runs.parquet", RUNS), runs(), check_dtype=False)


def test_whole_numbers_stay_whole_where_there_are_gaps_and_infinity_stays_infinite(tmp_path):
    write_table(runs(), RUNS, tmp_path / "runs.parquet")
    table = read_table(tmp_path / "runs.parquet", RUNS)
    assert str(table.diverged_step.dtype) == "Int64"
    assert table.diverged_step.tolist() == [pd.NA, 7]
    assert table.final_loss[1] == np.inf


def test_the_order_of_the_columns_written_does_not_matter(tmp_path):
    write_table(runs()[RUNS.names[::-1]], RUNS, tmp_path / "runs.parquet")
    assert read_table(tmp_path / "runs.parquet", RUNS).columns.tolist() == RUNS.names


def test_a_run_that_failed_has_no_loss_and_still_is_a_row(tmp_path):
    failed = runs(status=["ok", "error"], initial_loss=[0.5, None], final_loss=[0.2, None], best_loss=[0.2, None])
    write_table(failed, RUNS, tmp_path / "runs.parquet")
    table = read_table(tmp_path / "runs.parquet", RUNS)
    assert table.status.tolist() == ["ok", "error"]
    assert table.final_loss.isna().tolist() == [False, True]


def test_a_table_without_rows_can_be_written_and_read(tmp_path):
    write_table(pd.DataFrame(columns=CURVES.names), CURVES, tmp_path / "curves.parquet")
    assert len(read_table(tmp_path / "curves.parquet", CURVES)) == 0


def test_a_table_of_another_version_is_refused(tmp_path):
    write_table(runs(), RUNS, tmp_path / "runs.parquet")
    table = pq.read_table(tmp_path / "runs.parquet").replace_schema_metadata({"table_version": "0"})
    pq.write_table(table, tmp_path / "old.parquet")
    with pytest.raises(UserError, match=f"old.parquet has table version 0, and this is version {VERSION}"):
        read_table(tmp_path / "old.parquet", RUNS)


def test_a_table_of_another_kind_is_refused(tmp_path):
    write_table(runs(), RUNS, tmp_path / "runs.parquet")
    # `seconds` is a column of CURVES alone: a table from before a column of text was there is refused alike
    for schema in (CURVES, RUNS.append(pa.field("later", pa.string()))):
        with pytest.raises(UserError, match="runs.parquet has other columns, and this is version .*: delete it"):
            read_table(tmp_path / "runs.parquet", schema)


@pytest.mark.parametrize("content", [None, b"", b"not a table"])
def test_what_is_no_table_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "runs.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="runs.parquet cannot be read as a table") as caught:
        read_table(path, RUNS)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("delete it, and run snakemake again") == (content is not None)


def test_an_empty_cell_is_refused_where_the_column_must_be_filled(tmp_path):
    with pytest.raises(ValueError, match="status"):
        write_table(runs(status=["ok", None]), RUNS, tmp_path / "runs.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_table_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "runs.parquet"
    write_table(runs(), RUNS, path)
    before = path.read_bytes()

    def breaks_half_way(table, where, **_):
        where.write_bytes(b"half a tab")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", breaks_half_way)
    with pytest.raises(UserError, match="runs.parquet cannot be written: No space left on device"):
        write_table(runs(), RUNS, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
