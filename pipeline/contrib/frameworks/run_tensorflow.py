"""The chapter's products and runs in TensorFlow: op by op, as the chapter's tab does, and as ``tf.function``."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.contrib.frameworks.harness import BLOCK, Contender, Product, run_script, sizes
from pipeline.contrib.frameworks.problem import Problem, Run


def products(problem: Problem) -> list[Product]:
    """The four products, in both modes.

    Loops run over ``tf.range`` in a graph: over ``range`` they would be unrolled into 65,536 products.
    """
    B, C = tf.Variable(problem.B), tf.Variable(problem.C)
    n = len(problem.B)
    A = tf.Variable(tf.zeros((n, n)))

    def element(counter: Callable[..., Any], rows: int = n) -> None:
        """Element by element."""
        for i in counter(rows):
            for j in counter(n):
                A[i, j].assign(tf.tensordot(B[i, :], C[:, j], axes=1))

    def column(counter: Callable[..., Any]) -> None:
        """Column by column."""
        for j in counter(n):
            A[:, j].assign(tf.tensordot(B, C[:, j], axes=1))

    def whole(counter: Callable[..., Any]) -> None:
        """At once."""
        A.assign(tf.tensordot(B, C, axes=1))

    def block(counter: Callable[..., Any]) -> None:
        """In blocks of columns."""
        for j in counter(0, n, BLOCK):
            A[:, j : j + BLOCK].assign(tf.tensordot(B, C[:, j : j + BLOCK], axes=1))

    def timed(compute: Callable[..., Any], counter: Callable[..., Any]) -> Callable[[], Any]:
        """What is timed: the product, from zeros."""

        def call() -> Any:
            """Fill A anew."""
            A.assign(tf.zeros((n, n)))
            compute(counter)
            return A

        return call

    named = {"element": element, "column": column, "whole": whole, f"block {BLOCK}": block}
    made = []
    for name, compute in named.items():
        warm_up = (lambda: element(range, 2)) if compute is element else None
        made.append(Product(name, "eager", timed(compute, range), warm_up))
        made.append(Product(name, "compiled", timed(tf.function(compute), tf.range)))
    return made


class _Regression:
    """What both versions share."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.X, self.y = tf.constant(problem.X), tf.constant(problem.y)

    def minibatches(self, order: NDArray[np.int64], batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Permute once, then split."""
        parts = sizes(len(order), batch_size)
        X, y = tf.gather(self.X, order), tf.gather(self.y, order)
        return zip(tf.split(X, parts), tf.split(y, parts), strict=True)

    def wait(self) -> None:
        """Nothing to wait for: on the CPU an operation returns when it is done."""


class Scratch(_Regression):
    """The gradient tape's gradients, an update by hand."""

    def __init__(self, problem: Problem, run: Run, compiled: bool) -> None:
        super().__init__(problem)
        self.lr = run.lr
        self.w, self.b = tf.Variable(problem.w), tf.Variable(problem.b)
        self.step: Callable[[Any, Any], object] = tf.function(self._step) if compiled else self._step

    def reset(self) -> None:
        """Start anew."""
        self.w.assign(self.problem.w)
        self.b.assign(self.problem.b)

    def _step(self, X: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.math.reduce_mean((tf.matmul(X, self.w) + self.b - y) ** 2 / 2)
        for param, grad in zip((self.w, self.b), tape.gradient(loss, [self.w, self.b]), strict=True):
            param.assign_sub(self.lr * grad)

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(tf.math.reduce_mean((tf.matmul(self.X, self.w) + self.b - self.y) ** 2 / 2))


class Concise(_Regression):
    """``keras.layers.Dense``, ``MeanSquaredError`` and ``keras.optimizers.SGD``."""

    def __init__(self, problem: Problem, run: Run, compiled: bool) -> None:
        super().__init__(problem)
        self.net = tf.keras.Sequential([tf.keras.Input((problem.X.shape[1],)), tf.keras.layers.Dense(1)])
        self.optimizer = tf.keras.optimizers.SGD(learning_rate=run.lr)
        self.optimizer.build(self.net.trainable_variables)  # makes variables, which a graph must not do twice
        self.mse = tf.keras.losses.MeanSquaredError()
        self.step: Callable[[Any, Any], object] = tf.function(self._step) if compiled else self._step

    def reset(self) -> None:
        """Start anew."""
        self.net.set_weights([self.problem.w, self.problem.b])

    def _step(self, X: Any, y: Any) -> None:
        params = self.net.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.mse(y, self.net(X)) / 2  # halved, so that the gradient is that of the version from scratch
        self.optimizer.apply_gradients(zip(tape.gradient(loss, params), params, strict=True))

    def loss(self) -> float:
        """Half the mean squared error over all rows."""
        return float(self.mse(self.y, self.net(self.X)) / 2)


def contenders(problem: Problem, run: Run) -> Sequence[Contender]:
    """Both modes: the chapter's code is eager; ``tf.function`` makes a graph of the step."""
    version = Concise if run.kind == "concise" else Scratch
    return [
        Contender(run, "eager", lambda: version(problem, run, compiled=False)),
        Contender(run, "compiled", lambda: version(problem, run, compiled=True)),
    ]


if __name__ == "__main__":
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    run_script("tensorflow", tf.__version__, products, contenders)
