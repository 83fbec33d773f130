"""MLflow shows what the tables say: once, only finished runs, and each folder touches only its own."""

import dataclasses
import html
import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import RestException
from sqlalchemy.exc import IntegrityError, OperationalError
from track_tables import one_cell, tables, write

from pipeline.lab.errors import UserError
from pipeline.lab.results import StudyResults
from pipeline.lab.settings import Tracking
from pipeline.track import log
from pipeline.track.__main__ import main
from pipeline.track.log import Counts, log_folder
from pipeline.track.owner import FILE, owner_of
from pipeline.track.record import MAX_BATCH, dataset_input, records_of
from pipeline.track.store import check_store, open_store, with_patience

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store that the tests of this file share; each test has a folder and a study of its own."""
    store = Tracking(f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}")
    check_store(store)
    return store


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Settings of whoever runs the tests."""
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)


def runs_of(store, *folders, view=ViewType.ACTIVE_ONLY, kind="cell"):
    """The store's runs of the cells of some folders, ordered by cell; each hangs on the one run of its study."""
    ids = {owner_of(folder).id for folder in folders}
    with open_store(store) as (client, experiment_id):
        found = client.search_runs([experiment_id], run_view_type=view, max_results=5000)
    found = [run for run in found if run.data.tags["folder_id"] in ids]
    above = {run.info.run_id: run.data.tags["folder_id"] for run in found if run.data.tags["kind"] == "summary"}
    cells = [run for run in found if run.data.tags["kind"] == "cell"]
    assert len(above) + len(cells) == len(found)
    if view == ViewType.ACTIVE_ONLY:
        assert all(above[run.data.tags["mlflow.parentRunId"]] == run.data.tags["folder_id"] for run in cells)
        assert len({*above.values()}) == len(above)
    return sorted(
        (run for run in found if run.data.tags["kind"] == kind), key=lambda run: run.data.tags.get("cell_id", "")
    )


def ids_of(store, *folders):
    return [run.info.run_id for run in runs_of(store, *folders)]


def record_of(cell, **words):
    (record,) = records_of(StudyResults(*cell, words=words))
    return record


# -- what a run shows


def test_a_cell_is_one_finished_run_with_its_seeds_inside(store, tmp_path):
    log_folder(write(tmp_path, one_cell("shown", losses=(0.2, 0.3, 0.4), label="mini 10")), store)
    (run,) = runs_of(store, tmp_path)
    assert (run.info.run_name, run.info.status) == ("mini 10", "FINISHED")
    assert run.info.end_time == round(1000 * (tmp_path / "runs.parquet").stat().st_mtime)  # whenever it is logged
    assert run.info.end_time - run.info.start_time == 500  # the median run's training seconds
    assert run.data.params["optimizer"] == "momentum"
    assert run.data.params["optimizer.momentum"] == "0.9"
    assert run.data.params["data.rows"] == "1500"
    assert (run.data.params["seeds"], run.data.params["batch_size"]) == ("3", "10")
    assert run.data.tags["taxonomy"] == "mini-batch"
    assert run.data.tags["updates"] == "300"
    assert (run.data.tags["status"], run.data.tags["status.ok"], run.data.tags["status.error"]) == ("ok", "3", "0")
    assert run.data.tags["folder"].endswith(f":{tmp_path}")
    assert run.data.metrics["summary/final_loss"] == pytest.approx(0.3)
    assert run.data.metrics["summary/final_loss_sd"] == pytest.approx(0.1)
    assert run.data.metrics["summary/seconds_per_epoch"] == 0.25
    assert run.inputs.dataset_inputs[0].dataset.name == "airfoil"

    with open_store(store) as (client, _):
        history = client.get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 20, 40, 60]
    assert [point.timestamp - run.info.start_time for point in history] == [0, 100, 200, 300]
    assert history[-1].value == pytest.approx(0.3)
    # One number a metric is in a folder of MLflow's page: what is left to draw first are curves.
    assert {key for key in run.data.metrics if "/" not in key} == {"loss", "loss_q25", "loss_q75"}


@pytest.mark.parametrize("name", ["ada", None])
def test_mlflow_shows_who_logged_a_run_and_what_trained_it(store, tmp_path, monkeypatch, name):
    def getuser():
        if name is None:
            raise KeyError("getpwuid(): uid not found: 1234")
        return name

    monkeypatch.setattr("getpass.getuser", getuser)
    log_folder(write(tmp_path, one_cell("shown")), store)
    (run,) = runs_of(store, tmp_path)
    assert run.info.user_id == (name or "unknown")
    assert (run.data.tags["mlflow.source.name"], run.data.tags["mlflow.source.type"]) == ("pipeline.train", "LOCAL")


def test_a_run_is_named_by_its_label_else_by_what_people_look_for():
    assert record_of(one_cell("s", "sgd-b10")).name == "momentum b=10 lr=0.05"
    assert record_of(one_cell("s", implementation="torch")).name == "momentum b=10 lr=0.05 torch"
    assert record_of(one_cell("s", label="mini 10")).name == "mini 10"
    assert record_of(one_cell("s", label="mini 10"), labels={"a": "edited since"}).name == "edited since"


def test_torch_runs_show_the_half_of_the_optimizer_that_torch_read():
    params = record_of(one_cell("s", implementation="torch")).params
    assert params["optimizer.class"] == "torch.optim.SGD"
    assert (params["optimizer.momentum"], params["optimizer.nesterov"]) == ("0.8", "true")


def test_the_offline_twin_is_named_and_its_hash_is_not_the_real_datas(tmp_path):
    twin = one_cell("s", data="airfoil_twin")
    assert record_of(twin).tags["offline_twin"] == "true"
    assert record_of(twin).data is None
    (tmp_path / "airfoil.dat").touch()  # fetching writes the table and its provenance
    (tmp_path / "airfoil.json").write_text(json.dumps({"name": "airfoil_twin", "sha1": "a" * 40, "source": "made"}))
    (record,) = records_of(StudyResults(*twin, data_dir=tmp_path))
    assert (record.data.name, record.data.digest, record.data.source) == ("airfoil_twin", "a" * 36, "made")


def test_diverged_and_failed_seeds_are_counted_not_dropped():
    record = record_of(one_cell("s", losses=(0.3, 0.4, math.inf, None)))
    values = {m.key: m.value for m in record.metrics}
    assert record.tags["status"] == "mixed"
    assert [record.tags[f"status.{s}"] for s in ("ok", "diverged", "error")] == ["2", "1", "1"]
    assert values["summary/final_loss"] == 0.4  # the median of 0.3, 0.4 and infinity
    assert "summary/final_loss_mean" not in values
    assert values["summary/diverged_step"] == 60
    # The mean at the last step is over the runs that were still well.
    assert {m.step: m.value for m in record.metrics if m.key == "loss"}[60] == pytest.approx(0.35)
    assert [m.value for m in record.metrics if m.key == "loss_runs"] == [3, 3, 3, 2]


def test_a_cell_that_diverges_says_why_it_has_no_final_loss():
    record = record_of(one_cell("diverges", losses=(math.inf, math.inf)))
    assert (record.failed, record.tags["status"]) == (False, "diverged")
    assert "summary/final_loss" not in {m.key for m in record.metrics}
    assert "diverged" in record.tags["final_loss"]


def test_a_cell_whose_every_seed_failed_is_a_failed_run(store, tmp_path):
    log_folder(write(tmp_path, one_cell("fails", losses=(None, None))), store)
    (run,) = runs_of(store, tmp_path)
    assert (run.info.status, run.data.tags["status"]) == ("FAILED", "error")


def test_a_long_curve_is_thinned_into_one_batch_with_both_ends(store, tmp_path):
    log_folder(write(tmp_path, one_cell("long", readings=2000)), store)
    (run,) = runs_of(store, tmp_path)
    with open_store(store) as (client, _):
        history = client.get_metric_history(run.info.run_id, "loss")
    assert (history[0].step, history[-1].step) == (0, 20 * 1999)
    assert run.data.tags["curve_thinned"] == f"{len(history)} of 2000 readings"


losses = st.lists(
    st.none() | st.just(math.inf) | st.floats(min_value=0, allow_nan=False, allow_infinity=False), min_size=1
)


@given(losses=losses, readings=st.integers(2, 40))
@settings(deadline=None, max_examples=30)
def test_whatever_the_losses_metrics_are_finite_and_fit_one_batch(losses, readings):
    record = record_of(one_cell("s", losses=losses, readings=readings))
    assert all(math.isfinite(m.value) for m in record.metrics)
    assert len(record.metrics) + len(record.params) <= MAX_BATCH
    assert sum(int(record.tags[f"status.{s}"]) for s in ("ok", "diverged", "error")) == len(losses)


@given(seeds=st.integers(1, 600), readings=st.integers(2, 3))
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_however_many_seeds_they_fit_one_batch(seeds, readings):
    record = record_of(one_cell("s", losses=[0.3] * seeds, readings=readings))
    assert len(record.metrics) + len(record.params) <= MAX_BATCH


def test_the_dataset_has_a_schema_and_the_number_of_its_rows():
    runs, curves = one_cell("s")
    config = json.loads(runs.config[0])
    config["data"]["columns"] = [{"name": "frequency", "unit": "Hz"}, {"name": "sound_pressure", "unit": "dB"}]
    dataset = dataset_input(record_of((runs.assign(config=json.dumps(config)), curves)).data).dataset
    columns = [column["name"] for column in json.loads(dataset.schema)["mlflow_colspec"]]
    assert columns == ["frequency", "sound_pressure"]
    assert json.loads(dataset.profile)["num_rows"] == 1500


# -- where MLflow's pages show them


def kept_view(store, address):
    """The view that an address names, as the store keeps it."""
    page, key = address.split("&viewStateShareKey=")
    assert page == "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"
    with open_store(store) as (client, experiment_id):
        return json.loads(client.get_experiment(experiment_id).tags[f"mlflow.sharedViewState.{key}"])


def test_several_cells_are_shown_the_lowest_loss_first_beside_what_tells_them_apart(store, tmp_path):
    cells = [one_cell("two", name, batch_size=b) for name, b in (("a", 10), ("b", 20))]
    view = kept_view(store, log_folder(write(tmp_path, *cells), store).address)
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`summary/final_loss`", True)
    with open_store(store) as (client, experiment_id):
        found = client.search_runs([experiment_id], view["searchFilter"])
    assert sorted(run.info.run_id for run in found) == sorted(ids_of(store, tmp_path))
    shown = {"params": found[0].data.params, "metrics": found[0].data.metrics, "tags": found[0].data.tags}
    columns = [column.replace("`", "").split(".") for column in view["selectedColumns"]]
    assert all(name in shown[kind] for kind, name in columns)
    assert {"summary/final_loss", "optimizer", "batch_size", "lr"} <= {name for _, name in columns}


@pytest.mark.parametrize(("second", "metric"), [(0.4, "validation_loss"), (None, "loss")])
def test_they_are_sorted_by_the_loss_that_the_study_is_judged_by(store, tmp_path, second, metric):
    cells = [one_cell("held out", "a", final_validation_loss=0.3), one_cell("held out", "b")]
    cells[1][0]["final_validation_loss"] = pd.Series([second] * 2, dtype=float)
    view = kept_view(store, log_folder(write(tmp_path, *cells), store).address)
    assert view["orderByKey"] == f"metrics.`summary/final_{metric}`"


def test_sqlite_knows_how_many_rows_it_has_which_makes_its_sorting_quick(store, tmp_path):
    log_folder(write(tmp_path, one_cell("counted"), one_cell("counted", "b")), store)
    with closing(sqlite3.connect(store.sqlite_path)) as connection:
        (counted,) = connection.execute("SELECT stat FROM sqlite_stat1 WHERE idx LIKE '%latest_metrics_1'").fetchone()
        (rows,) = connection.execute("SELECT count(*) FROM latest_metrics").fetchone()
    assert int(counted.split()[0]) == rows


# -- nothing twice


@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=10)
def test_the_order_of_rows_does_not_make_a_run_another(order):
    runs, curves = tables(one_cell("s", "a", (0.1, 0.2, 0.3)), one_cell("s", "b", (0.1, math.inf, None)))
    shuffled = StudyResults(runs.iloc[order], curves.iloc[::-1])
    hashes = {record.key: record.content_hash for record in records_of(shuffled)}
    assert hashes == {record.key: record.content_hash for record in records_of(StudyResults(runs, curves))}


@pytest.mark.parametrize("column", ["final_loss", "train_seconds", "status", "config"])
def test_any_change_that_a_run_shows_changes_its_hash(column):
    runs, curves = one_cell("s")
    config = {**json.loads(runs.config[0]), "extra": 1}
    other = {"status": "error", "config": json.dumps(config)}.get(column, 0.125)
    assert record_of((runs.assign(**{column: other}), curves)).content_hash != record_of((runs, curves)).content_hash


def test_logging_twice_changes_nothing(store, tmp_path):
    write(tmp_path, one_cell("twice", "a"), one_cell("twice", "b", (math.inf, 0.1)))
    assert log_folder(tmp_path, store) == Counts(logged=2, unchanged=0, removed=0)
    before = [run.to_dictionary() for run in runs_of(store, tmp_path)]
    assert log_folder(tmp_path, store) == Counts(logged=0, unchanged=2, removed=0)
    assert [run.to_dictionary() for run in runs_of(store, tmp_path)] == before


def test_a_changed_cell_replaces_its_old_run_and_a_vanished_one_is_removed(store, tmp_path):
    log_folder(write(tmp_path, one_cell("changed", "a"), one_cell("changed", "b")), store)
    kept = runs_of(store, tmp_path)[0].info.run_id
    write(tmp_path, one_cell("changed", "a"), one_cell("changed", "b", (0.1, 0.1)))
    assert log_folder(tmp_path, store) == Counts(logged=1, unchanged=1, removed=1)
    a, b = runs_of(store, tmp_path)
    assert (a.info.run_id, b.data.metrics["summary/final_loss"]) == (kept, 0.1)
    assert log_folder(write(tmp_path, one_cell("changed", "a")), store) == Counts(0, 1, 1)
    assert ids_of(store, tmp_path) == [kept]


def test_a_kill_between_the_new_run_and_the_old_one_is_healed(store, tmp_path, monkeypatch):
    log_folder(write(tmp_path, one_cell("killed", losses=(0.3,))), store)

    def killed(client, run_id):
        raise KeyboardInterrupt

    write(tmp_path, one_cell("killed", losses=(0.2,)))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "delete_run", killed)
        log_folder(tmp_path, store)
    assert len(runs_of(store, tmp_path)) == 2
    assert log_folder(tmp_path, store) == Counts(0, 1, 1)
    assert [run.data.metrics["summary/final_loss"] for run in runs_of(store, tmp_path)] == [0.2]


def test_a_run_that_was_never_ended_is_replaced(store, tmp_path):
    log_folder(write(tmp_path, one_cell("zombie")), store)
    (run,) = runs_of(store, tmp_path)
    with open_store(store) as (client, _):
        client.update_run(run.info.run_id, "RUNNING")  # as a killed process leaves it
    assert log_folder(tmp_path, store) == Counts(1, 0, 1)
    assert [run.info.status for run in runs_of(store, tmp_path)] == ["FINISHED"]
    every = runs_of(store, tmp_path, view=ViewType.ALL)
    assert sorted(run.info.status for run in every) == ["FINISHED", "KILLED"]  # in the bin it does not run either


def test_an_error_on_the_way_leaves_no_running_run(store, tmp_path, monkeypatch):
    def fails(client, *arguments, **options):
        raise RuntimeError("the disk is full")

    write(tmp_path, one_cell("broken"))
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="disk"):
        patch.setattr(MlflowClient, "log_batch", fails)
        log_folder(tmp_path, store)
    assert runs_of(store, tmp_path) == []
    assert [run.info.status for run in runs_of(store, tmp_path, view=ViewType.ALL)] == ["KILLED"]


def lose_answer(patch, lost):
    """Let the store obey one call and go away before it answers, until it is opened again."""
    up, answered = True, True

    def calling(method, obeyed):
        def call(*arguments, **options):
            nonlocal up, answered
            if up:
                result = obeyed(*arguments, **options)
                if method != lost or not answered:
                    return result
                up = answered = False
            raise OperationalError("", None, Exception("database is locked"))

        return call

    def opened(*arguments, **options):
        nonlocal up
        up = True
        return open_store(*arguments, **options)

    for method in ("create_run", "log_batch", "log_inputs", "set_terminated", "delete_run"):
        patch.setattr(MlflowClient, method, calling(method, getattr(MlflowClient, method)))
    patch.setattr(log, "open_store", opened)


@pytest.mark.parametrize("method", ["create_run", "log_batch", "log_inputs", "set_terminated", "delete_run"])
def test_whichever_answer_is_lost_the_cell_is_there_once_and_was_logged(store, tmp_path, monkeypatch, method):
    log_folder(write(tmp_path, one_cell("unanswered", losses=(0.3,))), store)
    write(tmp_path, one_cell("unanswered", losses=(0.2,)))
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.track.store._FIRST_WAIT", 0.01)
        lose_answer(patch, method)
        done = log_folder(tmp_path, store)
    assert (done.logged, done.unchanged) == (1, 0)
    (shown,) = runs_of(store, tmp_path)
    assert (shown.info.status, shown.data.metrics["summary/final_loss"]) == ("FINISHED", 0.2)
    every = runs_of(store, tmp_path, view=ViewType.ALL)
    assert done.removed == len(every) - 1  # all but the one that is shown
    assert "RUNNING" not in {run.info.status for run in every}


@pytest.mark.slow
def test_a_deleted_store_is_rebuilt_from_the_tables(store, tmp_path):
    write(tmp_path / "s", one_cell("s", "a", label="x"), one_cell("s", "b", (math.inf, 0.1, None)))
    path = tmp_path / "mlflow.db"
    shutil.copy(store.sqlite_path, path)
    own = dataclasses.replace(store, uri=f"sqlite:///{path}")

    def shown():
        log_folder(tmp_path / "s", own)
        runs = runs_of(own, tmp_path / "s")  # which hang on their study's run, whose id is the store's
        return [(run.data.params, run.data.tags | {"mlflow.parentRunId": ""}, run.data.metrics) for run in runs]

    before = shown()
    for file in tmp_path.glob("mlflow.db*"):
        file.unlink()
    assert shown() == before and len(before) == 2


def test_a_study_is_one_run_with_figures_and_tables_and_is_written_again_when_one_changes(store, tmp_path):
    study = write(tmp_path / "sum", one_cell("sum", "a", (0.3, 0.2)), one_cell("sum", "b", (math.inf, 0.1)))
    captions, picture = tmp_path / "captions.json", tmp_path / "heat.png"
    entry = {"title": "Heatmap", "caption": "Darker is better.", "study": "sum", "png": "heat.png"}
    captions.write_text(json.dumps([entry, entry | {"study": "another"}]))
    picture.write_bytes(b"one")
    assert log_folder(study, store, captions=captions) == Counts(3, 0, 0)
    assert log_folder(study, store, captions=captions, cells=False) == Counts(0, 1, 0)
    picture.write_bytes(b"two")
    (before,) = runs_of(store, study, kind="summary")
    assert log_folder(study, store, captions=captions, cells=False) == Counts(1, 0, 0)
    assert log_folder(study, store) == Counts(0, 2, 0)  # the summary is no cell that vanished
    (run,) = runs_of(store, study, kind="summary")
    assert run.info.run_id == before.info.run_id  # its cells hang on it
    assert run.data.metrics == {
        "summary/cells": 2,
        "summary/runs": 4,
        "summary/runs_ok": 3,
        "summary/runs_diverged": 1,
        "summary/runs_error": 0,
        "summary/lowest_final_loss": 0.25,
    }
    with open_store(store) as (client, _):
        figure = client.download_artifacts(run.info.run_id, "figures/heat.png", str(tmp_path))
        tables = [file.path for file in client.list_artifacts(run.info.run_id, "tables")]
    assert (Path(figure).read_bytes(), tables) == (b"two", ["tables/curves.parquet", "tables/runs.parquet"])
    assert "Darker is better." in run.data.tags["mlflow.note.content"]


def test_cells_hang_on_a_new_run_of_their_study_once_somebody_has_deleted_the_old_one(store, tmp_path):
    log_folder(write(tmp_path, one_cell("orphans", "a"), one_cell("orphans", "b")), store)
    (above,) = runs_of(store, tmp_path, kind="summary")
    before = ids_of(store, tmp_path)
    with open_store(store) as (client, _):
        client.delete_run(above.info.run_id)
    assert log_folder(tmp_path, store) == Counts(0, 2, 0)
    assert ids_of(store, tmp_path) == before  # runs_of checks what they hang on
    (made,) = runs_of(store, tmp_path, kind="summary")
    assert (made.info.status, made.info.run_name) == ("FINISHED", "study orphans")


@pytest.mark.parametrize("method", ["update_run", "log_batch", "log_artifact", "set_terminated"])
def test_a_study_that_was_half_written_is_written_again_onto_the_same_run(store, tmp_path, monkeypatch, method):
    folder = write(tmp_path / "half", one_cell("half", "a"))
    captions, picture = tmp_path / "captions.json", tmp_path / "heat.png"
    captions.write_text(json.dumps([{"title": "Heatmap", "caption": "Dark.", "study": "half", "png": "heat.png"}]))
    picture.write_bytes(b"one")
    log_folder(folder, store)

    def killed(client, *arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, method, killed)
        log_folder(folder, store, captions=captions, cells=False)
    assert log_folder(folder, store, captions=captions, cells=False) == Counts(1, 0, 0)
    (run,) = runs_of(store, folder, kind="summary")
    assert (run.info.status, run.data.metrics["summary/cells"]) == ("FINISHED", 1)
    assert log_folder(folder, store, captions=captions) == Counts(0, 2, 0)


def test_two_studies_in_one_table_are_refused(store, tmp_path):
    with pytest.raises(UserError, match="one at a time"):
        log_folder(write(tmp_path, one_cell("one", "a"), one_cell("two", "b")), store)


def test_an_empty_table_is_nothing_to_log_and_no_reason_to_remove_anything(store, tmp_path):
    runs, curves = one_cell("empty")
    log_folder(write(tmp_path, (runs, curves)), store)
    assert log_folder(write(tmp_path, (runs[:0], curves[:0])), store) == Counts(0, 0, 0)
    assert len(runs_of(store, tmp_path)) == 1


# -- only what this folder wrote


def test_two_folders_take_turns_on_one_store_and_no_run_is_touched(store, tmp_path):
    """The same study, with a cell in common and one of its own; tests/test_track_stores.py has more turns and users."""
    folders = [
        write(tmp_path / results / "textbook", one_cell("textbook", "a", (loss,)), one_cell("textbook", own))
        for results, loss, own in (("results", 0.3, "b"), ("longer", 0.2, "c"))
    ]
    assert [log_folder(folder, store) for folder in folders] == [Counts(2, 0, 0)] * 2
    before = ids_of(store, *folders)
    assert [log_folder(folder, store) for folder in folders * 2] == [Counts(0, 2, 0)] * 4
    assert ids_of(store, *folders) == before and len(before) == 4


def test_a_copy_of_a_folder_is_another_folder_and_a_renamed_one_stays_itself(store, tmp_path):
    log_folder(write(tmp_path / "here" / "textbook", one_cell("textbook", "a"), one_cell("textbook", "b")), store)
    before = ids_of(store, tmp_path / "here" / "textbook")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    (tmp_path / "here").rename(tmp_path / "there")
    shutil.copytree(tmp_path / "copy", tmp_path / "here")  # as whoever sets results aside and goes on with a copy
    moved, copies = tmp_path / "there" / "textbook", [tmp_path / name / "textbook" for name in ("copy", "here")]
    for copy in copies:
        counts = log_folder(write(copy, one_cell("textbook", "a")), store)
        assert (counts.logged, counts.removed) == (1, 0)
    assert ids_of(store, moved) == before
    assert log_folder(moved, store) == Counts(0, 2, 0)
    assert {run.data.tags["folder"].partition(":")[2] for run in runs_of(store, moved)} == {moved.as_posix()}
    assert log_folder(copies[1], store).left == 0  # the moved folder's runs no longer name this path


@pytest.mark.parametrize("lost", ["id file deleted", "id file damaged", "folder restored from a backup"])
def test_a_folder_whose_identity_is_lost_removes_nothing_and_says_what_is_left(store, tmp_path, capsys, lost):
    folder = write(tmp_path / "two words" / "textbook", one_cell("textbook", "a"))
    (tmp_path / "captions.json").write_text("[]")
    log_folder(folder, store, captions=tmp_path / "captions.json")  # the study's own run, too
    before = [run.info.run_id for kind in ("cell", "summary") for run in runs_of(store, folder, kind=kind)]
    assert len(before) == 2
    if lost == "id file deleted":
        (folder / FILE).unlink()
    elif lost == "id file damaged":
        (folder / FILE).write_text('{"id": ')
    else:
        folder.rename(tmp_path / "backup")  # a copy that is there at the same time has another inode
        shutil.copytree(tmp_path / "backup", folder)
        shutil.rmtree(tmp_path / "backup")
    main(["--uri", store.uri, str(folder)])
    out, err = capsys.readouterr()
    counts, address = out.splitlines()
    assert counts == "textbook: 1 logged, 0 unchanged, 0 removed"
    assert address == f"  browse: http://127.0.0.1:5000/#/experiments/1/runs/{ids_of(store, folder)[0]}"
    assert "an earlier folder at this path left 2 runs in the store" in err and f"--replace '{folder}'" in err
    with open_store(store) as (client, _):
        assert {client.get_run(run).info.lifecycle_stage for run in before} == {"active"}
    main(["--uri", store.uri, "--replace", str(folder)])
    assert capsys.readouterr().out == f"textbook: 0 logged, 1 unchanged, 2 removed\n{address}\n"
    with open_store(store) as (client, _):
        assert {client.get_run(run).info.lifecycle_stage for run in before} == {"deleted"}


def test_runs_that_are_no_folders_are_left_alone(store, tmp_path):
    with open_store(store) as (client, experiment_id):
        other = client.create_run(experiment_id, tags={"study": "textbook", "cell_id": "a", "folder_id": "x"})
    folder = write(tmp_path / "it's 100 %" / "textbook", one_cell("textbook", "b"))
    assert log_folder(folder, store, replace=True) == Counts(1, 0, 0)
    with open_store(store) as (client, _):
        assert client.get_run(other.info.run_id).info.lifecycle_stage == "active"


def test_many_who_meet_a_folder_without_an_id_agree_on_one(tmp_path):
    program = (
        "import sys; from pathlib import Path; from pipeline.track.owner import *; print(owner_of(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, tmp_path]
    drawing = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in drawing}) == 1


# -- the store


@pytest.mark.slow
def test_eight_processes_meet_a_fresh_store_and_each_cell_is_there_once(tmp_path):
    folders = [write(tmp_path / f"{i}", one_cell("s", "shared"), one_cell("s", f"own{i}")) for i in range(8)]
    command = [sys.executable, "-m", "pipeline.track", "--uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    writers = [subprocess.Popen([*command, folder], cwd=ROOT, stderr=subprocess.PIPE, text=True) for folder in folders]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8, errors
    found = runs_of(Tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"), *folders)
    assert Counter(run.data.tags["cell_id"] for run in found) == {"shared": 8} | {f"own{i}": 1 for i in range(8)}


@pytest.mark.slow
def test_the_experiment_is_chosen_by_mlflows_own_variables(store, tmp_path, monkeypatch):
    folder = write(tmp_path, one_cell("s"))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    mine = Tracking.read(store.uri)
    assert log_folder(folder, mine) == log_folder(folder, store) == Counts(1, 0, 0)
    with open_store(mine) as (client, experiment_id):
        assert client.get_experiment(experiment_id).name == "mine"
        client.delete_experiment(experiment_id)
    with open_store(mine) as (client, same_id):  # a deleted experiment comes back
        assert (same_id, client.get_experiment(same_id).lifecycle_stage) == (experiment_id, "active")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with pytest.raises(UserError, match="MLFLOW_EXPERIMENT_ID=0 is not allowed"):
        check_store(Tracking.read(store.uri))
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    with open_store(Tracking.read(store.uri)) as (client, default_id):
        assert client.get_experiment(default_id).name == "Default"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "12345")
    with pytest.raises(UserError, match="12345"):
        check_store(Tracking.read(store.uri))


def test_a_lock_is_reported_in_the_databases_words_and_not_in_sqlalchemys(store, tmp_path, monkeypatch):
    def locked(client, *arguments, **options):
        error = OperationalError("INSERT", None, Exception("database is locked"))
        error.add_detail("raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block")
        raise error

    monkeypatch.setattr(MlflowClient, "log_batch", locked)
    with pytest.raises(UserError) as refused:
        log_folder(write(tmp_path, one_cell("s")), dataclasses.replace(store, patience=0))
    assert "does not answer, in 1 try over 0 s (database is locked); the tables are whole" in str(refused.value)


@pytest.mark.slow
def test_waiting_for_ones_turn_is_not_counted_as_the_store_failing(store):
    tries = []

    def work():
        """Wait longer than the patience, then meet a lock, once."""
        tries.append(1)
        if len(tries) == 1:
            time.sleep(1.3)
            raise OperationalError("INSERT", None, Exception("database is locked"))
        return "done"

    assert with_patience(dataclasses.replace(store, patience=1.2), work, "start it") == "done"


TWICE = '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("postgresql://db/mlflow", IntegrityError("INSERT", None, Exception(TWICE))),
        ("http://mlflow:5000", RestException({"error_code": "BAD_REQUEST", "message": TWICE})),
    ],
    ids=["a database", "a server"],
)
def test_a_row_that_another_writer_wrote_at_the_same_moment_is_looked_up_again(uri, error):
    tries = iter([error])

    def work():
        for failure in tries:
            raise failure
        return "found"

    assert with_patience(Tracking(uri, patience=5), work, "start it") == "found"


def test_what_a_server_refuses_for_another_reason_is_not_tried_again():
    def work():
        raise RestException({"error_code": "BAD_REQUEST", "message": "no such column"})

    with pytest.raises(UserError, match="no such column"):
        with_patience(Tracking("http://mlflow:5000", patience=60), work, "start it")


# -- the command


def test_the_command_logs_studies_and_writes_their_counts(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    folder, done = write(tmp_path / "by hand", one_cell("by hand")), tmp_path / "done.json"
    main([str(folder), "--done", str(done)])
    counts = json.loads(done.read_text())["by hand"]
    assert counts.pop("address") == f"http://127.0.0.1:5000/#/experiments/1/runs/{ids_of(store, folder)[0]}"
    assert counts == {"logged": 1, "unchanged": 0, "removed": 0, "left": 0}
    assert "1 logged" in capsys.readouterr().out


def test_the_command_writes_a_page_that_links_to_each_study(store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    folders = [write(tmp_path / name, one_cell(name), one_cell(name, "b")) for name in ("first", "a&b")]
    page, done = tmp_path / "mlflow.html", tmp_path / "done.json"
    main([*map(str, folders), "--done", str(done), "--page", str(page)])
    links = re.findall('<a id="(.+?)" href="(.+?)">(.+?)</a>', page.read_text())
    assert [tuple(map(html.unescape, link)) for link in links] == [
        (name, counts["address"], name) for name, counts in json.loads(done.read_text()).items()
    ]
    assert f"<code>{store.browse()}</code>" in page.read_text() and "a&amp;b" in page.read_text()
    page.unlink()
    main(["--init", "--page", str(page)])  # nothing is logged, so there is nothing to link to
    assert not page.exists()


def test_the_command_makes_the_store(store, tmp_path):
    main(["--init", "--uri", store.uri, "--done", str(tmp_path / "store.json")])
    assert json.loads((tmp_path / "store.json").read_text()) == {"experiment": "minibatch-lab"}


def test_a_missing_table_is_one_sentence_and_no_sentinel(store, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    for folder in ("nothing", "nowhere"):
        with pytest.raises(SystemExit) as stopped:
            main(["--uri", store.uri, str(tmp_path / folder), "--done", str(tmp_path / "done.json")])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "done.json").exists()


def test_help_does_not_wait_for_mlflow():
    program = "import sys; import pipeline.track.__main__; sys.exit(bool({'mlflow', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
