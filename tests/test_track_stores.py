"""Many writers, and stores that go away: nothing lost, nothing twice, no password shown."""

import collections
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from conftest import ROOT
from track_stores import PASSWORD, SECRETS, Postgres, Server, free_port
from track_tables import one_cell, tables

from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.track.__main__ import main
from pipeline.track.log import log_study
from pipeline.track.store import connect, ensure_store

pytestmark = pytest.mark.slow

WRITERS, CELLS = 8, 100
PROGRAM = """
import sys
from pathlib import Path
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.track.__main__ import main
from pipeline.track.log import log_study

folder, uri = Path(sys.argv[1]), sys.argv[2]
runs, curves = read_table(folder / "runs.parquet", RUNS), read_table(folder / "curves.parquet", CURVES)
print(log_study(runs, curves, uri, complete=False, patience=300))
"""


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
    runs, curves = tables(*(one_cell(study, name, (loss, loss)) for name, loss in cells))
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")
    return folder


class Writers:
    """Eight processes that log a hundred cells each."""

    def __init__(self, folder, study, uri):
        self.study, self.uri = study, uri
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self._processes = []
        for writer in range(WRITERS):
            cells = [(f"{writer}-{cell}", loss_of(writer, cell)) for cell in range(CELLS)]
            own = write_cells(folder / f"{writer}", study, cells)
            with (own / "said").open("wb") as said:
                command = [sys.executable, "-c", PROGRAM, str(own), uri]
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
        client = connect(self.uri)
        found = client.search_runs([ensure_store(self.uri)], f"tags.study = '{self.study}'", max_results=5000)
        times = collections.Counter(run.data.tags["cell_id"] for run in found)
        assert len(times) == WRITERS * CELLS and set(times.values()) == {1}
        assert {run.info.status for run in found} == {"FINISHED"}
        expected = {f"{w}-{c}": loss_of(w, c) for w in range(WRITERS) for c in range(CELLS)}
        assert {run.data.tags["cell_id"]: run.data.metrics["final_loss"] for run in found} == pytest.approx(expected)
        last = client.get_metric_history(found[-1].info.run_id, "loss")
        assert len(last) == 4


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
    ensure_store(server.uri)
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


def test_two_overlapping_writers_do_not_drop_each_others_locks_on_sqlite(tmp_path):
    """Closing any descriptor of the file would drop this process's locks, and the other would delete the log in use."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    log_study(*one_cell("both", "first"), uri, complete=False)
    for turn in range(3):
        ensure_store(uri)  # opens the store once more, while this process has a connection to it
        other = write_cells(tmp_path / f"{turn}", "both", [(f"other{turn}", 0.3)])
        command = [sys.executable, "-c", PROGRAM, str(other), uri]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        assert (tmp_path / "mlflow.db-wal").exists(), "the other process took itself for the last one"
        log_study(*one_cell("both", f"mine{turn}"), uri, complete=False)
    found = connect(uri).search_runs([ensure_store(uri)], "tags.study = 'both'")
    assert {run.data.tags["cell_id"] for run in found} == {
        "first",
        *(f"{who}{turn}" for who in ("other", "mine") for turn in range(3)),
    }
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


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
    assert "does not answer" in told and "the tables are whole" in told and "snakemake --cores 1 track" in told
    assert waits and all("next try in" in line for line in waits)
    assert not (tmp_path / "done.json").exists()

    done = run(*command, MLFLOW_TRACKING_URI=postgres.uri)
    assert (done.returncode, done.stdout) == (0, "late: 2 logged, 0 unchanged, 0 removed\n"), done.stderr
    assert "1 logged" not in run(*command, MLFLOW_TRACKING_URI=postgres.uri).stdout


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda uri: uri.replace("ada:", "eve:"), "authentication failed"),
        (lambda uri: uri.replace("/postgres", "/nowhere"), "does not exist"),
        (lambda uri: uri.replace("@127", "x@127"), "authentication failed"),
        (lambda uri: uri.replace("postgresql://", "postgresql+nodriver://"), "nodriver"),
        (lambda uri: uri.replace("%3A", ":").replace("%40", "@").replace("%2F", "/"), ""),
        (lambda uri: f"http://ada:{PASSWORD}@127.0.0.1:{free_port()}", ""),
    ],
    ids=["user", "database", "password", "driver", "unquoted", "server"],
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
    environment = {"MLFLOW_TRACKING_URI": postgres.uri, "MINIBATCH_LAB_PATIENCE": "2"}

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
    assert "trio: 3 logged" in (made / "logs" / "track" / "track.log").read_text()
    assert snakemake().returncode == 0
    assert (made / "trio" / "runs.parquet").stat().st_mtime_ns == before
    client = connect(postgres.uri)
    found = client.search_runs([ensure_store(postgres.uri)], "tags.study = 'trio' and tags.kind = 'cell'")
    assert len(found) == 3

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
