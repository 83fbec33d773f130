"""A study is read once: its cells, its words, its data; or piece by piece, and no cell is torn."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_tables import one_cell, tables

from pipeline.lab.config import compose_cell, compose_data
from pipeline.lab.config.cell import Cell
from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.lab.tables import CURVES, RUNS, read_table, write_table
from pipeline.train.data import prepared


def study(folder, *cells):
    """Write a study; each cell has so many seeds and readings of each."""
    made = [
        one_cell("s", f"cell{i}", losses=(0.1,) * seeds, readings=readings) for i, (seeds, readings) in enumerate(cells)
    ]
    runs, curves = tables(*made)
    write(folder, runs, curves)
    return runs, curves


def write(folder, runs, curves):
    folder.mkdir(exist_ok=True)
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")


def pieces_of(folder, *rows):
    return [(piece.runs, piece.curves) for piece in StudyResults.pieces(folder, *rows)]


@pytest.mark.slow
@given(
    cells=st.lists(st.tuples(st.integers(1, 4), st.integers(2, 6)), min_size=1, max_size=12),
    rows=st.integers(1, 60),
)
def test_the_pieces_put_together_are_the_tables_and_hold_whole_cells(tmp_path_factory, cells, rows):
    folder = tmp_path_factory.mktemp("study")
    study(folder, *cells)
    pieces = pieces_of(folder, rows)
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
    pieces = pieces_of(tmp_path, 6)
    assert [sorted(set(runs.cell_id)) for runs, _ in pieces] == [["cell0", "cell1"], ["cell2"]]
    assert [sorted(set(curves.cell_id)) for _, curves in pieces] == [["cell0"], ["cell2"]]


@pytest.mark.parametrize("shuffled", ["runs", "curves"])
def test_tables_in_another_order_come_in_one_piece(tmp_path, shuffled):
    runs, curves = study(tmp_path, (2, 3), (2, 3), (2, 3))
    runs = runs[::-1] if shuffled == "runs" else runs
    curves = curves.sort_values(["seed", "step"], kind="stable") if shuffled == "curves" else curves
    write(tmp_path, runs, curves)
    (piece,) = pieces_of(tmp_path, 6)
    assert [len(table) for table in piece] == [len(runs), len(curves)]


def test_a_study_without_runs_is_one_empty_piece(tmp_path):
    runs, curves = study(tmp_path, (1, 2))
    write(tmp_path, runs[:0], curves[:0])
    ((runs, curves),) = pieces_of(tmp_path)
    assert runs.empty and curves.empty


def test_a_table_that_is_missing_is_told(tmp_path):
    with pytest.raises(UserError, match="runs.parquet cannot be read as a table"):
        pieces_of(tmp_path)


def lab_study(folder, *overrides, labels=(), seeds=2):
    """Write a study of real configurations, a cell for each list of overrides, without training."""
    labels = [*labels, *[""] * (len(overrides) - len(labels))]
    cells = [Cell(compose_cell(o), folder.name, label) for o, label in zip(overrides, labels, strict=True)]
    made = []
    for cell in cells:
        c = cell.config
        columns = {"config": cell.config_json, "lr": c.lr, "batch_size": c.batch_size, "optimizer": c.optimizer.name}
        made.append(one_cell(folder.name, cell.id, (0.3,) * seeds, data=c.data.name, **columns))
    write(folder, *tables(*made))
    return cells


def test_cells_come_in_the_tables_order_each_with_a_name_of_its_own(tmp_path):
    folder = tmp_path / "mine"
    cells = lab_study(folder, ["lr=0.1"], ["lr=0.2"], ["lr=0.3"], ["data.copies=2"], labels=["x", "x", "y"])
    read = StudyResults.read(folder)
    assert list(read.cells) == [cell.id for cell in cells]
    assert [cell.label for cell in read.cells.values()] == ["x", "x", "y", ""]
    assert [cell.name for cell in read.cells.values()] == [
        "x, b = 10, lr 0.1",
        "x, b = 10, lr 0.2",
        "y",
        "sgd, b = 10, lr 0.05",
    ]
    assert [cell.examples for cell in read.cells.values()] == [1500, 1500, 1500, 3000]
    assert all(len(cell.runs) == 2 for cell in read.cells.values())
    assert (read.name, read.title, read.order) == ("mine", "mine", 100)
    assert list(read.select([cells[1].id]).cells) == [cells[1].id]


def test_the_words_of_study_json_replace_those_of_the_tables(tmp_path):
    (cell,) = lab_study(tmp_path / "mine", ["lr=0.1"], labels=["old"])
    words = {"version": 1, "name": "mine", "title": "My study", "kind": "exercise", "order": 3}
    words |= {"labels": {cell.id: "new"}, "data": {"airfoil": {"title": "Wing noise"}}}
    (tmp_path / "mine" / "study.json").write_text(json.dumps(words))
    read = StudyResults.read(tmp_path / "mine")
    assert (read.title, read.kind, read.order, read.cells[cell.id].name) == ("My study", "exercise", 3, "new")
    assert read.data[0].title == "Wing noise"
    for wrong in ({"labels": []}, {"data": 5}, {"data": {"airfoil": 1}}, {"title": 3}, {"order": "first"}):
        (tmp_path / "mine" / "study.json").write_text(json.dumps(words | wrong))
        with pytest.raises(UserError, match=f"study.json has a wrong {next(iter(wrong))}: delete it"):
            StudyResults.read(tmp_path / "mine")
    (tmp_path / "mine" / "study.json").write_text("[]")
    with pytest.raises(UserError, match="study.json is not a JSON object"):
        StudyResults.read(tmp_path / "mine")


@pytest.mark.parametrize(
    ("cells", "labels", "kind"),
    [
        ([[f"lr={lr}"] for lr in (0.1, 0.2, 0.3)], (), "sweep"),
        ([["lr=0.1"], ["lr=0.2"], ["lr=0.3"]], ("a", "b", "c"), "curves"),
        ([["lr=0.05"], ["lr=0.4", "batch_size=100"]], ("a", "b"), "exercise"),
    ],
)
def test_the_kind_of_a_study_made_by_hand_is_inferred(tmp_path, cells, labels, kind):
    lab_study(tmp_path / "mine", *cells, labels=labels)
    assert StudyResults.read(tmp_path / "mine").kind == kind


def test_the_facts_and_the_problem_are_those_of_the_data_that_were_used(tmp_path):
    lab_study(
        tmp_path / "mine", ["data=airfoil_twin", "data.rows=1000"], ["data=airfoil_twin", "data.rows=1000", "lr=1"]
    )
    (facts,) = StudyResults.read(tmp_path / "mine").data
    assert StudyResults.read(tmp_path / "mine").problem is None, "its table is not there"
    assert facts.offline_twin and facts.title.endswith("(offline twin)")
    assert facts.sha1 == "", "the hash in the configuration is that of the real table"
    twin = prepared(compose_data(["data=airfoil_twin"]), tmp_path / "data")
    read = StudyResults.read(tmp_path / "mine")
    assert read.data[0].sha1 == twin.provenance["sha1"] and read.data[0].table == tmp_path / "data" / facts.table.name
    assert read.offline_twin and read.problem.n == 1000
    assert (len(facts.features), facts.target, facts.rows) == (5, "sound_pressure", 1000)


def test_a_study_has_no_problem_where_its_cells_do_not_share_one(tmp_path):
    prepared(compose_data(["data=airfoil_twin"]), tmp_path / "data")
    lab_study(tmp_path / "mine", ["data=airfoil_twin"], ["data=airfoil_twin", "data.rows=1000"])
    read = StudyResults.read(tmp_path / "mine")
    assert len(read.data) == 2 and read.problem is None
    assert read.select([list(read.cells)[0]]).problem.n == 1500
    lab_study(tmp_path / "other", ["data=airfoil"])  # the table in the folder was made from other data since
    Path(tmp_path / "data" / "airfoil-standardize.parquet").write_bytes(read.data[0].table.read_bytes())
    assert StudyResults.read(tmp_path / "other").problem is None


def judged(folder, *, held_out, **target):
    """Write and read a study of two cells; the validation losses are the training losses in the reverse order."""
    runs, curves = tables(one_cell("s", "a", losses=(0.1, 0.2)), one_cell("s", "b", losses=(0.3, 0.4)))
    curves["validation_loss"] = 1 - curves.loss
    runs["final_validation_loss"] = 1 - runs.final_loss
    runs["best_validation_loss"] = 1 - runs.best_loss
    without = ~runs.cell_id.isin(held_out)
    runs.loc[without, ["final_validation_loss", "best_validation_loss"]] = float("nan")
    write(folder, runs, curves)
    (folder / "study.json").write_text(json.dumps({"version": 1, "target": target}))
    return StudyResults.read(folder), runs, curves


def test_runs_are_judged_by_examples_held_out_where_all_hold_some_out(tmp_path):
    study, runs, curves = judged(tmp_path, held_out=["a", "b"])
    assert study.metric == "validation_loss"
    assert study.runs.final_loss.tolist() == (1 - runs.final_loss).tolist()
    assert study.curves.loss.tolist() == (1 - curves.loss).tolist()
    first = curves[curves.step == 0].set_index(["cell_id", "seed"]).validation_loss
    assert study.runs.set_index(["cell_id", "seed"]).initial_loss.to_dict() == first.to_dict()
    assert study.problem is None  # exact theory is about the training loss
    mixed, _, _ = judged(tmp_path, held_out=["a"])
    assert (mixed.metric, mixed.runs.final_loss.tolist()) == ("loss", runs.final_loss.tolist())


def test_a_study_may_choose_the_loss_that_its_runs_are_judged_by(tmp_path):
    study, runs, _ = judged(tmp_path, held_out=["a", "b"], metric="loss")
    assert (study.metric, study.runs.final_loss.tolist()) == ("loss", runs.final_loss.tolist())
    with pytest.raises(UserError, match="target.metric=validation_loss is not allowed: 2 of 4 runs have no examples"):
        judged(tmp_path, held_out=["a"], metric="validation_loss")
