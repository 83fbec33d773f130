"""Settings from the environment mean the same to every command, and are checked before anything is trained."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_stores import free_port
from track_tables import one_cell, write

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.errors import UserError
from pipeline.lab.settings import DEFAULT_URI, PATIENCE, Tracking, airfoil_data
from pipeline.lab.urls import masked
from pipeline.track.__main__ import main
from pipeline.train.app import Job, train_jobs


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Nothing is set, and MLflow's credentials are nobody's."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_TRACKING", "MLFLOW_EXPERIMENT", "MINIBATCH_LAB_", "DATABRICKS_", "AIRFOIL_DATA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    return monkeypatch


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:///mlflow.db", "mlflow ui, then PAGE"),
        ("sqlite:///my runs.db", "mlflow ui --backend-store-uri 'sqlite:///FOLDER/my runs.db', then PAGE"),
        ("postgresql://db/mlflow", "mlflow ui --backend-store-uri postgresql://db/mlflow, then PAGE"),
        ("postgresql://ada:secret@db/mlflow", 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI", then PAGE'),
        ("http://mlflow:5000", "PAGE"),
        ("databricks", "databricks"),
    ],
)
def test_every_store_says_what_opens_its_runs(environment, tmp_path, uri, said):
    environment.chdir(tmp_path)
    store = Tracking.read(uri)
    page = f"{store.pages}/#/experiments/1/runs"
    assert store.browse(page) == said.replace("FOLDER", str(tmp_path)).replace("PAGE", page)
    assert store.browse() == said.replace("FOLDER", str(tmp_path)).replace(", then PAGE", "").replace("PAGE", uri)


def test_an_empty_variable_is_the_default(environment, tmp_path):
    environment.chdir(tmp_path)
    default = Tracking.read()
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MINIBATCH_LAB_PATIENCE"):
        environment.setenv(name, "")
    environment.setenv("AIRFOIL_DATA", "")
    assert Tracking.read() == default == Tracking.read("", "")
    assert (default.uri, default.experiment, default.patience) == (
        f"sqlite:///{tmp_path}/mlflow.db",
        "minibatch-lab",
        PATIENCE,
    )
    assert default.uri.endswith(DEFAULT_URI.removeprefix("sqlite:///"))
    assert airfoil_data() is None


def test_the_command_line_outdoes_the_environment(environment):
    environment.setenv("MLFLOW_TRACKING_URI", "http://one.example.org")
    environment.setenv("MINIBATCH_LAB_PATIENCE", "3")
    assert (Tracking.read().uri, Tracking.read().patience) == ("http://one.example.org", 3)
    assert Tracking.read("http://two.example.org", "5").uri == "http://two.example.org"
    assert Tracking.read(None, "5").patience == 5


@pytest.mark.parametrize("seconds", ["a minute", "-1", "inf", "nan"])
def test_a_patience_that_is_no_number_of_seconds_is_refused(environment, seconds):
    environment.setenv("MINIBATCH_LAB_PATIENCE", seconds)
    with pytest.raises(UserError, match=f"patience {seconds} is not allowed"):
        Tracking.read()


@pytest.mark.parametrize(
    "uri",
    [
        *("sqlite://", "sqlite:///:memory:", "sqlite:///", "mlruns", "file:///tmp/mlruns", "foo://bar", "uc:abc"),
        *("http://", "http:///x", "http://host:port", "postgresql://", "https://ada:s3cret@:80"),
    ],
)
def test_what_can_be_no_store_is_refused_at_once(uri):
    with pytest.raises(UserError, match="is not allowed: it must be sqlite:///FILE, postgresql://") as refused:
        Tracking.read(uri)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_can_be_no_store_is_refused_at_once(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text("notes on the weather, day by day")
    for path, reason in (
        (notes, "is not an SQLite database"),
        (tmp_path, "it is a folder"),
        (notes / "mlflow.db", "cannot be written"),
    ):
        with pytest.raises(UserError, match=reason):
            Tracking.read(f"sqlite:///{path}")
    assert list(tmp_path.iterdir()) == [notes]


@given(password=st.text(st.characters(codec="ascii", exclude_characters=" ", categories=["L", "N", "P"]), min_size=1))
def test_a_password_is_never_shown(password):
    shown = "cannot reach postgresql://ada:***@db/mlflow"
    assert masked(f"cannot reach postgresql://ada:{password}@db/mlflow") == shown


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://127.0.0.1:PORT", "does not answer .*start it, name another in MLFLOW_TRACKING_URI, or .*track=false"),
        ("postgresql://ada:s3cret@127.0.0.1:PORT/x", "does not answer .*Connection refused"),
        ("postgresql+nodriver://ada:s3cret@127.0.0.1:PORT/x", "nodriver"),
        pytest.param("databricks", "Databricks credential", marks=pytest.mark.slow),
    ],
)
def test_a_store_that_cannot_work_is_refused_before_training_and_without_patience(
    environment, tmp_path, caplog, uri, reason
):
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    store = Tracking.read(uri.replace("PORT", str(free_port())))
    cell = Cell(compose_cell(["data=airfoil_twin"]))
    job = Job([cell], tmp_path / "out", tmp_path / "data", store, of_study=False)
    environment.setattr(time, "sleep", lambda seconds: pytest.fail("nothing is to be waited for"))
    with pytest.raises(UserError, match=reason) as refused:
        train_jobs([job])
    assert "\n" not in str(refused.value) and "s3cret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_train_and_track_log_one_folder_as_one(environment, tmp_path, capsys):
    store = Tracking.read(f"sqlite:///{tmp_path}/mlflow.db")
    cell = Cell(compose_cell(["data=airfoil_twin", "batch_size=1500", "epochs=1"]))
    train_jobs([Job([cell], tmp_path / "out", tmp_path / "data", store, of_study=False)])
    capsys.readouterr()
    # Another folder's pass over the same study leaves a single run alone; so does one over the run's own folder.
    other = write(tmp_path / "results" / "adhoc", one_cell("adhoc"))
    main(["--uri", store.uri, str(other), str(tmp_path / "out"), "--data", str(tmp_path / "data")])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4 and said[::2] == [
        "adhoc: 1 logged, 0 unchanged, 0 removed",
        "out: 0 logged, 1 unchanged, 0 removed",
    ]
