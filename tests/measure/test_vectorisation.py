"""All ways to multiply give the product, and the gigaflops are operations over seconds."""

import time

import numpy as np
import pytest
import torch

from pipeline.contrib.machine.figure.vectorisation import rates_of
from pipeline.contrib.machine.measurement.vectorisation import (
    _row,
    gigaflops,
    is_product,
    matrices,
    measure_cold,
    measure_methods,
    measure_sizes,
    methods,
)
from pipeline.contrib.machine.timing import interleaved
from pipeline.measure.table import schema, table_of


@pytest.mark.parametrize("name", methods())
def test_every_way_gives_the_product(name):
    B, C = matrices(12)
    way, _ = methods()[name]
    torch.testing.assert_close(way(B, C), B @ C, rtol=1e-5, atol=1e-5)


def test_a_width_that_does_not_divide_leaves_a_narrower_last_block():
    B, C = matrices(10)
    way, _ = methods([4])["block 4"]
    torch.testing.assert_close(way(B, C), B @ C, rtol=1e-5, atol=1e-5)


def test_another_matrix_is_not_the_product():
    B, C = matrices(32)
    assert is_product(B @ C, B, C)
    assert not is_product(C @ B, B, C)
    spoilt = B @ C
    spoilt[3, 4] += 1e-3
    assert not is_product(spoilt, B, C)


def test_gigaflops_count_multiplications_and_additions():
    assert gigaflops(1000, 1.0) == pytest.approx(2.0)
    assert gigaflops(256, 0.001) == pytest.approx(2 * 256**3 / 1e6)
    # the source's 2 / t is right for n = 1000 alone
    assert 2 / gigaflops(256, 1.0) == pytest.approx(59.6, abs=0.01)


def test_the_table_has_every_way_size_and_number_of_threads():
    rows = [
        *measure_cold(16),
        *measure_methods(16, 1, rounds=2, budget=0.0, blocks=[4]),
        *measure_sizes([8, 16], 1, rounds=2, budget=0.0),
    ]
    table = table_of("vectorisation", rows)
    assert list(table.columns) == schema("vectorisation").names
    assert table.equal.all()
    assert table.groupby("part").size().to_dict() == {"cold": 4, "methods": 4, "sizes": 2}
    assert table.loc[table.part == "cold", "method"].tolist() == ["element", "column", "whole", "block 4"]
    assert (table.seconds_q25 <= table.seconds).all() and (table.seconds <= table.seconds_q75).all()
    assert table.gigaflops.to_numpy() == pytest.approx((2e-9 * table.n**3 / table.seconds).to_numpy())
    assert table.printed_2_over_t.to_numpy() == pytest.approx((2 / table.seconds).to_numpy())
    assert table.printed_003_over_t.to_numpy() == pytest.approx((0.03 / table.seconds).to_numpy())


def test_a_slow_call_is_sampled_three_times_and_a_quick_one_in_every_turn():
    slow, quick = (lambda: time.sleep(0.02)), (lambda: None)
    times = interleaved({"slow": slow, "quick": quick}, rounds=5, budget=0.001)
    assert len(times["slow"]) == 3
    assert len(times["quick"]) >= 5


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    measure_methods(8, 1, rounds=1, budget=0.0, blocks=[2])
    assert torch.get_num_threads() == before


def test_error_bars_of_a_single_repeat_have_no_length_and_never_a_negative_one():
    """Quartiles and rate are of the same repeats, so no bar may point backwards, not even by a rounding."""
    times = np.random.default_rng(0).gamma(2.0, 1e-3, (500, 3))
    rows = [_row("methods", "whole", 256, 1, own, columns=None, equal=True) for own in [*times, *times[:, :1]]]
    rate, low, high = rates_of(table_of("vectorisation", rows))
    assert (low <= rate).all() and (rate <= high).all()
    assert (low[500:] == high[500:]).all()
    # What was drawn before: 2n³/t once more, which is off by a rounding for some.
    again = 2e-9 * 256**3 / times[:, 0]
    assert (again != rate[500:]).any() and again == pytest.approx(rate[500:])
    table = table_of("vectorisation", rows)
    assert low[:500] == pytest.approx([gigaflops(256, t) for t in table["seconds_q75"][:500]])
    assert high[:500] == pytest.approx([gigaflops(256, t) for t in table["seconds_q25"][:500]])
