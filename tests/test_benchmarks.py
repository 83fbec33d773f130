"""What is timed beside the lab does the same work: it reaches the same losses."""

import numpy as np
import pytest
from repository import ROOT

from benchmarks.jax_stack import Jax
from benchmarks.stacks import check_losses


class Slowly:
    """What JAX's program does, step by step in numpy, with rates that are off by a factor."""

    def __init__(self, dataset, slip=1.0):
        self.X, self.y, self.slip = dataset.X.astype(float), dataset.y.astype(float), slip

    def ask(self, batch_size, lrs, orders, weights):
        return [
            [self.trained(np.array(start), [epoch[seed] for epoch in orders], batch_size, lr) for lr in lrs]
            for seed, start in enumerate(weights)
        ]

    def trained(self, w, orders, batch_size, lr):
        b = 0.0
        for order in orders:
            for i in range(0, len(order), batch_size):
                rows = order[i : i + batch_size]
                residual = self.X[rows] @ w + b - self.y[rows]
                w = w - self.slip * lr * residual @ self.X[rows] / len(rows)
                b = b - self.slip * lr * residual.mean()
        return ((self.X @ w + b - self.y) ** 2).mean() / 2


@pytest.mark.parametrize("batch_size", [pytest.param(1, marks=pytest.mark.slow), 100])
def test_a_contender_has_the_losses_of_the_lab_or_is_refused(dataset, batch_size):
    assert check_losses(Slowly(dataset), dataset, batch_size) <= 1e-4
    with pytest.raises(RuntimeError, match="JAX's losses are .* away from the lab's"):
        check_losses(Slowly(dataset, slip=1.1), dataset, batch_size)


@pytest.mark.slow
def test_a_stack_in_jax_has_the_losses_of_the_lab_and_is_timed(dataset):
    python = ROOT / ".frameworks" / "jax" / "bin" / "python"
    if not python.exists():
        pytest.skip("the environment of JAX is not made; `make bench` makes it")
    jax = Jax(python, dataset.X, dataset.y)
    for batch_size in (1, 100):
        assert check_losses(jax, dataset, batch_size) <= 1e-4
        assert jax.timing(batch_size, [0.001, 0.01], 3, 2)() > 0
    jax.close()
