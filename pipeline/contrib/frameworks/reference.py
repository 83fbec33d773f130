"""The readings that a run should have, in plain numpy and float64."""

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from pipeline.contrib.frameworks.problem import Problem, Run


def reference_losses(problem: Problem, run: Run) -> NDArray[np.float64]:
    """Train with the gradient written by hand.

    Parameters
    ----------
    problem : Problem
        Data, start and orders.
    run : Run
        Batch size, learning rate and where the loss is read.

    Returns
    -------
    ndarray of float64, shape (readings,)
        Half the mean squared error over all rows: at the start, then at the end of each interval.
    """
    X = np.column_stack([problem.X, np.ones(len(problem.X))]).astype(np.float64)
    y = problem.y[:, 0].astype(np.float64)
    theta = np.append(problem.w[:, 0], problem.b).astype(np.float64)

    def loss() -> float:
        """Half the mean squared error at the parameters of now."""
        return float(np.mean((X @ theta - y) ** 2) / 2)

    starts = range(0, len(X), run.batch_size)
    batches = (order[i : i + run.batch_size] for order in problem.orders[: run.epochs] for i in starts)
    losses = [loss()]
    with np.errstate(over="ignore", invalid="ignore"):  # a run may diverge
        for steps in run.intervals:
            for rows in islice(batches, steps):
                theta -= run.lr * X[rows].T @ (X[rows] @ theta - y[rows]) / len(rows)
            losses.append(loss())
    return np.array(losses)
