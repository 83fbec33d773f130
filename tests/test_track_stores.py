"""Many writers, and stores that go away: nothing lost, nothing twice, no password shown."""

import collections
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import quote

import pytest
from conftest import ROOT
from track_stores import PASSWORD, SECRETS, Postgres, Server, free_port
from track_tables import one_cell, write

from pipeline.lab.settings import EXPERIMENT, Tracking
from pipeline.track.__main__ import main
from pipeline.track.log import Counts, log_folder
from pipeline.track.owner import owner_of
from pipeline.track.store import check_store, open_store

pytestmark = pytest.mark.slow

WRITERS, CELLS = 8, 100


@pytest.fixture(scope="module")
def postgres():
    store = Postgres()
    yield store
    store.close()


@pytest.fixture
def server(postgres, tmp_path):
    store = Server(tmp_path, postgres.uri)
    yield store
    store.close()


def loss_of(writer, cell):
    """A number that no two cells share."""
    return 0.2 + (writer * CELLS + cell) / 10_000


def write_cells(folder, study, cells):
    return write(folder, *(one_cell(study, name, (loss, loss)) for name, loss in cells))


def runs_of(uri, study, experiment=EXPERIMENT):
    """The runs of the cells, each below the one run of its folder's study."""
    with open_store(Tracking(uri, experiment)) as (client, experiment_id):
        found = client.search_runs([experiment_id], f"tags.study = '{study}'", max_results=5000)
    above = {run.data.tags["folder_id"]: run.info.run_id for run in found if run.data.tags["kind"] == "summary"}
    cells = [run for run in found if run.data.tags["kind"] == "cell"]
    assert len(above) + len(cells) == len(found)
    assert all(run.data.tags["mlflow.parentRunId"] == above[run.data.tags["folder_id"]] for run in cells)
    return cells


class Writers:
    """Eight processes that log a hundred cells each."""

    def __init__(self, folder, study, uri):
        self.study, self.uri = study, uri
        environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": uri}
        self._processes = []
        for writer in range(WRITERS):
            cells = [(f"{writer}-{cell}", loss_of(writer, cell)) for cell in range(CELLS)]
            own = write_cells(folder / f"{writer}", study, cells)
            with (own / "said").open("wb") as said:
                command = [sys.executable, "-m", "pipeline.track", str(own), "--patience", "300"]
                self._processes.append(
                    subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
                )
        self._folder = folder

    def end(self):
        codes = [process.wait(timeout=1200) for process in self._processes]
        said = [(self._folder / f"{writer}" / "said").read_text() for writer in range(WRITERS)]
        assert codes == [0] * WRITERS, "\n".join(said)[-4000:]
        assert all("100 logged, 0 unchanged" in text for text in said), said
        return said

    def check(self):
        """Every cell is there once, ended, and whole."""
        found = runs_of(self.uri, self.study)
        times = collections.Counter(run.data.tags["cell_id"] for run in found)
        assert len(times) == WRITERS * CELLS and set(times.values()) == {1}
        assert {run.info.status for run in found} == {"FINISHED"}
        expected = {f"{w}-{c}": loss_of(w, c) for w in range(WRITERS) for c in range(CELLS)}
        assert {run.data.tags["cell_id"]: run.data.metrics["summary/final_loss"] for run in found} == pytest.approx(
            expected
        )
        with open_store(Tracking(self.uri)) as (client, _):
            assert len(client.get_metric_history(found[-1].info.run_id, "loss")) == 4


def when(condition, seconds=600):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.2)


def test_eight_processes_log_800_cells_to_sqlite_while_another_program_holds_its_lock_for_a_while(tmp_path):
    path = tmp_path / "mlflow.db"
    writers = Writers(tmp_path, "many", f"sqlite:///{path}")

    def ended():
        # In a process of its own: closing the file here would drop locks that this process holds on it.
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()[0]

    when(lambda: path.exists() and ended() > 200)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(25)  # more than the 20 s for which MLflow lets SQLite wait
        connection.execute("ROLLBACK")
    assert ended() < WRITERS * CELLS, "the lock was to be held in the middle"
    said = writers.end()
    writers.check()
    assert any("does not answer" in text for text in said)


def test_eight_processes_log_800_cells_to_postgresql_which_loses_its_power_in_the_middle(postgres, tmp_path):
    # Nobody has made the schema before: the eight meet an empty database.
    writers = Writers(tmp_path, "outage", postgres.uri)

    def ended():
        there = postgres.query("SELECT to_regclass('public.runs') IS NOT NULL")[0][0]
        return postgres.query("SELECT count(*) FROM runs WHERE status = 'FINISHED'")[0][0] if there else 0

    when(lambda: ended() > 200)
    assert ended() < WRITERS * CELLS
    postgres.stop("immediate")
    time.sleep(5)
    postgres.start()
    said = writers.end()
    writers.check()
    assert any("does not answer" in text for text in said)
    assert not any(secret in text for text in said for secret in SECRETS)


def test_eight_processes_log_800_cells_to_a_server_that_is_killed_with_its_database(server, postgres, tmp_path):
    check_store(Tracking(server.uri))
    writers = Writers(tmp_path, "served", server.uri)

    def ended():
        text = (
            "SELECT count(*) FROM runs JOIN tags USING (run_uuid)"
            " WHERE status = 'FINISHED' AND key = 'study' AND value = 'served'"
        )
        return postgres.query(text)[0][0]

    when(lambda: ended() > 200)
    assert ended() < WRITERS * CELLS
    server.stop()
    postgres.stop("immediate")
    time.sleep(5)
    postgres.start()
    server.start()
    said = writers.end()
    writers.check()
    assert any("does not answer" in text for text in said)


def test_the_writers_of_one_sqlite_file_do_not_drop_each_others_locks(tmp_path):
    """Closing a plain descriptor of the file would drop this process's locks: the other would delete the log in use."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": uri}
    log_folder(write_cells(tmp_path / "first", "both", [("first", 0.3)]), Tracking.read(uri))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as reader:  # as `mlflow ui` in this process would be
        reader.execute("SELECT * FROM runs").fetchall()
        for turn in range(3):
            check_store(Tracking.read(uri))
            other = write_cells(tmp_path / f"other{turn}", "both", [(f"other{turn}", 0.3)])
            command = [sys.executable, "-m", "pipeline.track", str(other)]
            subprocess.run(command, env=environment, check=True, capture_output=True)
            assert (tmp_path / "mlflow.db-wal").exists(), "the other process took itself for the last one"
            log_folder(write_cells(tmp_path / f"mine{turn}", "both", [(f"mine{turn}", 0.3)]), Tracking.read(uri))
    expected = {"first", *(f"{who}{turn}" for who in ("other", "mine") for turn in range(3))}
    assert {run.data.tags["cell_id"] for run in runs_of(uri, "both")} == expected
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_users_with_two_folders_each_take_ten_turns_on_one_store_and_no_run_is_touched(request, tmp_path, kind):
    """Another number of epochs gives other losses, and some other cells, under the same names."""
    uri = request.getfixturevalue("postgres").uri if kind == "postgresql" else f"sqlite:///{tmp_path / 'mlflow.db'}"
    store, study = Tracking.read(uri), f"turns on {kind}"
    folders = [
        write(tmp_path / user / results, one_cell(study, "a", (loss,)), one_cell(study, own))
        for user, results, loss, own in (
            ("ada", "results", 0.3, "b"),
            ("ada", "longer", 0.2, "c"),
            ("eve", "results", 0.3, "b"),
            ("eve", "longer", 0.1, "d"),
        )
    ]
    assert [log_folder(folder, store) for folder in folders] == [Counts(2, 0, 0)] * 4
    before = {run.info.run_id: run.data.tags["folder_id"] for run in runs_of(uri, study)}
    for _ in range(10):
        assert [log_folder(folder, store) for folder in folders] == [Counts(0, 2, 0)] * 4
    assert {run.info.run_id: run.data.tags["folder_id"] for run in runs_of(uri, study)} == before
    assert collections.Counter(before.values()) == {owner_of(folder).id: 2 for folder in folders}
    write(folders[0], one_cell(study, "a", (0.25,)))  # one folder's cells change and vanish: its own runs do
    assert log_folder(folders[0], store) == Counts(1, 0, 2)
    assert [log_folder(folder, store) for folder in folders[1:]] == [Counts(0, 2, 0)] * 3


def test_a_store_that_stays_down_is_told_in_one_sentence_and_the_command_catches_up(run, postgres, tmp_path):
    folder = write_cells(tmp_path / "late", "late", [("a", 0.3), ("b", 0.4)])
    command = ["python", "-m", "pipeline.track", folder, "--done", tmp_path / "done.json", "--patience", "3"]
    postgres.stop("fast")
    try:
        done = run(*command, MLFLOW_TRACKING_URI=postgres.uri)
    finally:
        postgres.start()
    assert done.returncode == 2
    *waits, told = done.stderr.splitlines()
    assert told.startswith("error: MLflow store postgresql://ada:***@127.0.0.1")
    assert "does not answer" in told and "the tables are whole" in told and f"python -m pipeline.track {folder}" in told
    assert waits and all("next try in" in line for line in waits)
    assert not (tmp_path / "done.json").exists()

    done = run(*command, MLFLOW_TRACKING_URI=postgres.uri)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "late: 2 logged, 0 unchanged, 0 removed"), done.stderr
    assert "1 logged" not in run(*command, MLFLOW_TRACKING_URI=postgres.uri).stdout


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda uri: uri.replace("ada:", "eve:"), "authentication failed"),
        (lambda uri: uri.replace("/postgres", "/nowhere"), "does not exist"),
        (lambda uri: uri.replace("@127", "x@127"), "authentication failed"),
        (lambda uri: uri.replace("postgresql://", "postgresql+nodriver://"), "nodriver"),
        (lambda uri: uri.replace("%3A", ":").replace("%40", "@").replace("%2F", "/"), ""),
        (lambda uri: f"http://ada:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}", ""),
        (lambda uri: f"http://ada:{PASSWORD}@127.0.0.1:{free_port()}", "is not allowed"),
    ],
    ids=["user", "database", "password", "driver", "unquoted", "server", "unquoted server"],
)
def test_a_uri_that_cannot_be_used_is_refused_without_its_password(postgres, tmp_path, monkeypatch, capfd, spoil, told):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", spoil(postgres.uri))
    with pytest.raises(SystemExit) as stopped:
        main(["--init", "--done", str(tmp_path / "done.json"), "--patience", "1"])
    out, err = capfd.readouterr()
    assert stopped.value.code == 2
    assert err.splitlines()[-1].startswith("error: MLflow store ")
    assert told in err
    assert not any(secret in out + err for secret in SECRETS)
    assert not (tmp_path / "done.json").exists()


TRIO = """
defaults: [base_study, _self_]
name: trio
engine: stacked
common: {data: airfoil_twin, batch_size: 100, epochs: 1, seeds: 2}
grid: {optimizer: [sgd, momentum, adam]}
"""


def test_a_workflow_whose_store_is_down_keeps_its_tables_and_hides_the_password(lab_copy, run, postgres):
    (lab_copy / "conf" / "study" / "trio.yaml").write_text(TRIO)
    options = ["--config", "studies=[trio]", "measurements=[]", "overrides=[data=airfoil_twin]"]
    # An experiment that a server made names the server as the place of its artifacts.
    environment = {
        "MLFLOW_TRACKING_URI": postgres.uri,
        "MLFLOW_EXPERIMENT_NAME": "without a server",
        "MINIBATCH_LAB_PATIENCE": "2",
    }

    def snakemake(*arguments):
        return run("snakemake", "--cores", "2", *arguments, *options, cwd=lab_copy, **environment)

    postgres.stop("fast")
    try:
        failed = snakemake()
    finally:
        postgres.start()
    assert failed.returncode != 0
    made = lab_copy / "results"
    assert (made / "trio" / "runs.parquet").exists() and (made / "report.html").exists()
    log = (made / "logs" / "track" / "runs.log").read_text()
    assert log.count("error: MLflow store postgresql://ada:***@") == 1 and "Traceback" not in log
    before = (made / "trio" / "runs.parquet").stat().st_mtime_ns

    caught_up = snakemake("track")
    assert caught_up.returncode == 0, caught_up.stderr[-4000:]
    assert "trio: 4 logged" in (made / "logs" / "track" / "track.log").read_text()  # three cells, and the figures
    assert snakemake().returncode == 0
    assert (made / "trio" / "runs.parquet").stat().st_mtime_ns == before
    logged = runs_of(postgres.uri, "trio", "without a server")
    assert len([run for run in logged if run.data.tags["kind"] == "cell"]) == 3

    trained = run("python", "-m", "pipeline.train", "optimizer=sgd", "data=airfoil_twin", cwd=lab_copy, **environment)
    assert trained.returncode == 0, trained.stderr
    said = failed.stdout + failed.stderr + caught_up.stdout + caught_up.stderr + trained.stdout + trained.stderr
    texts = {"what was said": said.encode(), "the database": postgres.dump().encode()}
    texts |= {
        str(path): path.read_bytes() for path in lab_copy.rglob("*") if path.is_file() and ROOT not in path.parents
    }
    own = {str(lab_copy / "tests" / "track_stores.py")}  # where the password is from
    shown = {name for name, text in texts.items() if name not in own for secret in SECRETS if secret.encode() in text}
    assert shown == set()
    assert "trio" in texts["the database"].decode()
