"""A command whose output is no longer read, as before ``| head``, ends without a traceback."""

import os
import subprocess
import sys

import pytest

from pipeline.lab.errors import UNREAD, exit_on_user_error
from tests.repository import ROOT

#: More than a pipe and all buffers hold.
MUCH = (
    'from pipeline.lab.errors import *\nwith exit_on_user_error(): print("line\\n" * 100_000); print("end", flush=True)'
)


def unread(*command, **environment):
    """Run a command whose output is a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_is_not_read_is_no_traceback(unbuffered):
    done = unread("-c", MUCH, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (UNREAD, "")


@pytest.mark.parametrize("stage", ["track", "train", "answer"])
def test_help_that_is_not_read_is_no_traceback(stage):
    done = unread("-m", f"pipeline.{stage}", "--help", PYTHONUNBUFFERED="")
    assert (done.returncode, done.stderr) == (UNREAD, "")


def test_a_mistake_is_reported_on_stderr():
    done = unread("-m", "pipeline.track")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("give one STUDY_DIR or more, or --init")


def test_output_that_was_closed_beforehand_is_none():
    command = [sys.executable, "-m", "pipeline.track", "--help"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_another_broken_pipe_is_a_mistake_of_the_programs():
    with pytest.raises(BrokenPipeError), exit_on_user_error():
        raise BrokenPipeError
