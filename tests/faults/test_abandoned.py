"""The lock of a killed workflow is removed by the next one, that of a living workflow never."""

import fcntl
import os
import platform
import subprocess
import sys
import time

import pytest

from pipeline.workflow import lock as abandoned

START = (
    "import sys; from pathlib import Path; from pipeline.workflow.lock import unlock_if_abandoned\n"
    "print(unlock_if_abandoned(Path(sys.argv[1])), flush=True); sys.stdin.read()"
)


class Starter:
    """Starts processes that do what every snakemake does first, and keeps them alive."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []

    def __call__(self):
        """Start one; whether it removed a lock, and the process."""
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.started.append(process)
        return process.stdout.readline().strip() == "True", process

    def lock(self):
        """What Snakemake writes while it works."""
        (self.folder / "locks").mkdir(exist_ok=True)
        (self.folder / "locks" / "0.output.lock").write_text("results/report.html\n")

    @property
    def locked(self):
        return (self.folder / "locks" / "0.output.lock").exists()


@pytest.fixture
def start(tmp_path):
    starter = Starter(tmp_path / ".snakemake")
    yield starter
    for process in starter.started:
        process.kill()
        process.communicate()


def killed(process):
    process.kill()
    process.wait()


def test_the_lock_of_a_killed_workflow_is_removed_by_the_next(start):
    _, first = start()
    start.lock()
    killed(first)
    removed, _ = start()
    assert removed and not start.locked


def test_the_lock_of_a_living_workflow_stays(start):
    start()
    start.lock()
    removed, second = start()
    assert not removed and start.locked
    killed(second)
    removed, _ = start()
    assert not removed and start.locked


def test_a_workflow_that_came_second_is_seen_to_be_alive_after_the_first_was_killed(start):
    _, first = start()
    start()
    start.lock()
    killed(first)
    removed, _ = start()
    assert not removed and start.locked


def test_the_lock_of_another_machine_stays(start):
    _, first = start()
    start.lock()
    killed(first)
    (start.folder / "alive").write_text("another-machine")
    removed, _ = start()
    assert not removed and start.locked


def test_a_lock_of_which_nobody_knows_who_made_it_stays(start):
    start.folder.mkdir()
    start.lock()
    removed, _ = start()
    assert not removed and start.locked


def test_a_lock_stays_where_the_file_system_has_no_locks(start, monkeypatch):
    start.folder.mkdir()
    start.lock()
    (start.folder / "alive").write_text(platform.node())

    def unsupported(*_):
        raise OSError(38, os.strerror(38))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert abandoned.unlock_if_abandoned(start.folder) is False
    assert start.locked


def test_a_lock_stays_while_a_job_of_the_killed_workflow_still_runs(start, tmp_path, capsys):
    _, first = start()
    start.lock()
    killed(first)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").touch()
    (tmp_path / "pipeline" / "job.py").write_text("import sys; print('here', flush=True); sys.stdin.read()")
    job = subprocess.Popen(
        [sys.executable, "-m", "pipeline.job"], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    job.stdout.readline()
    try:
        assert abandoned.unlock_if_abandoned(start.folder) is False
        assert start.locked
        assert f"PID {job.pid} (pipeline.job)" in capsys.readouterr().err
    finally:
        os.close(abandoned._alive.pop())
        job.kill()
        job.communicate()
    deadline = time.monotonic() + 30
    while abandoned._orphans(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    removed, _ = start()
    assert removed and not start.locked


def test_a_folder_that_cannot_be_made_is_left_to_snakemake(tmp_path):
    (tmp_path / "file").touch()
    assert abandoned.unlock_if_abandoned(tmp_path / "file" / ".snakemake") is False
