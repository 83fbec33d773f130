"""Predictions of theory for the plain SGD cells of a sweep: limits, best learning rates, steps to the target.

All are of minibatches drawn anew at every step, for which theory is exact. A sweep walks one permutation an epoch,
whose noise is lower: the best rates are then a little higher, and the steps a little fewer.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.analysis.agreement import initial_of, not_predicted
from pipeline.analysis.grid import Grid
from pipeline.lab.results import StudyResults
from pipeline.lab.theory import Problem, best_lr, max_stable_lr, scaling_curve

Array = NDArray[np.float64]

#: The optimizer that the theory is about.
OPTIMIZER = "sgd"


@dataclass(frozen=True, eq=False)
class Expected:
    """Theory's answers, one for each batch size that does not exceed the number of examples.

    Parameters
    ----------
    batch_sizes : list of int, length k
        Ascending.
    stable_lr : ndarray, shape (k,)
        Largest learning rate stable in mean square.
    best_lr : ndarray, shape (k,)
        Constant learning rate of the lowest expected loss after the study's steps.
    best_loss : ndarray, shape (k,)
        That loss.
    steps : ndarray, shape (k,)
        Steps until the expected loss is at the target, at the learning rate that is first there, however many
        epochs that takes; infinite where there is no target.
    target_lr : ndarray, shape (k,)
        That learning rate; NaN where there is none.
    """

    batch_sizes: list[int]
    stable_lr: Array
    best_lr: Array
    best_loss: Array
    steps: Array
    target_lr: Array


def expected_of_sweep(problem: Problem, grid: Grid, study: StudyResults, target: float) -> Expected | None:
    """Predict what the plain SGD cells of a sweep show.

    Parameters
    ----------
    problem : Problem
        The least squares problem behind the study.
    grid : Grid
        The study as a grid.
    study : StudyResults
        The study, for the configuration of its cells.
    target : float
        The loss to reach; NaN for none.

    Returns
    -------
    Expected or None
        None where the study has no plain SGD at constant learning rates on the linear model.
    """
    own = grid.cells.iloc[grid.rows(OPTIMIZER)]
    own = own[own["batch_size"] <= problem.n]
    if own.empty:
        return None
    config = study.cells[str(own["cell_id"].iloc[0])].config
    if not_predicted(config) is not None:
        return None
    start = initial_of(config, problem.d)
    sizes = sorted({int(b) for b in own["batch_size"]})
    longest = [max(int(own.loc[own["batch_size"] == b, "steps"].max()), 1) for b in sizes]
    best = [best_lr(problem, start, b, most, sampling="fresh_subset") for b, most in zip(sizes, longest, strict=True)]
    rates, steps = np.full(len(sizes), np.nan), np.full(len(sizes), np.inf)
    if not math.isnan(target):
        rates, steps = scaling_curve(problem, start, sizes, target, sampling="fresh_subset")
    return Expected(
        batch_sizes=sizes,
        stable_lr=np.array([max_stable_lr(problem, b, sampling="fresh_subset") for b in sizes]),
        best_lr=np.array([lr for lr, _ in best]),
        best_loss=np.array([loss for _, loss in best]),
        steps=steps,
        target_lr=rates,
    )
