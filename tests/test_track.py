"""MLflow shows what the tables say: once, and only finished runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import ViewType
from sqlalchemy.exc import OperationalError
from track_tables import one_cell, tables

from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.lab.urls import masked
from pipeline.track.__main__ import main
from pipeline.track.data import dataset_input
from pipeline.track.fingerprint import fingerprints
from pipeline.track.log import Counts, log_study, log_summary
from pipeline.track.record import MAX_BATCH, records
from pipeline.track.store import connect, ensure_store, open_store
from pipeline.track.summary import Figure, summarize
from pipeline.track.uri import absolute_uri

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    ensure_store(uri)
    return uri


def runs_of(uri, study):
    client = connect(uri)
    found = client.search_runs([ensure_store(uri)], f"tags.study = '{study}'")
    return {run.data.tags["cell_id"]: run for run in found} if len(found) else {}


def count(uri, study):
    return len(connect(uri).search_runs([ensure_store(uri)], f"tags.study = '{study}'"))


def record_of(runs, curves, **options):
    return next(records(runs, curves, fingerprints(runs, curves), **options))


# -- what a run shows


def test_a_cell_is_one_finished_run_with_its_seeds_inside(uri):
    log_study(*one_cell("shown", losses=(0.2, 0.3, 0.4), label="mini 10"), uri, complete=True, folder=Path("results/s"))
    run = runs_of(uri, "shown")["a"]
    assert (run.info.run_name, run.info.status) == ("mini 10", "FINISHED")
    assert run.info.end_time - run.info.start_time == 500  # the median run's training seconds
    assert run.data.params["optimizer"] == "momentum"
    assert run.data.params["optimizer.momentum"] == "0.9"
    assert run.data.params["data.rows"] == "1500"
    assert (run.data.params["seeds"], run.data.params["batch_size"]) == ("3", "10")
    assert run.data.tags["taxonomy"] == "mini-batch"
    assert run.data.tags["updates"] == "300"
    assert (run.data.tags["status"], run.data.tags["status.ok"], run.data.tags["status.error"]) == ("ok", "3", "0")
    assert run.data.tags["folder"] == "results/s"
    assert run.data.metrics["final_loss"] == pytest.approx(0.3)
    assert run.data.metrics["final_loss_sd"] == pytest.approx(0.1)
    assert run.data.metrics["seconds_per_epoch"] == 0.25
    assert run.inputs.dataset_inputs[0].dataset.name == "airfoil"

    history = connect(uri).get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 20, 40, 60]
    assert [point.timestamp - run.info.start_time for point in history] == [0, 100, 200, 300]
    assert history[-1].value == pytest.approx(0.3)
    by_seed = connect(uri).get_metric_history(run.info.run_id, "final_loss_by_seed")
    assert {point.step: point.value for point in by_seed} == {0: 0.2, 1: 0.3, 2: 0.4}


def test_a_cell_without_a_label_is_named_by_what_people_look_for():
    assert record_of(*one_cell("s", "sgd-b10")).name == "momentum b=10 lr=0.05"
    assert record_of(*one_cell("s", implementation="torch")).name == "momentum b=10 lr=0.05 torch"


def test_torch_runs_show_the_half_of_the_optimizer_that_torch_read():
    params = record_of(*one_cell("s", implementation="torch")).params
    assert params["optimizer.class"] == "torch.optim.SGD"
    assert (params["optimizer.momentum"], params["optimizer.nesterov"]) == ("0.8", "true")


def test_the_offline_twin_is_named_and_its_hash_is_not_the_real_datas():
    runs, curves = one_cell("s", data="airfoil_twin")
    assert record_of(runs, curves).tags["offline_twin"] == "true"
    assert record_of(runs, curves).data is None
    data = record_of(runs, curves, provenance=[{"name": "airfoil_twin", "sha1": "a" * 40, "source": "generated"}]).data
    assert (data.name, data.digest) == ("airfoil_twin", "a" * 36)


def test_diverged_and_failed_seeds_are_counted_not_dropped():
    record = record_of(*one_cell("s", losses=(0.3, 0.4, math.inf, None)))
    values = {m.key: m.value for m in record.metrics}
    assert record.tags["status"] == "mixed"
    assert [record.tags[f"status.{s}"] for s in ("ok", "diverged", "error")] == ["2", "1", "1"]
    assert values["final_loss"] == 0.4  # the median of 0.3, 0.4 and infinity
    assert "final_loss_mean" not in values
    assert values["diverged_step"] == 60
    # The mean at the last step is over the runs that were still well.
    assert {m.step: m.value for m in record.metrics if m.key == "loss"}[60] == pytest.approx(0.35)
    assert [m.value for m in record.metrics if m.key == "loss_runs"] == [3, 3, 3, 2]


def test_a_cell_that_diverges_says_why_it_has_no_final_loss(uri):
    log_study(*one_cell("diverges", losses=(math.inf, math.inf)), uri, complete=True)
    run = runs_of(uri, "diverges")["a"]
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "diverged")
    assert "final_loss" not in run.data.metrics
    assert "diverged" in run.data.tags["final_loss"]


def test_a_cell_whose_every_seed_failed_is_a_failed_run(uri):
    log_study(*one_cell("fails", losses=(None, None)), uri, complete=True)
    run = runs_of(uri, "fails")["a"]
    assert (run.info.status, run.data.tags["status"]) == ("FAILED", "error")


def test_a_long_curve_is_thinned_into_one_batch_with_both_ends(uri):
    log_study(*one_cell("long", readings=2000), uri, complete=True)
    run = runs_of(uri, "long")["a"]
    history = connect(uri).get_metric_history(run.info.run_id, "loss")
    assert (history[0].step, history[-1].step) == (0, 20 * 1999)
    assert run.data.tags["curve_thinned"] == f"{len(history)} of 2000 readings"


losses = st.lists(
    st.none() | st.just(math.inf) | st.floats(min_value=0, allow_nan=False, allow_infinity=False), min_size=1
)


@given(losses=losses, readings=st.integers(2, 40))
@settings(deadline=None)
def test_whatever_the_losses_metrics_are_finite_and_fit_one_batch(losses, readings):
    record = record_of(*one_cell("s", losses=losses, readings=readings))
    assert all(math.isfinite(m.value) for m in record.metrics)
    assert len(record.metrics) + len(record.params) <= MAX_BATCH
    assert sum(int(record.tags[f"status.{s}"]) for s in ("ok", "diverged", "error")) == len(losses)


@given(seeds=st.integers(1, 600), readings=st.integers(2, 3))
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_however_many_seeds_they_fit_one_batch(seeds, readings):
    record = record_of(*one_cell("s", losses=[0.3] * seeds, readings=readings))
    assert len(record.metrics) + len(record.params) <= MAX_BATCH


@given(order=st.permutations(range(6)))
@settings(deadline=None)
def test_the_order_of_rows_does_not_make_a_cell_another(order):
    runs, curves = tables(one_cell("s", "a", (0.1, 0.2, 0.3)), one_cell("s", "b", (0.1, math.inf, None)))
    assert fingerprints(runs.iloc[order], curves.iloc[::-1]) == fingerprints(runs, curves)


def test_a_cell_has_the_same_fingerprint_in_a_part_of_the_table():
    whole = fingerprints(*tables(one_cell("s", "a"), one_cell("s", "b", (math.inf, None))))
    assert fingerprints(*one_cell("s", "a"))["a"] == whole["a"]


@pytest.mark.parametrize("column", ["final_loss", "train_seconds", "status", "config"])
def test_any_change_of_a_row_changes_the_fingerprint(column):
    runs, curves = one_cell("s")
    other = runs.assign(**{column: [*runs[column][:-1], {"status": "error", "config": "{}"}.get(column, 0.125)]})
    assert fingerprints(other, curves) != fingerprints(runs, curves)


# -- nothing twice


def test_logging_twice_changes_nothing(uri):
    study = tables(one_cell("twice", "a"), one_cell("twice", "b", (math.inf, 0.1)))
    assert log_study(*study, uri, complete=True) == Counts(logged=2, unchanged=0, removed=0)
    before = {cell: run.to_dictionary() for cell, run in runs_of(uri, "twice").items()}
    assert log_study(*study, uri, complete=True) == Counts(logged=0, unchanged=2, removed=0)
    assert {cell: run.to_dictionary() for cell, run in runs_of(uri, "twice").items()} == before


def test_a_changed_cell_replaces_its_old_run(uri):
    log_study(*tables(one_cell("changed", "a"), one_cell("changed", "b")), uri, complete=True)
    kept = runs_of(uri, "changed")["a"].info.run_id
    changed = tables(one_cell("changed", "a"), one_cell("changed", "b", (0.1, 0.1)))
    assert log_study(*changed, uri, complete=True) == Counts(logged=1, unchanged=1, removed=1)
    assert count(uri, "changed") == 2
    assert runs_of(uri, "changed")["a"].info.run_id == kept
    assert runs_of(uri, "changed")["b"].data.metrics["final_loss"] == 0.1


def test_a_vanished_cell_is_removed_from_a_complete_study_only(uri):
    log_study(*tables(one_cell("vanish", "a"), one_cell("vanish", "b")), uri, complete=True)
    log_study(*one_cell("vanish's neighbour", "a"), uri, complete=True)
    assert log_study(*one_cell("vanish", "a"), uri, complete=False).removed == 0
    assert count(uri, "vanish") == 2
    assert log_study(*one_cell("vanish", "a"), uri, complete=True) == Counts(logged=0, unchanged=1, removed=1)
    assert set(runs_of(uri, "vanish")) == {"a"}


def test_a_kill_between_the_new_run_and_the_old_one_is_healed(uri, monkeypatch):
    log_study(*one_cell("killed", losses=(0.3,)), uri, complete=True)

    def killed(client, run_id):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "delete_run", killed)
        log_study(*one_cell("killed", losses=(0.2,)), uri, complete=True)
    assert count(uri, "killed") == 2
    assert log_study(*one_cell("killed", losses=(0.2,)), uri, complete=True) == Counts(0, 1, 1)
    assert count(uri, "killed") == 1
    assert runs_of(uri, "killed")["a"].data.metrics["final_loss"] == 0.2


def test_a_run_that_was_never_ended_is_replaced(uri):
    runs, curves = one_cell("zombie")
    tags = {"study": "zombie", "cell_id": "a"} | fingerprints(runs, curves)["a"]._asdict()
    zombie = connect(uri).create_run(ensure_store(uri), tags=tags)  # as a killed process leaves it
    assert log_study(runs, curves, uri, complete=True) == Counts(1, 0, 1)
    assert runs_of(uri, "zombie")["a"].info.status == "FINISHED"
    assert connect(uri).get_run(zombie.info.run_id).info.status == "KILLED"  # in the bin it does not run either


def test_an_error_on_the_way_leaves_no_running_run(uri, monkeypatch):
    def fails(client, *arguments, **options):
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="disk"):
        patch.setattr(MlflowClient, "log_batch", fails)
        log_study(*one_cell("broken"), uri, complete=True)
    assert count(uri, "broken") == 0
    found = connect(uri).search_runs([ensure_store(uri)], "tags.study = 'broken'", run_view_type=ViewType.ALL)
    assert [run.info.status for run in found] == ["KILLED"]


WRITES = ("create_run", "log_batch", "log_inputs", "set_terminated", "delete_run")


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

    for method in WRITES:
        patch.setattr(MlflowClient, method, calling(method, getattr(MlflowClient, method)))
    patch.setattr("pipeline.track.log.open_store", opened)


@pytest.mark.parametrize("method", WRITES)
def test_whichever_answer_is_lost_the_cell_is_there_once_and_was_logged(uri, monkeypatch, method):
    study = f"unanswered {method}"
    old = one_cell(study, losses=(0.3,))
    log_study(*old, uri, complete=True)
    with monkeypatch.context() as patch:
        lose_answer(patch, method)
        done = log_study(*one_cell(study, losses=(0.2,)), uri, complete=True)
    assert (done.logged, done.unchanged) == (1, 0)
    shown = runs_of(uri, study)["a"]
    assert count(uri, study) == 1
    assert (shown.info.status, shown.data.metrics["final_loss"]) == ("FINISHED", 0.2)
    every = connect(uri).search_runs([ensure_store(uri)], f"tags.study = '{study}'", run_view_type=ViewType.ALL)
    assert done.removed == len(every) - 1  # all but the one that is shown
    assert "RUNNING" not in {run.info.status for run in every}


def test_a_deleted_store_is_rebuilt_from_the_tables(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    study = tables(one_cell("s", "a", label="x"), one_cell("s", "b", (math.inf, 0.1, None)))

    def shown():
        log_study(*study, uri, complete=True)
        return {cell: (run.data.params, run.data.tags, run.data.metrics) for cell, run in runs_of(uri, "s").items()}

    before = shown()
    for file in tmp_path.glob("mlflow.db*"):
        file.unlink()
    assert shown() == before and len(before) == 2


# -- the store


@pytest.mark.slow
def test_eight_processes_meet_a_fresh_store_and_each_cell_is_there_once(tmp_path):
    shared = one_cell("s", "shared")
    for i in range(8):
        folder = tmp_path / f"{i}"
        own, both = one_cell("s", f"own{i}"), tables(shared, one_cell("s", f"own{i}"))
        assert len(own[0]) < len(both[0])
        write_table(both[0], RUNS, folder / "runs.parquet")
        write_table(both[1], CURVES, folder / "curves.parquet")
    program = (
        "import sys; from pathlib import Path; from pipeline.lab.tables import *;"
        "from pipeline.track.log import log_study;"
        "folder = Path(sys.argv[1]);"
        "runs, curves = (read_table(folder / f'{s.lower()}.parquet', globals()[s]) for s in ('RUNS', 'CURVES'));"
        "log_study(runs, curves, 'sqlite:///mlflow.db', complete=False)"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"]
    writers = [subprocess.Popen([*command, str(i)], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for i in range(8)]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 8, errors
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert set(runs_of(uri, "s")) == {"shared", *(f"own{i}" for i in range(8))}
    assert count(uri, "s") == 9


def test_a_store_that_is_there_is_left_alone(uri):
    assert ensure_store(uri) == ensure_store(uri)


def test_a_deleted_experiment_comes_back(uri):
    experiment_id = ensure_store(uri, "other")
    connect(uri).delete_experiment(experiment_id)
    assert ensure_store(uri, "other") == experiment_id
    assert connect(uri).get_experiment(experiment_id).lifecycle_stage == "active"


def test_a_relative_path_is_relative_to_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_uri("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize("uri", ["", "sqlite://", "sqlite:///:memory:"])
def test_a_store_that_nobody_could_browse_is_refused(uri):
    with pytest.raises(UserError, match="not allowed"):
        ensure_store(uri)


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_text("notes on the weather, day by day")
    with pytest.raises(UserError, match="not an SQLite database"):
        ensure_store(f"sqlite:///{tmp_path / 'mlflow.db'}")


@given(password=st.text(st.characters(codec="ascii", exclude_characters=" ", categories=["L", "N", "P"]), min_size=1))
def test_a_password_is_never_shown(password):
    assert (
        masked(f"cannot reach postgresql://ada:{password}@db/mlflow") == "cannot reach postgresql://ada:***@db/mlflow"
    )


def test_two_studies_in_one_table_are_refused(uri):
    with pytest.raises(UserError, match="one at a time"):
        log_study(*tables(one_cell("one"), one_cell("two")), uri, complete=True)


def test_an_empty_table_is_nothing_to_log(uri):
    runs, curves = one_cell("empty")
    assert log_study(runs[:0], curves[:0], uri, complete=True) == Counts(0, 0, 0)


# -- the command


def test_the_command_logs_studies_and_writes_their_counts(uri, tmp_path, capsys):
    runs, curves = one_cell("by hand")
    write_table(runs, RUNS, tmp_path / "by hand" / "runs.parquet")
    write_table(curves, CURVES, tmp_path / "by hand" / "curves.parquet")
    done = tmp_path / "done.json"
    main(["--uri", uri, str(tmp_path / "by hand"), "--done", str(done)])
    assert json.loads(done.read_text()) == {"by hand": {"logged": 1, "unchanged": 0, "removed": 0}}
    assert "1 logged" in capsys.readouterr().out


def test_the_command_makes_the_store(uri, tmp_path):
    main(["--init", "--uri", uri, "--done", str(tmp_path / "store.json")])
    assert json.loads((tmp_path / "store.json").read_text()) == {"experiment": "minibatch-lab"}


def test_a_missing_table_is_one_sentence_and_no_sentinel(uri, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--uri", uri, str(tmp_path / "nothing"), "--done", str(tmp_path / "done.json")])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "done.json").exists()


def test_help_does_not_wait_for_mlflow():
    program = "import sys; import pipeline.track.__main__; sys.exit(bool({'mlflow', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_a_password_on_the_command_line_is_refused_before_anything_is_written(run, tmp_path):
    uri = "mlflow_uri=postgresql://ada:s3cret@db/mlflow"
    done = run(sys.executable, "-m", "pipeline.train", uri, f"hydra.run.dir={tmp_path / 'out'}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: mlflow_uri=postgresql://ada:***@db/mlflow is not allowed")
    assert "s3cret" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_dataset_has_a_schema_and_the_number_of_its_rows():
    runs, curves = one_cell("s")
    config = json.loads(runs.config[0])
    config["data"]["columns"] = [{"name": "frequency", "unit": "Hz"}, {"name": "sound_pressure", "unit": "dB"}]
    dataset = dataset_input(record_of(runs.assign(config=json.dumps(config)), curves).data).dataset
    assert [column["name"] for column in json.loads(dataset.schema)["mlflow_colspec"]] == [
        "frequency",
        "sound_pressure",
    ]
    assert json.loads(dataset.profile)["num_rows"] == 1500


def test_part_of_a_study_can_be_logged_by_hand_without_removing_the_rest(uri, tmp_path):
    log_study(*tables(one_cell("part", "a"), one_cell("part", "b")), uri, complete=True)
    runs, curves = one_cell("part", "c")
    write_table(runs, RUNS, tmp_path / "runs.parquet")
    write_table(curves, CURVES, tmp_path / "curves.parquet")
    main(["--uri", uri, "--partial", str(tmp_path)])
    assert set(runs_of(uri, "part")) == {"a", "b", "c"}


def test_a_summary_is_one_run_with_the_figures_and_is_replaced_when_one_changes(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    runs, curves = tables(one_cell("sum", "a", (0.3, 0.2)), one_cell("sum", "b", (math.inf, 0.1)))
    log_study(runs, curves, uri, complete=True)
    picture = tmp_path / "heat.png"
    picture.write_bytes(b"one")
    figures = [Figure("Heatmap", "Darker is better.", picture)]
    assert log_summary(summarize(runs, figures), uri) == Counts(1, 0, 0)
    assert log_summary(summarize(runs, figures), uri) == Counts(0, 1, 0)
    picture.write_bytes(b"two")
    assert log_summary(summarize(runs, figures), uri) == Counts(1, 0, 1)
    client = connect(uri)
    (run,) = client.search_runs([ensure_store(uri)], "tags.kind = 'summary'")
    assert run.data.metrics == {
        "cells": 2,
        "runs": 4,
        "runs_ok": 3,
        "runs_diverged": 1,
        "runs_error": 0,
        "lowest_final_loss": 0.25,
    }
    assert [file.path for file in client.list_artifacts(run.info.run_id, "figures")] == ["figures/heat.png"]
    assert "Darker is better." in run.data.tags["mlflow.note.content"]
    assert log_study(runs, curves, uri, complete=True) == Counts(0, 2, 0)  # the summary is no cell that vanished


@pytest.mark.parametrize("method", ["create_run", "log_batch", "set_terminated", "delete_run"])
def test_whichever_answer_is_lost_the_summary_is_there_once_and_was_logged(uri, monkeypatch, method):
    study = f"sum {method}"
    log_summary(summarize(one_cell(study, losses=(0.3,))[0], []), uri)
    with monkeypatch.context() as patch:
        lose_answer(patch, method)
        done = log_summary(summarize(one_cell(study, losses=(0.2,))[0], []), uri)
    assert (done.logged, done.unchanged) == (1, 0)
    every = connect(uri).search_runs([ensure_store(uri)], f"tags.study = '{study}'", run_view_type=ViewType.ALL)
    (shown,) = (run for run in every if run.info.lifecycle_stage == "active")
    assert (shown.info.status, shown.data.metrics["lowest_final_loss"]) == ("FINISHED", 0.2)
    assert done.removed == len(every) - 1
    assert "RUNNING" not in {run.info.status for run in every}
