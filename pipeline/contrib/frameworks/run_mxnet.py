"""The chapter's products and runs in MXNet, as the chapter's first tab does.

MXNet computes behind the program's back: an operation returns at once, and whoever reads the clock has to wait.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import mxnet
import numpy
from mxnet import autograd, gluon, np, npx
from numpy.typing import NDArray

from pipeline.contrib.frameworks.harness import BLOCK, Contender, Product, run_script, sizes
from pipeline.contrib.frameworks.problem import Problem, Run

npx.set_np()


def products(problem: Problem) -> list[Product]:
    """The four products."""
    B, C = np.array(problem.B), np.array(problem.C)
    n = len(problem.B)

    def element(rows: int = n) -> Any:
        """Element by element."""
        A = np.zeros((n, n))
        for i in range(rows):
            for j in range(n):
                A[i, j] = np.dot(B[i, :], C[:, j])
        return _waited(A)

    def column() -> Any:
        """Column by column."""
        A = np.zeros((n, n))
        for j in range(n):
            A[:, j] = np.dot(B, C[:, j])
        return _waited(A)

    def block() -> Any:
        """In blocks of columns."""
        A = np.zeros((n, n))
        for j in range(0, n, BLOCK):
            A[:, j : j + BLOCK] = np.dot(B, C[:, j : j + BLOCK])
        return _waited(A)

    return [
        Product("element", "eager", element, lambda: element(2)),
        Product("column", "eager", column),
        Product("whole", "eager", lambda: _waited(np.dot(B, C))),
        Product(f"block {BLOCK}", "eager", block),
    ]


def _waited(A: Any) -> Any:
    A.wait_to_read()
    return A


class _Regression:
    """What both versions share."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.X, self.y = np.array(problem.X), np.array(problem.y)

    def minibatches(self, order: NDArray[numpy.int64], batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Permute once, then slice."""
        rows = np.array(order, dtype="int64")
        X, y = self.X.take(rows, axis=0), self.y.take(rows, axis=0)
        start = 0
        for size in sizes(len(order), batch_size):
            yield X[start : start + size], y[start : start + size]
            start += size

    def wait(self) -> None:
        """Wait for all that was asked for."""
        npx.waitall()


class Scratch(_Regression):
    """Autograd's gradients, an update by hand."""

    def __init__(self, problem: Problem, run: Run) -> None:
        super().__init__(problem)
        self.lr = run.lr
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.w, self.b = np.array(self.problem.w), np.array(self.problem.b)
        self.w.attach_grad()
        self.b.attach_grad()

    def step(self, X: Any, y: Any) -> None:
        """Update once."""
        with autograd.record():
            loss = ((np.dot(X, self.w) + self.b - y) ** 2 / 2).mean()
        loss.backward()
        for p in (self.w, self.b):
            p[:] -= self.lr * p.grad

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(((np.dot(self.X, self.w) + self.b - self.y) ** 2 / 2).mean())


class Concise(_Regression):
    """``gluon.nn.Dense``, ``gluon.loss.L2Loss`` (half the square) and ``gluon.Trainer``."""

    def __init__(self, problem: Problem, run: Run, compiled: bool) -> None:
        super().__init__(problem)
        self.net = gluon.nn.Dense(1, in_units=problem.X.shape[1])
        self.net.initialize()
        self.half = gluon.loss.L2Loss()
        if compiled:
            self.net.hybridize()
            self.half.hybridize()
        self.trainer = gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": run.lr})

    def reset(self) -> None:
        """Start anew."""
        self.net.weight.set_data(np.array(self.problem.w.T))
        self.net.bias.set_data(np.array(self.problem.b))

    def step(self, X: Any, y: Any) -> None:
        """Update once; the trainer divides by the number of examples."""
        with autograd.record():
            loss = self.half(self.net(X), y)
        loss.backward()
        self.trainer.step(X.shape[0])

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(self.half(self.net(self.X), self.y).mean())


def contenders(problem: Problem, run: Run) -> Sequence[Contender]:
    """Op by op; and for blocks of Gluon hybridized, which is how MXNet compiles."""
    if run.kind == "scratch":
        return [Contender(run, "eager", lambda: Scratch(problem, run))]
    return [
        Contender(run, "eager", lambda: Concise(problem, run, compiled=False)),
        Contender(run, "compiled", lambda: Concise(problem, run, compiled=True)),
    ]


if __name__ == "__main__":
    run_script("mxnet", mxnet.__version__, products, contenders)
