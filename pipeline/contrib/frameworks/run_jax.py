"""The chapter's products and runs in JAX: op by op, and compiled by ``jax.jit``, as JAX is meant to be used.

Arrays cannot be changed in place: eagerly, ``A.at[i, j].set(...)`` copies the whole of ``A``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.example_libraries import optimizers, stax
from numpy.typing import NDArray

from pipeline.contrib.frameworks.harness import BLOCK, Contender, Product, run_script, sizes
from pipeline.contrib.frameworks.problem import Problem, Run


def products(problem: Problem) -> list[Product]:
    """The four products, in both modes.

    Compiled, loops are ``lax.fori_loop``: in ``jax.jit`` a Python loop would be unrolled into 65,536 products.
    """
    B, C = jnp.array(problem.B), jnp.array(problem.C)
    n = len(problem.B)
    zeros = jnp.zeros((n, n))

    def element_step(A: Any, B: Any, C: Any, i: Any, j: Any) -> Any:
        """One element of the product."""
        return A.at[i, j].set(jnp.dot(B[i, :], C[:, j]))

    def block_step(A: Any, B: Any, C: Any, j: Any, width: int) -> Any:
        """One block of columns of the product."""
        part = lax.dynamic_slice_in_dim(C, j, width, axis=1)
        return lax.dynamic_update_slice_in_dim(A, jnp.dot(B, part), j, axis=1)

    def element(rows: int = n) -> Any:
        """Element by element, dispatched one at a time."""
        A = zeros
        for i in range(rows):
            for j in range(n):
                A = element_step(A, B, C, i, j)
        return jax.block_until_ready(A)

    def by_columns(width: int) -> Callable[[], Any]:
        """So many columns at once, dispatched one block at a time."""

        def compute() -> Any:
            """The product, block after block."""
            A = zeros
            for j in range(0, n, width):
                A = block_step(A, B, C, j, width)
            return jax.block_until_ready(A)

        return compute

    def compiled(function: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        """The same as one compiled program, waited for."""
        fast = jax.jit(function)  # B and C are arguments: a constant's product would be computed while compiling
        return lambda: jax.block_until_ready(fast(B, C))

    def loop(width: int) -> Callable[[Any, Any], Any]:
        """Columns in blocks, looped over inside the program."""
        return lambda B, C: lax.fori_loop(0, n // width, lambda k, A: block_step(A, B, C, k * width, width), zeros)

    def double_loop(B: Any, C: Any) -> Any:
        """Elements, looped over inside the program."""
        return lax.fori_loop(0, n * n, lambda k, A: element_step(A, B, C, k // n, k % n), zeros)

    return [
        Product("element", "eager", element, lambda: element(2)),
        Product("element", "compiled", compiled(double_loop)),
        Product("column", "eager", by_columns(1)),
        Product("column", "compiled", compiled(loop(1))),
        Product("whole", "eager", lambda: jax.block_until_ready(jnp.dot(B, C))),
        Product("whole", "compiled", compiled(jnp.dot)),
        Product(f"block {BLOCK}", "eager", by_columns(BLOCK)),
        Product(f"block {BLOCK}", "compiled", compiled(loop(BLOCK))),
    ]


class _Regression:
    """What both versions share."""

    params: Any

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.X, self.y = jnp.array(problem.X), jnp.array(problem.y)

    def minibatches(self, order: NDArray[np.int64], batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Permute once, then slice, in numpy: eager slices of JAX arrays would each cost more than a step."""
        X, y = self.problem.X[order], self.problem.y[order]
        start = 0
        for size in sizes(len(order), batch_size):
            yield X[start : start + size], y[start : start + size]
            start += size

    def wait(self) -> None:
        """Wait for the parameters."""
        jax.block_until_ready(self.params)


class Scratch(_Regression):
    """``jax.grad``'s gradients, an update by hand."""

    def __init__(self, problem: Problem, run: Run, compiled: bool) -> None:
        super().__init__(problem)

        def half(params: Any, X: Any, y: Any) -> Any:
            """Half the mean squared error."""
            w, b = params
            return ((jnp.dot(X, w) + b - y) ** 2 / 2).mean()

        def sgd(params: Any, X: Any, y: Any) -> Any:
            """The chapter's rule: step against the gradient."""
            return [p - run.lr * g for p, g in zip(params, jax.grad(half)(params, X, y), strict=True)]

        self.update = jax.jit(sgd) if compiled else sgd
        self.half = half

    def reset(self) -> None:
        """Start anew."""
        self.params = [jnp.array(self.problem.w), jnp.array(self.problem.b)]

    def step(self, X: Any, y: Any) -> None:
        """Update once."""
        self.params = self.update(self.params, X, y)

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(self.half(self.params, self.X, self.y))


class Concise(_Regression):
    """``stax.Dense`` and ``optimizers.sgd`` of ``jax.example_libraries``, the only ones that come with JAX."""

    def __init__(self, problem: Problem, run: Run, compiled: bool) -> None:
        super().__init__(problem)
        _, self.net = stax.Dense(1)
        self.start, update, self.read = optimizers.sgd(run.lr)

        def step(state: Any, X: Any, y: Any) -> Any:
            return update(0, jax.grad(self._half)(self.read(state), X, y), state)

        self.update = jax.jit(step) if compiled else step

    def _half(self, params: Any, X: Any, y: Any) -> Any:
        return ((self.net(params, X) - y) ** 2).mean() / 2

    def reset(self) -> None:
        """Start anew."""
        self.params = self.start((jnp.array(self.problem.w), jnp.array(self.problem.b)))

    def step(self, X: Any, y: Any) -> None:
        """Update once."""
        self.params = self.update(self.params, X, y)

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(self._half(self.read(self.params), self.X, self.y))


def contenders(problem: Problem, run: Run) -> Sequence[Contender]:
    """Both modes: eager for comparison, the step under ``jax.jit`` as it is meant."""
    version = Concise if run.kind == "concise" else Scratch
    return [
        Contender(run, "eager", lambda: version(problem, run, compiled=False)),
        Contender(run, "compiled", lambda: version(problem, run, compiled=True)),
    ]


if __name__ == "__main__":
    run_script("jax", jax.__version__, products, contenders)
