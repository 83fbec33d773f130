"""Seeds of two machines: the losses are joined, and the seconds are never put together."""

import numpy as np
import pandas as pd
import pytest
from tables_for_tests import cell, study

from pipeline.analysis.seconds import step_costs_of_runs
from pipeline.analysis.study import AnalysedStudy
from pipeline.collect.__main__ import main as collect
from pipeline.lab.config.cell import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.machine import cpu_model
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.report.facts import clock
from pipeline.report.language import language
from pipeline.track.record import cell_records
from pipeline.train.cells import train_cells

OLD, NEW = "an old processor", "a new processor"


def shard(folder, machine, seeds, times=1.0, engine="solo"):
    """The seeds of two cells as a machine makes them; ``times`` as slow as the tables of the tests."""
    made = study(
        *(
            cell(label, lr=lr, seeds=len(seeds), machine=machine, engine=engine)
            for label, lr in (("a", 0.1), ("b", 0.2))
        )
    )
    runs, curves = (
        table.assign(seed=table.seed + seeds.start, **{name: times * table[name].astype(float) for name in names})
        for table, names in ((made.runs, ("train_seconds", "seconds_per_epoch")), (made.curves, ("seconds",)))
    )
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")
    return folder


@pytest.fixture
def joined(tmp_path):
    """Three seeds of today, and five of tomorrow on a machine that takes ten times as long."""
    shards = [shard(tmp_path / "today", NEW, range(3)), shard(tmp_path / "tomorrow", OLD, range(3, 8), times=10)]
    collect([*map(str, shards), "--out", str(tmp_path / "all")])
    return tmp_path / "all"


def test_who_joins_shards_of_two_machines_is_told_whose_seconds_are_used(joined, tmp_path, capsys):
    collect([str(tmp_path / "today"), str(tmp_path / "tomorrow"), "--out", str(joined)])
    assert capsys.readouterr().err == (
        f"{joined}: seconds are those of {OLD} (10 runs); those of {NEW} (6 runs) are left out, because a median over "
        "two machines is the time of neither\n"
    )


def test_all_losses_count_and_the_seconds_of_one_machine(joined, tmp_path):
    found, alone = StudyResults.read(joined), StudyResults.read(tmp_path / "tomorrow")
    assert found.clocks == {OLD: 10, NEW: 6}
    for one in found.cells.values():
        assert len(one.losses) == 8
        np.testing.assert_array_equal(one.seconds_per_epoch, alone.cells[one.id].seconds_per_epoch)
    for table, seconds in ((found.runs, "train_seconds"), (found.curves, "seconds")):
        assert set(table.loc[table[seconds].notna(), "seed"]) == set(range(3, 8))
        assert table[seconds].notna().any()


def test_pieces_of_a_study_leave_out_the_same_seconds(joined):
    for name, schema in (("runs", RUNS), ("curves", CURVES)):  # a cell's rows together, as training writes them
        table = read_table(joined / f"{name}.parquet", schema).sort_values("cell_id", kind="stable")
        write_table(table.reset_index(drop=True), schema, joined / f"{name}.parquet")
    whole = StudyResults.read(joined)
    pieces = list(StudyResults.pieces(joined, rows=10))
    assert len(pieces) == 2
    for name in ("runs", "curves"):
        pd.testing.assert_frame_equal(
            pd.concat([getattr(one, name) for one in pieces], ignore_index=True), getattr(whole, name)
        )


def test_mlflow_is_given_the_seconds_of_one_machine_and_the_names_of_both(joined, tmp_path):
    both, alone = ({one.key: one for one in cell_records(folder)} for folder in (joined, tmp_path / "tomorrow"))
    for key, one in both.items():
        assert one.tags["machine"] == f"{NEW}; {OLD}"
        assert one.seconds == alone[key].seconds > 0


@pytest.mark.parametrize("lang", ["en", "pt"])
def test_the_report_names_the_machine_that_the_seconds_are_of(joined, tmp_path, lang):
    said = clock(StudyResults.read(joined), language(lang))
    assert OLD in said and NEW in said and " 5 " in said  # a cell's seconds are the median of five repeats
    assert OLD not in clock(StudyResults.read(tmp_path / "tomorrow"), language(lang))


def test_the_time_of_a_step_is_that_of_the_machine_which_timed_most_runs(tmp_path):
    studies = [
        AnalysedStudy.read(shard(tmp_path / "one", NEW, range(2))),
        AnalysedStudy.read(shard(tmp_path / "two", OLD, range(5), times=10)),
    ]
    costs, alone = step_costs_of_runs(iter(studies)), step_costs_of_runs(studies[1:])
    assert costs.seconds == alone.seconds != step_costs_of_runs(studies[:1]).seconds


def test_stacked_runs_of_two_machines_have_no_seconds_to_part(tmp_path, capsys):
    shards = [
        shard(tmp_path / "one", NEW, range(2), engine="stacked"),
        shard(tmp_path / "two", OLD, range(2, 4), engine="stacked"),
    ]
    collect([*map(str, shards), "--out", str(tmp_path / "all")])
    assert StudyResults.read(tmp_path / "all").clocks == {"": 0}
    assert not capsys.readouterr().err


def test_a_run_names_its_processor(dataset):
    config = compose_cell(["data=airfoil_twin", "batch_size=500", "epochs=1"])
    runs, _ = train_cells([Cell(config)], {config.data.name: dataset})
    assert runs.machine.tolist() == [cpu_model()]
    assert cpu_model()
