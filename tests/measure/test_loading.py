"""Every loader yields every example exactly once an epoch; images come back as they were written."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pipeline.digits import INDEX, ImageDataset, write_digits
from pipeline.errors import UserError
from pipeline.measure.loading import (
    FULL,
    PLAIN,
    SHORT,
    SLICES,
    Loader,
    epochs_of,
    image_source,
    measure_loaders,
    table_of,
    table_source,
    train,
)
from pipeline.measure.schemas import SCHEMAS


@pytest.fixture
def source():
    """Fifty rows whose only feature is their number."""
    return table_source("numbers", torch.arange(50.0).unsqueeze(1), torch.zeros(50))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("images") / "digits")


@pytest.mark.parametrize(
    "loader", [SLICES, PLAIN, Loader(workers=2, persistent=True, prefetch=2), Loader(workers=1, prefetch=4)], ids=str
)
def test_every_example_once_an_epoch_in_a_new_order(source, loader):
    epoch = epochs_of(source, loader, batch_size=8)
    orders = [torch.cat([X for X, _ in epoch()]).flatten().tolist() for _ in range(2)]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert orders[0] != orders[1]


def test_the_grids_have_every_number_of_workers_and_both_baselines():
    for grid in (SHORT, FULL):
        assert {SLICES, PLAIN} <= set(grid)
        assert {loader.workers for loader in grid} == {0, 1, 2, 4}
        assert len(set(grid)) == len(grid)
    assert set(SHORT) <= set(FULL)
    assert len(FULL) == 2 + 3 * 2 * 2


def test_the_table_compares_with_no_workers_and_with_training(source):
    table = table_of(measure_loaders(source, 8, [SLICES, PLAIN], repeats=2, trained=[PLAIN]))
    assert set(table.columns) == set(SCHEMAS["loading"].names)
    assert (table.examples == 50).all()
    plain = table[table.loader == "DataLoader"].iloc[0]
    assert plain.to_plain == 1
    assert plain.load_share == pytest.approx(plain.seconds / plain.training_seconds)
    assert table.loc[table.loader == "slices", "load_share"].isna().all()


def test_training_sees_every_example_too(source):
    assert train(epochs_of(source, SLICES, 8)()) == 50


def test_images_are_the_digits(digits):
    images, labels = ImageDataset(digits).decoded()
    expected = load_digits()
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float32
    np.testing.assert_allclose(images[:, 0], expected.images / 16, atol=0.5 / 255)
    np.testing.assert_array_equal(labels, expected.target)
    one, label = ImageDataset(digits)[5]
    assert (one == images[5]).all() and label == labels[5]


def test_images_load_through_workers(digits):
    epoch = epochs_of(image_source(digits), Loader(workers=1, prefetch=2), batch_size=256)
    counts = torch.bincount(torch.cat([labels for _, labels in epoch()]))
    assert counts.tolist() == np.bincount(load_digits().target).tolist()


def test_images_that_are_there_are_left_alone(digits):
    before = (digits / INDEX).stat().st_mtime_ns
    assert write_digits(digits) == digits
    assert (digits / INDEX).stat().st_mtime_ns == before


def test_a_folder_with_something_else_in_it_is_not_replaced(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="digits cannot be written"):
        write_digits(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]
    assert (folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("a b c\n", "is not a list of images")])
def test_a_folder_without_images_is_told_in_one_line(tmp_path, content, words):
    if content is not None:
        (tmp_path / INDEX).write_text(content)
    with pytest.raises(UserError, match=words):
        ImageDataset(tmp_path)
