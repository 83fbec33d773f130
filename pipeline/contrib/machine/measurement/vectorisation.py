r"""Time one matrix product computed in four ways, from element by element to whole.

A product of two :math:`n \times n` matrices takes :math:`n^3` multiplications and as many additions, so in
:math:`t` seconds

.. math:: \text{gigaflops} = \frac{2 n^3}{t} \cdot 10^{-9} .

The source prints :math:`2 / t`: right for :math:`n = 1000`, and too high by :math:`2 / 0.0336 = 59.6` for its
:math:`n = 256`. Since 2022 it prints :math:`0.03 / t`. Both are kept beside the true number.

References
----------
Zhang, Lipton, Li, Smola, Dive into Deep Learning, section "Minibatch Stochastic Gradient Descent".
Goto, van de Geijn (2008), Anatomy of high-performance matrix multiplication, ACM Trans. Math. Softw. 34(3).
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pipeline.contrib.machine.timing import interleaved, thread_counts
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import quartiles
from pipeline.train.clock import no_garbage_collection, torch_threads

#: The chapter's matrices.
N = 256
BLOCKS = (1, 4, 16, 64, 128, 256)
SIZES = (64, 128, 256, 512, 1024, 2048)

Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def by_element(B: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """One dot product for each element of the result."""
    A = torch.empty_like(B)
    for i in range(len(B)):
        for j in range(len(B)):
            A[i, j] = torch.dot(B[i, :], C[:, j])
    return A


def by_column(B: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
    """One product of matrix and vector for each column of the result."""
    A = torch.empty_like(B)
    for j in range(len(B)):
        A[:, j] = torch.mv(B, C[:, j])
    return A


def by_blocks(width: int) -> Product:
    """One product of matrices for each block of so many columns."""

    def product(B: torch.Tensor, C: torch.Tensor) -> torch.Tensor:
        """The product, a block of columns at a time."""
        A = torch.empty_like(B)
        for j in range(0, len(B), width):
            A[:, j : j + width] = torch.mm(B, C[:, j : j + width])
        return A

    return product


def methods(blocks: Sequence[int] = BLOCKS) -> dict[str, tuple[Product, int | None]]:
    """Name each way to multiply; with it the columns of a block, where there are blocks."""
    named: dict[str, tuple[Product, int | None]] = {"element": (by_element, None), "column": (by_column, None)}
    named |= {f"block {width}": (by_blocks(width), width) for width in blocks}
    return named | {"whole": (torch.mm, None)}


def matrices(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two normally distributed float32 matrices, the same at every call."""
    source = torch.Generator().manual_seed(n)
    return torch.randn(n, n, generator=source), torch.randn(n, n, generator=source)


def gigaflops(n: int, seconds: float) -> float:
    """Billions of operations a second in a product of two n x n matrices; an addition is an operation too."""
    return 2 * n**3 / seconds / 1e9


def is_product(A: torch.Tensor, B: torch.Tensor, C: torch.Tensor, columns: int = N) -> bool:
    """Tell whether A is B C, in some of its columns, up to the rounding of float32.

    The sum of n products of order 1 has rounding errors of order sqrt(n) times 6e-8 or less, whatever the
    order of the additions; a hundred times that is allowed.
    """
    exact = B.double() @ C[:, :columns].double()
    return torch.allclose(A[:, :columns].double(), exact, rtol=1e-5, atol=6e-6 * len(B) ** 0.5)


def measure_methods(n: int, threads: int, rounds: int, budget: float, blocks: Sequence[int]) -> list[dict[str, Any]]:
    """Time every way to multiply two n x n matrices, warm and in turn.

    Parameters
    ----------
    n : int
        Rows and columns.
    threads : int
        Torch threads.
    rounds : int
        Turns of each.
    budget : float
        Seconds of a turn.
    blocks : sequence of int
        Columns of a block.

    Returns
    -------
    list of dict
        Rows of the table.
    """
    B, C = matrices(n)
    ways = methods(blocks)
    with torch_threads(threads), no_garbage_collection():
        equal = {name: is_product(way(B, C), B, C, columns=n) for name, (way, _) in ways.items()}  # warms up, too
        calls = {name: _call(way, B, C) for name, (way, _) in ways.items()}
        times = interleaved(calls, rounds, budget, warm=False)
    return [
        _row("methods", name, n, threads, times[name], columns=width, equal=equal[name])
        for name, (_, width) in ways.items()
    ]


def measure_cold(n: int) -> list[dict[str, Any]]:
    """Time one call of each way the source has, in its order: the first ones of the process, as there."""
    B, C = matrices(n)
    ways = methods([n // 4])
    rows = []
    for name in ("element", "column", "whole", f"block {n // 4}"):
        way, width = ways[name]
        start = time.perf_counter()
        A = way(B, C)
        seconds = time.perf_counter() - start
        equal = is_product(A, B, C, columns=n)
        rows.append(_row("cold", name, n, torch.get_num_threads(), [seconds], columns=width, equal=equal))
    return rows


def measure_sizes(sizes: Sequence[int], threads: int, rounds: int, budget: float) -> list[dict[str, Any]]:
    """Time the whole product at several sizes, warm."""
    rows = []
    with torch_threads(threads), no_garbage_collection():
        for n in sizes:
            B, C = matrices(n)
            times = interleaved({"whole": _call(torch.mm, B, C)}, rounds, budget, warm=n <= 1024)
            equal = is_product(torch.mm(B, C[:, :8].contiguous()), B, C, columns=8)
            rows.append(_row("sizes", "whole", n, threads, times["whole"], columns=None, equal=equal))
    return rows


def _call(way: Product, B: torch.Tensor, C: torch.Tensor) -> Callable[[], torch.Tensor]:
    return lambda: way(B, C)


def _row(
    part: str, method: str, n: int, threads: int, times: Sequence[float], columns: int | None, equal: bool
) -> dict[str, Any]:
    low, middle, high = quartiles(times)
    return {
        "part": part,
        "method": method,
        "columns": columns,
        "n": n,
        "threads": threads,
        "repeats": len(times),
        "seconds": middle,
        "seconds_q25": low,
        "seconds_q75": high,
        "gigaflops": gigaflops(n, middle),
        "printed_2_over_t": 2 / middle,
        "printed_003_over_t": 0.03 / middle,
        "equal": equal,
    }


def vectorisation(inputs: Inputs) -> list[dict[str, Any]]:
    """Time the ways on one thread and on all, the sizes likewise, and the source's cold calls.

    Parameters
    ----------
    inputs : Inputs
        Only ``full`` is read.

    Returns
    -------
    list of dict
        Rows; see ``conf/measurement/vectorisation.yaml``.
    """
    rows = measure_cold(N)  # before anything else has multiplied
    # The claims are about one thread: many short turns, so that a slow moment falls on few samples of each way.
    rows += measure_methods(N, 1, 30 if inputs.full else 3, 0.01, BLOCKS)
    for threads in thread_counts() if inputs.process == 1 else ():
        rows += measure_methods(N, threads, 30 if inputs.full else 1, 0.03, BLOCKS) if threads > 1 else []
        rows += measure_sizes(SIZES, threads, rounds=10 if inputs.full else 2, budget=0.03)
    return rows
