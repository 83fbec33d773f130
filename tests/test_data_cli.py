"""The commands that fetch and whiten: paths on stdout, mistakes in one line on stderr, exit status 2."""

import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest


@pytest.fixture
def run(tmp_path):
    """Run ``python -m MODULE ARGUMENTS`` from the repository's root."""

    def command(module, *arguments, **environment):
        plain = {key: value for key, value in os.environ.items() if key != "AIRFOIL_DATA"}
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            env={**plain, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def error_line(done):
    """The one line that a mistake is told in."""
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.slow
def test_fetch_then_whiten_makes_the_table(run, tmp_path):
    done = run("pipeline.fetch", "--out", tmp_path / "raw", "data=airfoil_twin")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "raw" / "airfoil_twin.dat")
    assert "offline twin" in done.stderr
    out = tmp_path / "airfoil_twin-zca.parquet"
    done = run("pipeline.whiten", "--raw", done.stdout.strip(), "--out", out, "data=airfoil_twin", "data.whiten=zca")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert pq.read_table(out).num_rows == 1503


def test_overrides_may_stand_before_the_options(run, tmp_path):
    assert run("pipeline.fetch", "data=airfoil_twin", "--out", tmp_path).returncode == 0


def test_a_named_copy_that_is_missing_is_one_line_and_status_2(run, tmp_path):
    line = error_line(run("pipeline.fetch", "--out", tmp_path, AIRFOIL_DATA="no/such/file.dat"))
    assert line == "error: AIRFOIL_DATA=no/such/file.dat cannot be used: there is no such file"
    assert list(tmp_path.iterdir()) == []


def test_the_forbidden_twin_is_one_line_and_status_2(run, tmp_path):
    done = run("pipeline.fetch", "--out", tmp_path, "data.sources=[no/such/file]", "data.on_unreachable=fail")
    assert "no/such/file: there is no such file" in error_line(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "told"), [("data.rows=0", "data.rows=0"), ("data.rows=many", "rows"), ("data.retires=3", "retires")]
)
def test_a_wrong_override_is_one_line_and_status_2(run, tmp_path, override, told):
    assert told in error_line(run("pipeline.fetch", "--out", tmp_path, override))


def test_a_missing_raw_file_is_one_line_and_status_2(run, tmp_path):
    line = error_line(run("pipeline.whiten", "--raw", tmp_path / "none.dat", "--out", tmp_path / "out.parquet"))
    assert "none.dat cannot be read" in line


@pytest.mark.parametrize("module", ["pipeline.fetch", "pipeline.whiten"])
def test_help_is_given(run, module):
    done = run(module, "--help")
    assert done.returncode == 0
    assert "OVERRIDE" in done.stdout
