"""Ctrl-C ends every command with one sentence, a status that is not zero, and nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import Cell, compose_cell, compose_data
from pipeline.dataset import load_dataset
from pipeline.errors import exit_on_user_error
from pipeline.fetch.download import fetch
from pipeline.tables import CURVES, RUNS, write_table
from pipeline.train.cells import train_cells
from pipeline.whiten.table import whiten_file
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc tells what a process has loaded")

LEDGER = ROOT / "conf" / "claims.yaml"
SENTENCE = "interrupted: nothing half-written is left\n"
#: Training that takes hours.
LONG = ("data=airfoil_twin", "batch_size=1", "lr=0.001", "epochs=100000", "track=false")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the stages read."""
    folder = tmp_path_factory.mktemp("made")
    config = compose_data(["data=airfoil_twin"])
    raw = fetch(config, folder, progress=False)
    whiten_file(raw, folder / config.file, config)
    cells = [Cell(compose_cell(["data=airfoil_twin"]))]
    runs, curves = train_cells(cells, {"airfoil_twin": load_dataset(folder / config.file, config.rows)})
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")
    (folder / "captions.json").write_text("[]")
    return folder


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


def half_written(folder):
    """Every file that a stage's command left in a folder, but for the lock of the MLflow store."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "mlflow.db.lock"]


def commands(made, out):
    """A command of every kind, and its long-running library."""
    table = made / compose_data(["data=airfoil_twin"]).file
    return {
        "fetch": ("pipeline.fetch", "--out", out, "data=airfoil_twin"),
        "whiten": ("pipeline.whiten", "--raw", made / "airfoil_twin.dat", "--out", out / "w", "data=airfoil_twin"),
        "train": ("pipeline.train", *LONG, f"data_dir={made}", f"hydra.run.dir={out}", "hydra.output_subdir=null"),
        "collect": ("pipeline.collect", made, "--out", out),
        "measure": ("pipeline.measure", "step_cost", "--data", table, "--full", "--out", out / "step_cost.parquet"),
        "figures": ("pipeline.figures", "--data", table, "--out", out, made),
        "claims": (
            "pipeline.claims",
            "--ledger",
            ROOT / "conf" / "claims.yaml",
            "--results",
            made,
            "--out",
            out / "claims.json",
        ),
        "report": ("pipeline.report", "--figures", made, "--out", out / "report.html", made),
        "track": ("pipeline.track", "--init", "--uri", f"sqlite:///{out}/mlflow.db", "--done", out / "store.json"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", ["fetch", "whiten", "train", "collect", "measure", "figures", "claims", "report", "track"]
)
def test_an_interrupt_while_a_stage_starts_is_one_sentence(stage, made, tmp_path):
    out = tmp_path / "out"
    # pipeline.figures loads pandas before its main is called, and matplotlib in it
    library = "ft2font" if stage == "figures" else "_multiarray_umath"
    status, _, err = interrupted(commands(made, out)[stage], tmp_path, library)
    assert err == SENTENCE, err
    assert status == 130
    assert half_written(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 2.0, 5.0])
@pytest.mark.parametrize("stage", ["train", "measure"])
def test_an_interrupt_of_a_stage_at_work_is_one_sentence(stage, seconds, made, tmp_path):
    out = tmp_path / "out"
    status, _, err = interrupted(commands(made, out)[stage], tmp_path, "libtorch_python", seconds)
    assert err == SENTENCE, err
    assert status == 130
    assert half_written(tmp_path) == []


def test_an_interrupt_becomes_a_status_and_a_sentence(capsys):
    with pytest.raises(SystemExit) as ended, exit_on_user_error():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted: nothing half-written is left\n"
