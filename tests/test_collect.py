"""Many jobs' tables become a study's, row group by row group."""

import math

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tables_for_tests import cell, study

from pipeline.collect.__main__ import collect
from pipeline.lab import tables
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table


@pytest.fixture
def jobs(tmp_path):
    """Three jobs, of one cell, two cells and a cell whose runs all failed; and their rows."""
    folders, parts = [], []
    cells = (
        [cell("gd", batch_size=1500)],
        [cell("a", lr=0.1), cell("b", lr=0.2, diverged=(1,))],
        [cell("c", lr=0.3, error=range(4))],
    )
    for number, own in enumerate(cells):
        part = study(*own)
        folders.append(tmp_path / "jobs" / str(number))
        write_table(part.runs, RUNS, folders[-1] / "runs.parquet")
        write_table(part.curves, CURVES, folders[-1] / "curves.parquet")
        parts.append(part)
    return folders, parts


def test_the_rows_of_all_jobs_are_there_in_the_order_of_the_jobs(jobs, tmp_path):
    folders, parts = jobs
    collect(folders, tmp_path / "study")
    for name, schema in (("runs", RUNS), ("curves", CURVES)):
        found = read_table(tmp_path / "study" / f"{name}.parquet", schema)
        expected = pd.concat([read_table(folder / f"{name}.parquet", schema) for folder in folders], ignore_index=True)
        pd.testing.assert_frame_equal(found, expected)
    assert list(found.cell_id.unique()) == [cell_id for part in parts[:2] for cell_id in part.runs.cell_id.unique()]


def test_a_study_has_the_contract_of_its_jobs(jobs, tmp_path):
    folders, _ = jobs
    collect(folders, tmp_path / "study")
    for name, schema in (("runs", RUNS), ("curves", CURVES)):
        assert pq.read_schema(tmp_path / "study" / f"{name}.parquet").equals(schema, check_metadata=True)


def test_no_more_than_a_row_group_is_held_and_small_jobs_share_one(jobs, tmp_path, monkeypatch):
    folders, parts = jobs
    rows = sum(len(part.curves) for part in parts)
    for most in (10, 10**6):
        held = []
        monkeypatch.setattr(tables, "ROW_GROUP", most)
        written = pq.ParquetWriter.write_table
        monkeypatch.setattr(
            pq.ParquetWriter,
            "write_table",
            lambda self, table, *_, w=written, h=held: (h.append(len(table)), w(self, table)),
        )
        collect(folders, tmp_path / f"study{most}")
        monkeypatch.undo()
        assert max(held) <= most
        file = pq.ParquetFile(tmp_path / f"study{most}" / "curves.parquet")
        assert file.metadata.num_rows == rows
        assert math.ceil(rows / most) <= file.num_row_groups <= math.ceil(rows / most) + len(folders)


def test_a_run_in_two_jobs_is_refused_before_anything_is_written(jobs, tmp_path):
    folders, parts = jobs
    again = pd.concat([parts[2].runs, parts[1].runs.iloc[[5]]])
    write_table(again, RUNS, folders[2] / "runs.parquet")
    with pytest.raises(UserError, match=f"the run of {parts[1].runs.cell_id.iloc[5]} is in more than one job of study"):
        collect(folders, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_the_same_seed_of_two_cells_is_no_repeat(jobs, tmp_path):
    folders, parts = jobs
    assert set(parts[0].runs.seed) == set(parts[1].runs.seed)
    collect(folders, tmp_path / "study")


@pytest.mark.parametrize("broken", ["runs.parquet", "curves.parquet"])
def test_a_job_whose_table_is_missing_or_no_table_is_named_and_nothing_is_left_behind(jobs, tmp_path, broken):
    folders, _ = jobs
    (folders[1] / broken).write_bytes(b"no table")
    with pytest.raises(UserError, match=f"{folders[1] / broken} cannot be read as a table"):
        collect(folders, tmp_path / "study")
    (folders[1] / broken).unlink()
    with pytest.raises(UserError, match=f"{folders[1] / broken} cannot be read as a table"):
        collect(folders, tmp_path / "study")
    assert not list(tmp_path.rglob("*.tmp"))
    assert not (tmp_path / "study" / broken).exists()
