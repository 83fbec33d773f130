"""What the tests share: data sets, a copy of the repository to break, and a way to run commands in it."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

# Beside each other, threads of torch wait for those of the other workers; before torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from airfoil_files import REAL_FILE
from hypothesis import settings
from repository import ROOT, copy_repository

from pipeline import parts
from pipeline.lab.config import compose_data
from pipeline.train.data import prepared

# A deadline asserts a time, and a busy machine misses it.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(autouse=True)
def no_folder_of_another_test(monkeypatch):
    """A command that a test calls in its own process leaves the user's folders in the environment."""
    monkeypatch.setenv(parts.VARIABLE, "")  # noted even where it is not set, so that the end of the test takes it away
    monkeypatch.delenv(parts.VARIABLE)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """The offline twin: needs no network."""
    return prepared(compose_data(["data=airfoil_twin"]), tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="session")
def real_dataset(tmp_path_factory):
    """The real data, where ``AIRFOIL_DATA`` points to it."""
    if not REAL_FILE.is_file():
        pytest.skip("AIRFOIL_DATA does not point to the real file")
    # The path is written into the configuration, because another test may have composed it without the variable.
    return prepared(compose_data([f"data.sources=['{REAL_FILE}']"]), tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def run():
    """Run a command and capture what it says; ``python`` and ``snakemake`` are those that run the tests."""

    def command(*arguments, cwd=ROOT, **environment):
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return subprocess.run(
            [str(argument) for argument in arguments],
            cwd=cwd,
            env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return command


@pytest.fixture
def lab_copy(tmp_path):
    """Copy the files that git tracks or would track, so that a test may edit them and run the workflow there."""
    return copy_repository(tmp_path / "lab")


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser; a module's, because two of Playwright's loops cannot run in one process."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup-dev")
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        # No sandbox: the tests may run as root in a container, and open only what they wrote themselves.
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    """Print what became of the generated inputs; here, because pytest-xdist's own process collects no folder."""
    cases = Counter()
    for report in terminalreporter.stats.get("", []):  # those that are not counted: setups, and teardowns that passed
        if report.when == "teardown":
            cases.update(dict(report.user_properties).get("cases", {}))
    if cases:
        told = f"{cases['ran']:,} run, {cases['refused']:,} refused with one sentence"
        terminalreporter.write_line(f"{cases.total():,} generated inputs: {told}")
