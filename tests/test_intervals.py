"""Where the loss is read: after every further 200 examples, and at the end of the run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.train.intervals import Intervals


def readings_one_by_one(examples, batch_size, epochs, read_every):
    """The same rule written as a walk over single examples: (step, examples seen) of every reading."""
    readings, step, seen, last = [], 0, 0, 0
    for _ in range(epochs):
        for example in range(examples):
            seen += 1
            if (example + 1) % batch_size == 0 or example + 1 == examples:
                step += 1
                if seen >= last + read_every:
                    readings.append((step, seen))
                    last = seen
    if not readings or readings[-1][0] < step:
        readings.append((step, seen))
    return readings


sizes = st.tuples(st.integers(1, 60), st.integers(1, 70), st.integers(1, 4), st.integers(1, 90))


@given(sizes)
def test_readings_fall_where_a_walk_over_single_examples_puts_them(size):
    intervals = Intervals(*size)
    assert list(zip(intervals.steps, intervals.seen, strict=True)) == readings_one_by_one(*size)


@given(sizes)
def test_the_lengths_of_the_intervals_add_up_to_their_steps(size):
    intervals = Intervals(*size)
    total, totals = 0, []
    for length in intervals:
        total += length
        totals.append(total)
    assert totals == intervals.steps
    assert len(intervals) == len(totals)
    assert min(intervals) >= 1


@given(sizes)
def test_the_last_reading_is_at_the_last_step_and_the_last_example(size):
    examples, batch_size, epochs, _ = size
    intervals = Intervals(*size)
    assert intervals.steps[-1] == epochs * -(-examples // batch_size)
    assert intervals.seen[-1] == epochs * examples


@pytest.mark.parametrize(("batch_size", "readings"), [(1, 15), (10, 15), (100, 15), (1500, 2)])
def test_the_chapters_runs_of_two_epochs_are_read_as_often_as_the_chapter_plots_them(batch_size, readings):
    assert len(Intervals(1500, batch_size, 2, 200)) == readings


def test_a_batch_larger_than_the_interval_is_read_after_every_step():
    assert Intervals(1500, 750, 2, 200).steps == [1, 2, 3, 4]


def test_a_short_last_batch_counts_what_it_holds():
    assert Intervals(10, 4, 2, 1).seen == [4, 8, 10, 14, 18, 20]
