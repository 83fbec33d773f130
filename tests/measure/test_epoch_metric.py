"""The chapter's protocol: where it evaluates, what it prints, and what that has to do with an epoch."""

import gc
import json

import numpy as np
import pytest
import torch

from pipeline.contrib.machine import chapter
from pipeline.contrib.machine.measurement.epoch_metric import ROUNDS, measure_epochs
from pipeline.measure.table import schema

pytestmark = pytest.mark.slow


def trained(run, dataset, **options):
    torch.manual_seed(0)
    return chapter.train(run, torch.from_numpy(dataset.X), torch.from_numpy(dataset.y), through_loader=False, **options)


@pytest.mark.parametrize(("run", "readings"), [(chapter.RUNS[0], 5), (chapter.RUNS[2], 15), (chapter.RUNS[3], 15)])
def test_it_evaluates_where_the_chapter_does(run, readings, dataset):
    row = trained(run, dataset)
    assert row["readings"] == readings
    # mean between evaluations, times evaluations, over epochs: the factor that the chapter loses
    assert row["seconds_per_epoch"] == pytest.approx(row["printed_seconds"] * readings / run.epochs)
    assert 0.2416 < row["final_loss"] < 0.27


def test_evaluating_through_the_loader_gives_the_same_loss(dataset):
    X, y = torch.from_numpy(dataset.X), torch.from_numpy(dataset.y)
    run = chapter.ChapterRun("gd", 0.5, 0, 2)
    losses = []
    for through_loader in (True, False):
        torch.manual_seed(1)
        losses.append(chapter.train(run, X, y, through_loader=through_loader)["final_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
def test_collections_are_counted_only_while_the_timer_runs():
    timer = chapter.Timer()
    collections = chapter.Collections(timer)
    gc.callbacks.append(collections)
    try:
        gc.collect()
        assert (collections.oldest, collections.seconds > 0) == (1, True)
        timer.stop()
        gc.collect()
        assert collections.oldest == 1
    finally:
        gc.callbacks.remove(collections)


def test_the_four_runs_print_a_line_each(tmp_path, dataset, capsys, monkeypatch):
    runs = tuple(chapter.ChapterRun(run.name, run.lr, run.batch_size, 2) for run in chapter.RUNS if run.batch_size != 1)
    monkeypatch.setattr(chapter, "RUNS", runs)
    np.save(tmp_path / "data.npy", np.column_stack([dataset.X, dataset.y]))
    threads = torch.get_num_threads()
    chapter.main([str(tmp_path / "data.npy")])
    torch.set_num_threads(threads)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["run"] for row in rows] == ["gd", "minibatch 100", "minibatch 10"]
    assert rows[0]["batch_size"] == 1500


@pytest.mark.slow
def test_a_round_has_exactly_one_collection_in_full_batch_and_else_none(dataset, monkeypatch):
    gd, minibatch = chapter.ChapterRun("gd", 1.0, 0, 2), chapter.ChapterRun("minibatch 100", 0.4, 100, 2)
    monkeypatch.setattr(chapter, "RUNS", (gd, minibatch))
    rows = chapter.train_rounds(torch.from_numpy(dataset.X), torch.from_numpy(dataset.y), rounds=2)
    assert [(row["run"], row["garbage_collection"], row["round"], row["collections"]) for row in rows] == [
        (name, once, number, int(once))
        for number in (0, 1)
        for name, once in (("gd", True), ("gd", False), ("minibatch 100", False))
    ]
    with_one, without, _ = rows[:3]
    assert with_one["collecting_seconds"] > without["collecting_seconds"] == 0
    assert gc.isenabled()


@pytest.mark.slow
def test_fresh_processes_with_and_without_the_collector(dataset):
    table = measure_epochs(dataset, repeats=1)
    assert set(table.columns) == set(schema("epoch_metric").names)
    runs, rounds = table[table["round"].isna()], table[table["round"].notna()]
    assert runs.groupby("garbage_collection").size().to_dict() == {False: 4, True: 4}
    assert (table.loc[~table.garbage_collection, "collections"] == 0).all()
    assert rounds.groupby("process")["round"].nunique().to_dict() == {0: ROUNDS, 1: ROUNDS}
    assert runs.groupby("garbage_collection")["process"].unique().map(list).to_dict() == {False: [1], True: [0]}
