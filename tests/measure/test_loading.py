"""Every loader yields every example exactly once an epoch; images come back as they were written."""

import pytest
import torch

from pipeline.contrib.machine.measurement import loading
from pipeline.contrib.machine.measurement.loading import (
    FULL,
    PLAIN,
    SHORT,
    SLICES,
    SLOW_ROWS,
    Loader,
    epochs_of,
    image_source,
    measure_loaders,
    slow_source,
    table_source,
    train,
)
from pipeline.measure.table import schema, table_of
from pipeline.parts.data.digits import ImageDataset, write_digits


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
    table = table_of("loading", measure_loaders(source, {8: [SLICES, PLAIN]}, repeats=2, trained=[PLAIN]))
    assert set(table.columns) == set(schema("loading").names)
    assert (table.examples == 50).all()
    plain = table[table.loader == "DataLoader"].iloc[0]
    assert plain.to_plain == 1
    assert 0 < plain.load_share < 1
    assert 0 < plain.training_seconds_q25 <= plain.training_seconds <= plain.training_seconds_q75
    assert table.loc[table.loader == "slices", "load_share"].isna().all()


def test_training_sees_every_example_too(source):
    epoch = train(epochs_of(source, SLICES, 8))
    assert epoch.examples == 50
    assert 0 < epoch.waiting < epoch.seconds


def test_workers_wait_for_slow_rows_side_by_side():
    X, y = torch.arange(256.0).reshape(256, 1), torch.arange(256.0)
    rows = slow_source(X, y)
    assert len(rows.examples) == SLOW_ROWS and len(rows.tensors()[0]) == SLOW_ROWS
    row, target = rows.examples[3]
    assert (row.item(), target.item()) == (3, 3)
    epoch = epochs_of(rows, Loader(workers=2, persistent=True, prefetch=2), batch_size=32)
    assert sorted(torch.cat([batch for batch, _ in epoch()]).flatten().tolist()) == list(range(SLOW_ROWS))


def test_images_load_through_workers(digits):
    epoch = epochs_of(image_source(digits), Loader(workers=1, prefetch=2), batch_size=256)
    counts = torch.bincount(torch.cat([labels for _, labels in epoch()]))
    assert counts.tolist() == torch.bincount(torch.tensor(ImageDataset(digits).labels)).tolist()


def test_a_quick_loader_is_timed_until_its_turn_is_over_and_the_others_once():
    source = table_source("numbers", torch.arange(50.0).unsqueeze(1), torch.zeros(50))
    rows = measure_loaders(source, {8: [SLICES, PLAIN]}, repeats=2, trained=[PLAIN], budget=0.1)
    repeats = {row["loader"]: row["repeats"] for row in rows}
    assert repeats["slices"] == 2 and repeats["DataLoader"] > 2


def test_batch_sizes_that_are_compared_take_turns(source, monkeypatch):
    timed = []
    monkeypatch.setattr(loading, "seconds_of", lambda call: timed.append(call()) or 1.0)
    monkeypatch.setattr(loading, "load", lambda batches: sum(1 for _ in batches))
    rows = measure_loaders(source, {8: [SLICES, PLAIN], 50: [SLICES]}, repeats=3)
    assert timed == [7, 7, 1] * 3  # minibatches
    assert [(row["batch_size"], row["loader"], row["repeats"]) for row in rows] == [
        (8, "slices", 3),
        (8, "DataLoader", 3),
        (50, "slices", 3),
    ]
    assert [row["to_plain"] for row in rows] == [1, 1, None]
