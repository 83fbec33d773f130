"""A full disk and read-only results end every command with one sentence, and leave nothing half-written."""

import os
import subprocess
from contextlib import contextmanager

import pytest

from pipeline.lab.tables import RUNS, read_table
from tests.faults.stages import commands, make_inputs, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount a file system"),
]

#: What Python says, and what SQLite says.
FULL = ("No space left on device", "database or disk is full", "disk I/O error")
STAGES = ["fetch", "whiten", "digits", "train", "collect", "measure", "figures", "claims", "report", "track"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages read."""
    return make_inputs(tmp_path_factory.mktemp("made"))


@contextmanager
def mounted(folder, options):
    """A small file system in memory."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def full(tmp_path):
    """A disk on which folders can be made, and empty files, but not a byte can be written."""
    with mounted(tmp_path / "full", "size=256k") as folder:
        (folder / "ballast").write_bytes(b"\0" * (256 * 1024))
        yield folder


def told(done):
    """The one sentence that a command ended with."""
    assert done.returncode not in {0, 1}, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_is_one_sentence_and_nothing_half_written(stage, made, full, run, tmp_path):
    done = run("python", "-m", *commands(made, full / "out")[stage], MPLCONFIGDIR=tmp_path)
    assert any(
        words in told(done) for words in ("No space left on device", "database or disk is full", "disk I/O error")
    )
    assert written(full) == ["ballast"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_read_only_folder_is_one_sentence(stage, made, run, tmp_path):
    with mounted(tmp_path / "results", "size=1m") as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        done = run("python", "-m", *commands(made, folder / "out")[stage])
        assert str(folder) in told(done)


def test_a_job_that_met_a_full_disk_runs_once_there_is_room_again(made, full, run):
    command = commands(made, full / "out")["train"]
    told(run("python", "-m", *command))
    (full / "ballast").unlink()
    done = run("python", "-m", *command)
    assert done.returncode == 0, done.stderr
    assert written(full) == ["out/curves.parquet", "out/runs.parquet"]
    assert list(read_table(full / "out" / "runs.parquet", RUNS).status) == ["ok"]


def test_a_workflow_on_a_full_disk_ends_without_a_traceback_and_goes_on_once_there_is_room(lab_copy, run, tmp_path):
    config = ("--config", "results=full", "studies=[textbook]", "overrides=[data=airfoil_twin,epochs=1,seeds=1]")
    with mounted(lab_copy / "full", "size=300k") as folder:
        ballast = folder / "ballast"
        ballast.write_bytes(b"\0" * (200 * 1024))
        done = run("snakemake", "--cores", "2", "textbook", *config, cwd=lab_copy)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout + done.stderr
        assert [name for name in written(folder) if name.endswith((".tmp", ".parquet"))] == []
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        done = run("snakemake", "--cores", "2", "textbook", *config, cwd=lab_copy)
        assert done.returncode == 0, done.stderr[-3000:]
        assert set(read_table(folder / "textbook" / "runs.parquet", RUNS).status) == {"ok"}


def test_a_workflow_with_read_only_results_ends_without_a_traceback(lab_copy, run):
    config = ("--config", "results=results", "studies=[textbook]", "overrides=[data=airfoil_twin,epochs=1,seeds=1]")
    with mounted(lab_copy / "results", "size=1m") as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        done = run("snakemake", "--cores", "2", "textbook", *config, cwd=lab_copy)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout + done.stderr
        assert "Read-only file system: 'results/" in done.stderr
