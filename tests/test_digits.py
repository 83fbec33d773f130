"""The digits: files written once, minibatches the same however they are loaded, a network that reads them."""

import re
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.lab.config import Cell, compose_cell, compose_data, load_study
from pipeline.lab.errors import UserError
from pipeline.lab.tables import RUNS, read_table
from pipeline.parts.data.digits import ImageDataset, write_digits
from pipeline.parts.models.cnn import cnn
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared
from pipeline.train.order import generator
from pipeline.train.plan import can_stack
from pipeline.workflow.jobs import Jobs, part_files
from pipeline.workflow.settings import read_settings

DIGITS = ["data=digits", "model=cnn", "optimizer=adam", "batch_size=32", "lr=0.002", "read_every=1437"]


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("data") / "digits")


@pytest.fixture(scope="session")
def digits(digits_folder):
    return prepared(compose_cell(DIGITS).data, digits_folder.parent)


def cell(*overrides):
    return Cell(compose_cell([*DIGITS, *overrides]))


# -- files


def test_the_files_are_the_digits_of_scikit_learn_every_fifth_held_out(digits_folder):
    source = load_digits()
    sizes = []
    for split, rows in (("train", np.arange(1797) % 5 != 0), ("test", np.arange(1797) % 5 == 0)):
        images, labels = ImageDataset(digits_folder, split).decoded()
        assert labels.tolist() == source.target[rows].tolist()
        assert torch.equal(((images[:, 0] + 1) * 8).round().long(), torch.from_numpy(source.images[rows]).long())
        assert (images.min(), images.max()) == (-1, 1)
        sizes.append(len(labels))
    assert sizes == [1437, 360]
    with Image.open(ImageDataset(digits_folder, "test").files[0]) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (8, 8), "L")


def test_a_folder_is_written_once_and_whole(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "digits"
    monkeypatch.setattr(Image.Image, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match=r"digits cannot be written: No space left on device"):
        write_digits(folder)
    assert list(folder.parent.iterdir()) == []
    monkeypatch.undo()
    write_digits(folder)
    before = (folder / "train" / "labels.txt").stat().st_mtime_ns
    write_digits(folder)
    assert (folder / "train" / "labels.txt").stat().st_mtime_ns == before
    assert list(folder.parent.iterdir()) == [folder]


def test_what_is_no_folder_of_digits_is_refused_or_left_alone(tmp_path):
    with pytest.raises(
        UserError, match=r"labels.txt cannot be read: write it with python -m pipeline.parts.data.digits"
    ):
        ImageDataset(tmp_path, "train")
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="cannot be written"):
        write_digits(tmp_path / "digits")
    assert (tmp_path / "digits" / "mine.txt").read_text() == "mine"


# -- configuration


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data=digits"], "model=linear is not allowed with data=digits"),
        (["model=cnn"], "model=cnn is not allowed with data=airfoil"),
        ([*DIGITS, "batch_size=1438"], "batch_size=1438 is not allowed: digits has 1437"),
        ([*DIGITS, "data.rows=1438"], "data.rows=1438 is not allowed: at most data.rows_total=1437"),
        ([*DIGITS, "data.loading=lazy"], "data.loading=lazy is not allowed: choose one of per_item, tensors"),
        ([*DIGITS, "data.workers=2"], "data.workers=2 is not allowed with data.loading=tensors"),
        ([*DIGITS, "data.loading=per_item", "data.prefetch=2"], "data.prefetch=2 is not allowed with data.workers=0"),
        ([*DIGITS, "data.loading=per_item", "data.workers=-1"], "data.workers=-1 is not allowed"),
        ([*DIGITS, "model.channels=[]"], "model.channels=[] is not allowed"),
    ],
)
def test_mistakes_are_told_in_a_sentence(overrides, told):
    with pytest.raises(UserError, match=re.escape(told)):
        compose_cell(overrides)


def test_images_are_neither_fetched_nor_whitened(run, tmp_path):
    done = run(sys.executable, "-m", "pipeline.fetch", "--out", tmp_path, "data=digits", "model=cnn")
    assert (done.returncode, done.stderr) == (
        2,
        "error: data=digits is not allowed here: it is not a table, and is neither fetched nor whitened\n",
    )


def test_a_table_is_still_prepared_as_a_table(tmp_path):
    data = prepared(compose_data(["data=airfoil_twin"]), tmp_path)
    assert (data.X.shape, data.y.dtype, data.held_out) == ((1500, 5), np.float32, None)


def test_the_study_reads_its_folder_and_watches_its_code():
    class Wildcards:
        study, job = "digits", "all"

    jobs = Jobs(read_settings({}))
    assert jobs.data(Wildcards) == ["results/data/digits"]
    files = {path.name for cell in jobs.cells(Wildcards) for path in part_files(cell)}
    assert {"digits.py", "cnn.py"} <= files
    assert "digits" not in jobs.default_studies
    assert all(one.steps == 450 for one in load_study("digits").cells)


# -- training


def test_the_network_starts_from_its_seed_alone():
    config = compose_cell(DIGITS).model
    torch.manual_seed(1)
    first = cnn(config, 1, generator(0, "init"))
    torch.manual_seed(2)
    second = cnn(config, 1, generator(0, "init"))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first(torch.zeros(3, 1, 8, 8)).shape == (3, 10)
    assert first(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.slow
def test_loading_file_by_file_gives_the_same_losses(digits, digits_folder):
    loaders = [[], ["data.loading=per_item"], ["data.loading=per_item", "data.workers=1", "data.prefetch=3"]]
    loaders.append(["data.loading=per_item", "data.workers=2", "data.persistent=false"])
    cells = [cell("epochs=2", "data.rows=200", "read_every=50", *loader) for loader in loaders]
    assert len({one.id for one in cells}) == len(cells)
    few = prepared(cells[0].config.data, digits_folder.parent)
    runs, curves = train_cells(cells, {"digits": few})
    assert set(runs.status) == {"ok"}
    losses = [curves[curves.cell_id == one.id].loss.tolist() for one in cells]
    assert losses[1:] == losses[:1] * 3
    assert runs.accuracy.nunique() == 1


@pytest.mark.slow
def test_scratch_and_torch_classify_alike_and_what_cannot_be_stacked_runs_solo(digits):
    cells = [cell("epochs=1", f"implementation={name}", "engine=stacked") for name in ("scratch", "torch")]
    assert not any(can_stack(one, digits) for one in cells)
    runs, _ = train_cells(cells, {"digits": digits})
    assert runs.final_loss[0] == pytest.approx(runs.final_loss[1], rel=1e-4)
    assert set(runs.engine) == {"solo"}
    assert runs.train_seconds.isna().all()
    assert runs.initial_loss[0] == pytest.approx(np.log(10), abs=0.1)


@pytest.mark.slow
def test_ten_epochs_classify_97_of_100_held_out_digits(digits):
    runs, _ = train_cells([cell("epochs=10", "seeds=3")], {"digits": digits})
    assert (runs.accuracy >= 0.97).all()
    assert (runs.accuracy < 1).all()
    assert runs.final_loss.max() < 0.05


@pytest.mark.slow
def test_two_processes_classify_as_one_does(digits):
    one, two = (
        cell("epochs=1", "seeds=1", "optimizer=sgd", "lr=0.1"),
        cell("epochs=1", "optimizer=sgd", "lr=0.1", "trainer=ddp"),
    )
    (alone, _), (together, _) = (train_cells([each], {"digits": digits}) for each in (one, two))
    assert together.final_loss.item() == pytest.approx(alone.final_loss.item(), rel=1e-6)
    assert together.accuracy.item() == alone.accuracy.item()


@pytest.mark.slow
def test_the_command_line_prints_loss_accuracy_and_seconds(run, digits_folder, tmp_path):
    shutil.copytree(digits_folder, tmp_path / "data" / "digits")
    done = run(
        *(sys.executable, "-m", "pipeline.train", *DIGITS, "epochs=1", "track=false"),
        *(f"data_dir={tmp_path}/data", f"hydra.run.dir={tmp_path}/out"),
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"loss: \d\.\d{3}, validation loss: \d\.\d{3}, accuracy: 0\.\d{3}, \d+\.\d+ sec/epoch",
        done.stdout.splitlines()[-1],
    )
    runs = read_table(tmp_path / "out" / "runs.parquet", RUNS)
    assert runs[["data", "model", "status"]].to_numpy().tolist() == [["digits", "cnn", "ok"]]
