"""A file, or a folder, is there whole or not at all, and a killed writer's leavings go with the next one."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole
from pipeline.parts.data.digits import write_digits

STUCK = """
import sys, time
from pathlib import Path
from pipeline.lab.files import temporary_beside
with temporary_beside(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as temporary:
    ((temporary / "part") if temporary.is_dir() else temporary).write_text("half of it")
    print(temporary, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def stuck():
    """Start a process that stops in the middle of writing, and say what it writes to."""
    started = []

    def start(path, kind="file"):
        process = subprocess.Popen(
            [sys.executable, "-c", STUCK, str(path), kind], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_when_the_file_is_written_again(tmp_path, stuck):
    path = tmp_path / "runs.parquet"
    process, temporary = stuck(path)
    process.kill()
    process.wait()
    assert names(tmp_path) == [temporary.name]
    with written_whole(path) as new:
        new.write_text("all of it")
    assert names(tmp_path) == ["runs.parquet"]


def test_what_another_writer_is_writing_is_left_alone(tmp_path, stuck):
    path = tmp_path / "runs.parquet"
    process, temporary = stuck(path)
    with written_whole(path) as new:
        new.write_text("all of it")
    assert process.poll() is None
    assert names(tmp_path) == [temporary.name, "runs.parquet"]
    assert temporary.read_text() == "half of it"


def test_the_leavings_of_other_files_are_left_alone(tmp_path):
    others = [".runs.parquet.backup", f".other.parquet.{'0' * 32}.tmp", f".runs.parquet.x.{'0' * 32}.tmp"]
    for name in others:
        (tmp_path / name).write_text("mine")
    with written_whole(tmp_path / "runs.parquet") as new:
        new.write_text("all of it")
    assert names(tmp_path) == sorted([*others, "runs.parquet"])


def test_what_a_killed_writer_left_of_the_images_goes_when_they_are_written_again(tmp_path, stuck):
    folder = tmp_path / "digits"
    process, temporary = stuck(folder, "folder")
    process.kill()
    process.wait()
    assert names(tmp_path) == [temporary.name]
    write_digits(folder)
    assert names(tmp_path) == ["digits"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt(), ValueError()])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "runs.parquet"
    path.write_text("old")
    with pytest.raises(UserError if isinstance(error, OSError) else type(error)), written_whole(path) as new:
        new.write_text("half of it")
        raise error
    assert names(tmp_path) == ["runs.parquet"]
    assert path.read_text() == "old"


def test_a_file_gets_the_permissions_that_any_new_file_gets(tmp_path):
    (tmp_path / "plain").touch()
    with written_whole(tmp_path / "whole") as new:
        new.write_text("all of it")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_many_writers_of_one_file_leave_one_whole_file(tmp_path):
    path = tmp_path / "table"
    script = (
        "import sys; from pathlib import Path; from pipeline.lab.files import written_whole\n"
        "for turn in range(100):\n"
        "    with written_whole(Path(sys.argv[1])) as new:\n"
        "        new.write_text(sys.argv[2] * 50_000)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(path), letter]) for letter in "abcd"]
    while any(writer.poll() is None for writer in writers):
        time.sleep(0.05)
    assert [writer.returncode for writer in writers] == [0] * 4
    content = path.read_text()
    assert len(content) == 50_000 and len(set(content)) == 1
    assert names(tmp_path) == ["table"]
