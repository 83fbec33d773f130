"""Kernels move what they say, products do the operations per byte they must; the arithmetic is the source's."""

import numpy as np
import pytest

from pipeline.contrib.machine.figure.memory import roofs
from pipeline.contrib.machine.measurement import memory
from pipeline.measure.table import schema, table_of


@pytest.mark.parametrize("size", [4096, 2**20])
@pytest.mark.parametrize("name", memory.KERNELS)
def test_a_kernel_passes_over_its_working_set_and_says_how_many_bytes_that_is(name, size):
    call, moved = memory.KERNELS[name](size)
    passes = max(1, memory.SAMPLE_BYTES // size)
    assert passes * size * 0.99 <= moved <= passes * size
    call()


def test_the_triad_adds(monkeypatch):
    made = []
    real = memory.as_strided
    monkeypatch.setattr(memory, "as_strided", lambda *arguments: made.append(real(*arguments)) or made[-1])
    call, _ = memory.triad_kernel(4096)
    made[0][:] = 0
    call()
    np.testing.assert_array_equal(made[0], made[1] + made[2])


def test_reading_by_columns_halves_what_is_read():
    # per element of the result: a row and a column; by columns the column is read once for all of its elements
    n = 256
    element, column = memory.flops_per_byte(n, 0), memory.flops_per_byte(n, 1)
    assert column / element == pytest.approx(2, rel=0.02)
    assert memory.flops_per_byte(n, n) == pytest.approx(2 * n**3 / (4 * 3 * n * n))


def test_the_sources_arithmetic():
    peaks = memory.measure_peaks(32, 2**16, [1], rounds=1)
    numbers = {row["name"]: row["value"] for row in memory.arithmetic(peaks)}
    assert numbers["compute, source"] == pytest.approx(1.024e12)
    assert numbers["memory, source"] / numbers["compute, source"] < 0.1
    peak = next(row["value"] for row in peaks if row["unit"] == "flop/s")
    assert numbers["compute, measured"] == pytest.approx(2 * peak)


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    monkeypatch.setattr(memory, "SAMPLE_BYTES", 2**20)


@pytest.fixture
def small_table(monkeypatch):
    """Every kind of row, on a machine that tells neither its caches nor its clock."""
    monkeypatch.setattr(memory, "caches", dict)
    monkeypatch.setattr(memory, "clock_hertz", lambda: None)
    peaks = memory.measure_peaks(32, 2**16, [1], rounds=1)
    rows = [*memory.measure_bandwidth([4096, 2**16], rounds=1), *peaks, *memory.measure_products(16, rounds=1)]
    return table_of("memory", [*rows, *memory.cache_rows(), *memory.arithmetic(peaks)])


def test_the_table_has_all_kinds_of_rows_and_a_roof_where_the_machine_says_nothing(small_table):
    table = small_table
    assert set(table.columns) == set(schema("memory").names)
    assert {"bandwidth", "peak", "product", "arithmetic"} <= set(table.kind)
    assert (table.loc[table.kind == "bandwidth", "value"] > 0).all()
    assert "cache" not in set(table.kind)
    assert table.loc[table.name == "compute, clock", "value"].isna().all()
    assert list(roofs(table)) == ["memory"]
