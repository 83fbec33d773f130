"""Signals end every command with one sentence, a status that is not zero, and nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.files import written_whole
from tests.faults.stages import commands, make_inputs, written
from tests.inputs.door import complaints
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc tells what a process has loaded")

SENTENCE = "interrupted: nothing half-written is left\n"
#: What each signal ends a command with.
ENDS = {
    signal.SIGINT: (130, SENTENCE),
    signal.SIGTERM: (143, SENTENCE.replace("interrupted", "ended by SIGTERM")),
    signal.SIGHUP: (129, SENTENCE.replace("interrupted", "ended by SIGHUP")),
}
#: Training that takes ten minutes.
LONG = ("batch_size=1", "lr=0.001", "epochs=6000")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages read."""
    return make_inputs(tmp_path_factory.mktemp("made"))


def interrupted(command, cwd, library, seconds=0.0, number=signal.SIGINT):
    """Start a command and send it a signal once it has loaded a library and then worked for so long."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while library not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{command} never loaded {library}"
        time.sleep(0.01)
    time.sleep(seconds)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["fetch", "train", "track"])
def test_an_interrupt_while_a_stage_starts_leaves_nothing_half_written(stage, made, tmp_path):
    status, _, _ = interrupted(commands(made, tmp_path / "out", LONG)[stage], tmp_path, "_multiarray_umath")
    assert status != 0
    # A short command may have written its files, whole, in the moment before.
    assert [name for name in written(tmp_path) if name.endswith(".tmp")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "number", "seconds"),
    [
        ("train", signal.SIGINT, 5.0),
        ("train", signal.SIGTERM, 6.0),
        ("long measure", signal.SIGINT, 6.0),
        ("long measure", signal.SIGHUP, 5.0),
    ],
)
def test_a_signal_ends_a_stage_at_work_with_one_sentence(stage, number, seconds, made, tmp_path):
    command = commands(made, tmp_path / "out", LONG)[stage]
    status, _, err = interrupted(command, tmp_path, "libtorch_python", seconds, number)
    assert (status, complaints(err)) == ENDS[number]
    assert written(tmp_path) == []


@pytest.mark.slow
def test_an_interrupt_of_the_workflow_is_told_without_a_traceback_and_the_next_run_goes_on(lab_copy, run):
    (lab_copy / "conf" / "study" / "long.yaml").write_text(
        "defaults: [base_study, _self_]\nname: long\ncommon: {data: airfoil_twin, lr: 0.005, batch_size: 1}\n"
        "cells: {all: {epochs: 6000}}\n"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        ["snakemake", "--cores", "2", "long"],
        cwd=lab_copy,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    job = lab_copy / "results" / "long" / "jobs" / "all"
    deadline = time.monotonic() + 600
    while not (job / ".hydra" / "overrides.yaml").is_file():  # from then on it imports torch, and trains
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "training never began"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=600)
    assert process.returncode not in {0, -signal.SIGKILL}
    assert said.count("Terminating processes on user request") == 1
    assert "Traceback" not in said
    assert (lab_copy / "results" / "logs" / "train" / "long" / "all.log").read_text().endswith(SENTENCE)
    assert written(job) == []
    done = run("snakemake", "--cores", "2", "long", "--config", "overrides=[epochs=1]", cwd=lab_copy)
    assert done.returncode == 0, done.stderr
    assert "killed" not in done.stderr  # an interrupted snakemake takes its lock away itself


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_becomes_a_status_and_a_sentence_and_temporary_files_go(number, tmp_path, capsys):
    before = [signal.getsignal(each) for each in ENDS]
    with pytest.raises(SystemExit) as ended, exit_on_user_error(), written_whole(tmp_path / "table") as temporary:
        temporary.write_text("half of it")
        signal.raise_signal(number)
    assert (ended.value.code, capsys.readouterr().err) == ENDS[number]
    assert list(tmp_path.iterdir()) == []
    assert [signal.getsignal(each) for each in ENDS] == before


def test_an_interrupt_that_a_library_swallows_ends_the_command_all_the_same():
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:  # noqa: BLE001
            print("and goes on")
    assert ended.value.code == 130


def test_a_signal_that_is_ignored_stays_ignored():
    """As SIGHUP is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with exit_on_user_error():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_meets_a_finalizer_prints_no_traceback(capsys):
    class Finalized:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        del [Finalized()][0]
    assert (ended.value.code, capsys.readouterr().err) == ENDS[signal.SIGTERM]
