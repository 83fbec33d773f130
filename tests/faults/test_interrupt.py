"""Ctrl-C ends every command with one sentence, a status that is not zero, and nothing half-written."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lab.errors import exit_on_user_error
from tests.faults.stages import commands, make_inputs, written
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc tells what a process has loaded")

SENTENCE = "interrupted: nothing half-written is left\n"
#: Training that takes ten minutes.
LONG = ("batch_size=1", "lr=0.001", "epochs=6000")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages read."""
    return make_inputs(tmp_path_factory.mktemp("made"))


def interrupted(command, cwd, library, seconds=0.0):
    """Start a command and press Ctrl-C once it has loaded a library and then worked for so long."""
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
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", ["fetch", "whiten", "train", "collect", "measure", "figures", "claims", "report", "track"]
)
def test_an_interrupt_while_a_stage_starts_is_one_sentence(stage, made, tmp_path):
    out = tmp_path / "out"
    status, _, err = interrupted(commands(made, out, LONG)[stage], tmp_path, "_multiarray_umath")
    assert err == SENTENCE, err
    assert status == 130
    # A short command may have written its files, whole, in the moment before the imports let go.
    assert [name for name in written(tmp_path) if name.endswith(".tmp")] == []


@pytest.mark.parametrize("stage", sorted(path.parent.name for path in (ROOT / "pipeline").glob("*/__main__.py")))
def test_a_stage_minds_interrupts_before_it_imports_anything_large(stage):
    large = "{'hydra', 'matplotlib', 'mlflow', 'numpy', 'omegaconf', 'pandas', 'pyarrow', 'torch'}"
    program = f"import sys, pipeline.{stage}.__main__; print(*sorted({large} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 2.0, 5.0])
@pytest.mark.parametrize("stage", ["train", "long measure"])
def test_an_interrupt_of_a_stage_at_work_is_one_sentence(stage, seconds, made, tmp_path):
    out = tmp_path / "out"
    status, _, err = interrupted(commands(made, out, LONG)[stage], tmp_path, "libtorch_python", seconds)
    assert err == SENTENCE, err
    assert status == 130
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


def test_an_interrupt_becomes_a_status_and_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted: nothing half-written is left\n"


@pytest.fixture
def heard_again(monkeypatch):
    """Undo what an interrupt does to the last moments of a process."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    yield
    logging.disable(logging.NOTSET)


def test_what_a_library_logs_of_an_interrupt_is_not_heard(caplog, heard_again):
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            logging.getLogger("library").exception("while closing a connection")
            raise
    assert ended.value.code == 130
    logging.getLogger("library").error("while the process ends")
    assert caplog.messages == []


def test_an_interrupt_that_is_lost_while_an_object_goes_is_tried_again(capfd, heard_again):
    class Connection:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    reached = []
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        connection = Connection()
        del connection
        time.sleep(10)
        reached.append("the end")
    assert ended.value.code == 130
    assert reached == []
    assert capfd.readouterr().err == SENTENCE


#: Three seconds inside a text that is run as code, as pandas and SQLAlchemy write some of theirs.
IN_A_TEXT = """
from pipeline.lab.errors import exit_on_user_error

@exit_on_user_error()
def main():
    print("here", flush=True)
    exec("import time\\nfor _ in range(30): time.sleep(0.1)")

main()
"""


@pytest.mark.slow
def test_an_interrupt_inside_a_text_run_as_code_ends_with_the_status_too(tmp_path):
    (tmp_path / "in_a_text.py").write_text(IN_A_TEXT)
    process = subprocess.Popen(
        [sys.executable, "-m", "in_a_text"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, SENTENCE)
