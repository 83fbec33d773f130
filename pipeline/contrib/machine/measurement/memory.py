r"""Measure memory bandwidth against the size of the working set, and the roofline of the matrix products.

*Read* sums a vector; *triad* is :math:`a \leftarrow b + s c`, with two vectors read and one written. Both pass over the
same memory again and again, and the bytes are those that the program asks for (a cache that fetches a line before it
overwrites it moves more). A computation that does :math:`I` operations per byte can do no more than

.. math:: \min(\text{peak}, I \cdot \text{bandwidth})

operations a second: the roofline.

References
----------
McCalpin (1995), Memory bandwidth and machine balance in current high performance computers, IEEE TCCA Newsletter.
Williams, Waterman, Patterson (2009), Roofline: an insightful visual performance model, Communications of the ACM 52(4).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided

from pipeline.contrib.machine.measurement.vectorisation import N, by_blocks, by_column, by_element, matrices
from pipeline.contrib.machine.processor import caches, clock_hertz
from pipeline.contrib.machine.timing import interleaved, thread_counts
from pipeline.lab.machine import usable_cores
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import quartiles
from pipeline.train.clock import no_garbage_collection, torch_threads

#: Working sets in bytes, 4 KiB to 256 MiB.
SIZES = tuple(2**k for k in range(12, 29))
#: Bytes that one sample moves: small sets are passed over often enough that the call itself costs nothing.
SAMPLE_BYTES = 2**24
#: Rows and columns of the product that shows the peak: large enough to leave no idle moment.
PEAK_N = 2048

#: The source's numbers: 2 GHz, 16 cores, 32 bytes a cycle, against 100 GB/s.
SOURCE_COMPUTE = 2e9 * 16 * 32
SOURCE_MEMORY = 1e11
#: Bytes that a core takes in per cycle in the source's arithmetic.
BYTES_PER_CYCLE = 32

FLOAT = 4


def read_kernel(size: int) -> tuple[Callable[[], Any], int]:
    """Sum a vector of ``size`` bytes, several times.

    Returns
    -------
    call : callable
        Reads the vector, with no more than one number written per pass.
    moved : int
        Bytes that it reads.
    """
    length = size // FLOAT
    passes = max(1, SAMPLE_BYTES // size)
    rows = torch.ones(length).expand(passes, length)  # the same memory in every row
    return lambda: rows.sum(dim=1), passes * length * FLOAT


def triad_kernel(size: int) -> tuple[Callable[[], Any], int]:
    """Add two vectors into a third, together ``size`` bytes, several times.

    The scalar of the triad is 1, because NumPy does ``b + s c`` in two passes and ``b + c`` in one.

    Returns
    -------
    call : callable
        Reads two vectors and writes one.
    moved : int
        Bytes read and written.
    """
    length = size // FLOAT // 3
    passes = max(1, SAMPLE_BYTES // size)
    a, b, c = (as_strided(np.ones(length, np.float32), (passes, length), (0, FLOAT)) for _ in range(3))

    def call() -> None:
        """One triad over the working set, without NumPy's own buffer."""
        with np.errstate():  # which also limits what setbufsize does to this block
            np.setbufsize(16)  # the least: NumPy would copy short rows into a buffer first
            np.add(b, c, out=a)

    return call, 3 * passes * length * FLOAT


KERNELS = {"read": read_kernel, "triad": triad_kernel}


def measure_bandwidth(sizes: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Measure the bandwidth of one thread at every working set.

    Parameters
    ----------
    sizes : sequence of int
        Bytes.
    rounds : int
        Samples of each.

    Returns
    -------
    list of dict
        Rows of the table, in bytes per second.
    """
    rows = []
    with torch_threads(1), no_garbage_collection():
        for size in sizes:
            kernels = {name: make(size) for name, make in KERNELS.items()}
            times = interleaved({name: call for name, (call, _) in kernels.items()}, rounds)
            for name, (_, moved) in kernels.items():
                rows.append(_rate("bandwidth", name, 1, times[name], moved, "B/s", size_bytes=size))
    return rows


def measure_peaks(n: int, size: int, threads: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Measure the most operations a second, by a large product, and the bandwidth of the main memory, per thread count.

    Parameters
    ----------
    n : int
        Rows and columns of the product.
    size : int
        Bytes that are read: more than the caches hold.
    threads : sequence of int
        Torch threads.
    rounds : int
        Samples of each.
    """
    rows = []
    B, C = matrices(n)
    for count in threads:
        with torch_threads(count), no_garbage_collection():
            read, moved = read_kernel(size)
            times = interleaved({"product": lambda: torch.mm(B, C), "read": read}, rounds)
        rows.append(_rate("peak", "product", count, times["product"], 2 * n**3, "flop/s"))
        rows.append(_rate("peak", "read", count, times["read"], moved, "B/s", size_bytes=size))
    return rows


def flops_per_byte(n: int, columns: int) -> float:
    """Operations per byte of a product of two n x n float32 matrices, ``columns`` columns of the result at a time.

    Each piece reads the first matrix and its columns of the second, and writes its columns of the result; nothing
    stays in a cache from one piece to the next. ``columns`` 0 stands for a single element: a row and a column.

    Examples
    --------
    >>> [round(flops_per_byte(256, columns), 2) for columns in (0, 1, 64, 256)]
    [0.25, 0.5, 21.33, 42.67]
    """
    if columns == 0:
        return 2 * n / (FLOAT * (2 * n + 1))
    return 2 * n * n * columns / (FLOAT * (n * n + 2 * n * columns))


def measure_products(n: int, rounds: int) -> list[dict[str, Any]]:
    """Time the chapter's four products on one thread."""
    B, C = matrices(n)
    width = n // 4
    ways = {"element": (by_element, 0), "column": (by_column, 1), f"block {width}": (by_blocks(width), width)}
    ways["whole"] = (torch.mm, n)
    with torch_threads(1), no_garbage_collection():
        calls = {name: (lambda way=way: way(B, C)) for name, (way, _) in ways.items()}
        times = interleaved(calls, rounds, budget=0.02)
    return [
        _rate("product", name, 1, times[name], 2 * n**3, "flop/s", flops_per_byte=flops_per_byte(n, columns))
        for name, (_, columns) in ways.items()
    ]


def arithmetic(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do the source's arithmetic: bytes that the cores can take in a second, against those that memory gives.

    Parameters
    ----------
    rows : sequence of dict
        What :func:`measure_peaks` returned; the numbers for all threads are used.

    Returns
    -------
    list of dict
        The source's two numbers, and this machine's: compute from its clock as in the source, compute
        from the measured peak (a multiplication with its addition takes in 4 bytes), and memory.
    """
    threads = max(row["threads"] for row in rows)
    peak = {row["name"]: row["value"] for row in rows if row["threads"] == threads}
    hertz = clock_hertz()
    numbers = {
        "compute, source": SOURCE_COMPUTE,
        "memory, source": SOURCE_MEMORY,
        "compute, clock": None if hertz is None else hertz * usable_cores() * BYTES_PER_CYCLE,
        "compute, measured": peak["product"] / 2 * FLOAT,
        "memory, measured": peak["read"],
    }
    return [{"kind": "arithmetic", "name": name, "value": value, "unit": "B/s"} for name, value in numbers.items()]


def cache_rows() -> list[dict[str, Any]]:
    """The data caches of one core, as far as the machine tells."""
    return [
        {"kind": "cache", "name": name, "size_bytes": size, "value": float(size), "unit": "B"}
        for name, size in caches().items()
    ]


def _rate(
    kind: str, name: str, threads: int, times: Sequence[float], work: float, unit: str, **more: float
) -> dict[str, Any]:
    low, middle, high = quartiles(times)
    rates = {"value": work / middle, "q25": work / high, "q75": work / low}
    return {"kind": kind, "name": name, "threads": threads, "unit": unit, "repeats": len(times), **rates, **more}


def memory(inputs: Inputs) -> list[dict[str, Any]]:
    """Measure bandwidths, peaks and the four products.

    Parameters
    ----------
    inputs : Inputs
        Only ``full`` is read.

    Returns
    -------
    list of dict
        Rows; see ``conf/measurement/memory.yaml``.
    """
    peaks = measure_peaks(PEAK_N, SIZES[-1], thread_counts(), rounds=15 if inputs.full else 3)
    if inputs.process > 1:
        return peaks
    return [
        *measure_bandwidth(SIZES, rounds=15 if inputs.full else 3),
        *peaks,
        *measure_products(N, rounds=5 if inputs.full else 1),
        *cache_rows(),
        *arithmetic(peaks),
    ]
