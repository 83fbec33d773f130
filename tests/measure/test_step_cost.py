"""Parts add up to what the clock's hand moved, and every cell has every part."""

from itertools import count

import pytest

from pipeline.measure.step_cost import (
    PARTS,
    StampedRun,
    intervals_of_steps,
    measure_steps,
    subjects,
)
from pipeline.measure.table import schema
from pipeline.train.cells import quiet_lightning
from pipeline.train.fit import fit
from pipeline.train.solo import train_solo


def test_parts_add_up_to_the_time_that_passed(dataset):
    """A hand that moves by one at each look: every moment belongs to exactly one part."""
    hand = count()
    subject = subjects(dataset, ["sgd"], {100: 4})[0]
    with quiet_lightning():
        run = StampedRun(subject.cell, 0, dataset, now=lambda: float(next(hand)))
        fit(run, subject.cell.config.trainer, subject.intervals, None)
    run.stamp("setup")
    assert sum(run.spent.values()) == pytest.approx(float(next(hand)) - 1)
    assert all(run.spent[part] > 0 for part in PARTS)


def test_a_stamped_run_trains_as_any_other(dataset):
    subject = subjects(dataset, ["adam"], {100: 15})[0]
    with quiet_lightning():
        stamped = StampedRun(subject.cell, 0, dataset)
        ours = fit(stamped, subject.cell.config.trainer, intervals_of_steps(1500, 100, 30), None)
        other = train_solo(subject.cell, 0, dataset)
    assert ours.loss[:, 0].tolist() == other.loss[: len(ours.loss), 0].tolist()


@pytest.mark.parametrize(
    ("batch_size", "steps", "lengths"),
    [(1, 400, [200, 200]), (10, 100, [20] * 5), (100, 40, [2] * 20), (1500, 3, [1, 1, 1]), (1, 5, [200])],
)
def test_runs_are_cut_after_whole_intervals(batch_size, steps, lengths):
    intervals = intervals_of_steps(1500, batch_size, steps)
    assert intervals.lengths == lengths
    assert intervals.steps[-1] == sum(lengths)
    assert len(intervals) == len(intervals.seen) == len(lengths)


def test_torchs_own_optimizers_are_measured_and_no_others(dataset):
    configs = [subject.cell.config for subject in subjects(dataset, ["sgd", "yogi"], {10: 5})]
    found = [(config.optimizer.name, config.implementation) for config in configs]
    assert found == [("sgd", "scratch"), ("sgd", "torch"), ("yogi", "scratch")]


@pytest.mark.slow
def test_every_cell_has_every_part(dataset):
    chosen = subjects(dataset, ["sgd"], {100: 4, 1500: 2})
    chosen += subjects(dataset, ["sgd"], {100: 4}, ["model=mlp", "sampling=with_replacement"])
    table = measure_steps(chosen, rounds=1)
    cells = table.groupby(["implementation", "optimizer", "model", "data", "sampling", "batch_size"])
    assert len(cells) == 6
    assert [*table.columns, "process"] == schema("step_cost").names
    others = set(zip(table.model, table.data, table.sampling, strict=True))
    assert others == {
        ("linear", dataset.name, "without_replacement"),
        ("mlp", dataset.name, "with_replacement"),
    }
    assert (cells.part.agg(set) == {*PARTS, "step", "whole", "logging"}).all()
    wide = table.pivot_table(index=["implementation", "model", "batch_size"], columns="part", values="us_per_step")
    own = wide["data"] + wide["forward_backward"] + wide["update"]
    assert wide["step"].to_numpy() == pytest.approx(own.to_numpy())
    assert (table.microseconds > 0).all()


@pytest.mark.slow
def test_the_parts_add_up_to_the_whole(dataset):
    """Loosely, in the median over the cells: other processes may run beside a test."""
    table = measure_steps(subjects(dataset, ["sgd", "adam"], {10: 100, 100: 40}), rounds=5)
    wide = table.pivot_table(index=["implementation", "optimizer", "batch_size"], columns="part", values="us_per_step")
    assert 0.85 < (wide[list(PARTS)].sum(axis=1) / wide["whole"]).median() < 1.15
