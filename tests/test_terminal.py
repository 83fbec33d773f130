"""What ``python -m pipeline.train`` says: at once what it trains; at the end how good, how sure, where, what next."""

import fcntl
import math
import os
import pty
import re
import shlex
import struct
import sys
import termios

import numpy as np
import pytest
from repository import ROOT

from pipeline.answer.question import read_question
from pipeline.lab.settings import Tracking
from pipeline.lab.tables import RUNS, read_table
from pipeline.track.store import open_store
from pipeline.train import command_line, terminal
from pipeline.train.__main__ import main
from tests.inputs.door import Door, complaints

SMALL = ["data=airfoil_twin", "batch_size=1500", "epochs=1", "track=false"]
#: Ends the process at the first line, with what it has imported by then.
WATCHED = """
import sys

class Watched:
    def write(self, text):
        print(text)
        print({name.partition(".")[0] for name in sys.modules})
        raise SystemExit(7)

    def flush(self):
        pass

sys.stderr = Watched()
from pipeline.train.__main__ import main
main()
"""
SLOW = {"torch", "pytorch_lightning", "mlflow", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "requests"}


@pytest.fixture
def train(tmp_path, monkeypatch, tmp_path_factory):
    """The command in this process; gives status, stdout and stderr."""
    monkeypatch.delenv("AIRFOIL_DATA", raising=False)
    door = Door(tmp_path / "cwd")

    def call(*arguments):
        given = {text.partition("=")[0] for text in arguments}
        small = [text for text in SMALL if text.partition("=")[0] not in given]
        data = f"data_dir={tmp_path_factory.getbasetemp() / 'twin_of_terminal'}"
        return door.call(main, *small, data, *arguments)

    call.folder = door.folder
    return call


def said(err, what):
    """What follows a word at the beginning of a line."""
    found = re.findall(rf"^{what}: (.*)$", err, re.MULTILINE)
    assert len(found) == 1, err
    return found[0]


def median(folder):
    """The median final loss of a folder's one cell; infinite where a run diverged."""
    runs = read_table(folder / "runs.parquet", RUNS)
    return runs.final_loss.mask(runs.status == "diverged", math.inf).median()


def test_the_first_line_is_printed_before_anything_slow_is_imported(run, tmp_path):
    done = run(sys.executable, "-c", WATCHED, "batch_size=100", "lr=0.1", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 7, done.stderr
    line, imported = done.stdout.splitlines()[:2]
    assert line == "training: sgd on airfoil, linear model, batch size 100, lr 0.1, epochs 2: 1 run, 30 updates"
    assert "hydra" in imported
    assert {name for name in SLOW if f"'{name}'" in imported} == set()


def test_a_table_is_named_before_it_is_read(run, tmp_path):
    (tmp_path / "mine.csv").write_text("x,y\n" + "\n".join(f"{i % 7},{i % 5}" for i in range(60)))
    table = ["data=table", "data.path=mine.csv", "data.target=y", "batch_size=10"]
    done = run(sys.executable, "-c", WATCHED, *table, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 7, done.stderr
    line, imported = done.stdout.splitlines()[:2]
    assert line == "training: on mine.csv, which is read first"
    assert {name for name in SLOW if f"'{name}'" in imported} == set()


def test_a_single_cell_ends_with_how_good_its_loss_is_how_sure_and_where_it_is(train, dataset):
    status, out, err = train("lr=0.5", "seeds=3", "batch_size=100", "hydra.run.dir=out")
    assert (status, complaints(err)) == (0, "")
    assert "airfoil_twin, linear model, batch size 100, lr 0.5, epochs 1: 3 runs, 45 updates" in said(err, "training")
    design = np.column_stack([np.ones(len(dataset.X)), dataset.X])
    least = np.linalg.lstsq(design, dataset.y, rcond=None)[1].item() / 2 / len(design)
    losses = read_table(train.folder / "out" / "runs.parquet", RUNS).final_loss
    loss, above = losses.median(), 100 * (losses.median() / least - 1)
    assert said(err, "found") == (
        f"loss {loss:.5f} (median of 3 seeds, {losses.min():.5f} to {losses.max():.5f}), {above:.2g} % above "
        f"{least:.5f}, the least that a linear model can reach on these data"
    )
    assert said(err, "written") == f"runs.parquet and curves.parquet in {train.folder / 'out'}"


def test_one_seed_says_nothing_of_how_sure_and_is_held_against_the_start_where_no_least_loss_is_known(train):
    err = train("model=mlp", "hydra.run.dir=out")[2]
    runs = read_table(train.folder / "out" / "runs.parquet", RUNS)
    assert said(err, "found") == (
        f"loss {runs.final_loss.item():.5f}, {runs.initial_loss.item():.5f} before the first update; "
        "one seed does not say how much it varies: add seeds=10"
    )


@pytest.mark.slow
def test_the_logged_run_of_a_cell_has_a_page(train, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    status, _, err = train("track=true", "out=out")
    assert status == 0, err
    with open_store(Tracking.read(f"sqlite:///{train.folder}/mlflow.db")) as (client, experiment):
        (run,) = client.search_runs([experiment], "tags.kind = 'cell'")
    page = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run.info.run_id}"
    assert said(err, "browse") == f"mlflow ui, then {page}"


def test_where_most_runs_diverge_there_is_no_loss(train):
    err = train("lr=30", "epochs=60", "out=out")[2]
    assert said(err, "found").startswith("no loss, because half of the runs or more diverged")


def test_a_product_ends_with_its_cells_by_rank_and_the_command_that_races_them(train):
    given = ["optimizer=sgd,adam", "lr=30,0.3,0.1", "seeds=3", "epochs=60"]
    status, out, err = train("-m", "hydra/launcher=stacked", "hydra.sweep.dir=out", *given)
    assert (status, complaints(err)) == (0, ""), err
    rows = re.findall(r"^(sgd|adam) +1500 +(\S+) +(\S+) +3 ", out, re.MULTILINE)
    folders = [train.folder / "out" / str(number) for number in range(6)]
    tables = [read_table(folder / "runs.parquet", RUNS) for folder in folders]
    medians = [median(folder) for folder in folders]
    assert math.inf in medians  # gradient descent at lr 30
    assert [shown for *_, shown in rows] == [f"{m:.5f}" if m < 10 else "∞" for m in sorted(medians)]
    by_name = {(table.optimizer[0], f"{table.lr[0]:g}"): table.set_index("seed").final_loss for table in tables}
    first, second = (by_name[row[:2]] for row in rows[:2])
    assert f"The first is better than the second with {(first < second).sum()} of 3 seeds." in out
    assert said(err, "written").endswith("out/0 and 5 more folders")
    assert "6 cells: 18 runs, 1,080 updates" in said(err, "training")
    found = re.search(r"certain that is: python -m pipeline.answer (.*)", out)
    raced = {cell.id for cell in read_question(shlex.split(found[1])).cells}
    assert raced == {table.cell_id[0] for table in tables}


def test_of_many_cells_the_first_are_shown_and_one_seed_decides_nothing(train, monkeypatch):
    monkeypatch.setattr(terminal, "SHOWN", 2)
    monkeypatch.setattr(command_line, "MANY", 3)
    _, out, err = train("-m", "hydra/launcher=stacked", "lr=0.1,0.2,0.3,0.4")
    assert err.startswith("training: 4 cells, which are checked first\ntraining: sgd on airfoil_twin, linear model, 4 ")
    assert [line.split()[2] for line in out.splitlines() if line.startswith("sgd  ")] == ["0.4", "0.3"]
    assert "and 2 more cells\nThe first is better than the second with 1 of 1 seed, which decides nothing." in out


def test_a_product_of_experiments_names_no_race_that_would_be_another(train):
    out = train("-m", "hydra/launcher=stacked", "+experiment=full_batch", "lr=0.1,0.2")[1]
    assert "pipeline.answer" not in out
    assert "The same command with more seeds says better what is best." in out


@pytest.mark.slow
def test_a_study_ends_with_the_command_that_advises(train, run):
    err = train("study=textbook", "seeds=1", "out=made/mine")[2]
    command = said(err, "next")
    assert command == "python -m pipeline.analysis.advise --study made/mine"
    done = run(sys.executable, *command.split()[1:], cwd=train.folder, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert "found" not in complaints(err)


@pytest.mark.slow
def test_progress_is_drawn_on_a_terminal_over_the_whole_product_and_nowhere_else(run, tmp_path):
    command = [sys.executable, "-m", "pipeline.train", "-m", "lr=0.01,0.02", *SMALL, "batch_size=10", "epochs=4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        os.execve(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    shown = b""
    try:
        while part := os.read(terminal, 2**16):
            shown += part
    except OSError:  # the end, on Linux
        pass
    assert os.waitpid(child, 0)[1] == 0, shown
    bars = re.findall(r"(\d+)%\|.*?/([\d.]+)k \[\d+:\d+<", shown.decode())
    assert {total for _, total in bars} == {"1.20"}
    assert {int(share) < 50 for share, _ in bars} == {True, False}
    done = run(*command, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert "%|" not in done.stdout + done.stderr
