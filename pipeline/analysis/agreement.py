r"""Compare the measured mean loss with the one that theory expects.

The mean over the seeds of a cell is held against the expected loss at every reading. Its band is the predicted
standard deviation of one run, divided by the square root of the number of seeds.

**The rule**, fixed before any table was read: a cell agrees if at *every* reading

.. math:: |\text{mean} - \mathbb E\,L| < 4\,\text{s.e.} + \text{allowance},

where the allowance is what the prediction itself may be off: a millionth of the loss (the lab trains in single
precision), and, for one permutation an epoch, 1.5 % of the excess over the minimum, which is how good that
approximation is (``docs/theory.md``, section 5). The full batch and independent draws are exact, and get no such share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.lab.theory import Initial, Problem, Sampling, expected_loss

Array = NDArray[np.float64]

#: Standard errors within which every reading must lie.
LIMIT = 4.0
#: What the approximation for one permutation an epoch may be off, as a share of the excess.
APPROXIMATION = 0.015
#: What single precision may be off, as a share of the loss.
PRECISION = 1e-6


@dataclass(frozen=True, eq=False)
class Agreement:
    """A cell's measured mean loss beside the expected one, reading by reading.

    Parameters
    ----------
    steps, epochs : ndarray, shape (r,)
        Where the loss was read.
    measured, expected, error : ndarray, shape (r,)
        Mean over the seeds, what theory expects, and the predicted standard error of the mean.
    allowance : ndarray, shape (r,)
        What the prediction may be off.
    seeds : int
        Runs in the mean.
    exact : bool
        Whether the theory is exact for this cell: the full batch, or independent draws.
    """

    steps: NDArray[np.int64]
    epochs: Array
    measured: Array
    expected: Array
    error: Array
    allowance: Array
    seeds: int
    exact: bool

    @property
    def z(self) -> Array:
        """Deviations in standard errors; NaN where the seeds scatter less than single precision resolves, (r,)."""
        resolved = self.error * LIMIT > PRECISION * self.expected
        deviation = self.measured - self.expected
        return np.divide(deviation, self.error, out=np.full_like(deviation, np.nan), where=resolved)

    @property
    def largest_z(self) -> float:
        """The largest absolute deviation in standard errors; NaN if no reading scatters."""
        z = np.abs(self.z)
        return float(np.nanmax(z)) if np.isfinite(z).any() else float("nan")

    @property
    def agrees(self) -> bool:
        """Whether every reading obeys the rule."""
        deviation = np.abs(self.measured - self.expected)
        return bool(len(deviation)) and bool((deviation < LIMIT * self.error + self.allowance).all())


def not_predicted(config: Mapping[str, Any]) -> str | None:
    """Say why theory has no curve for a cell; None where it has one.

    Parameters
    ----------
    config : mapping
        The effective configuration of the cell.

    Returns
    -------
    str or None
        Plain SGD at a constant learning rate on the linear model and the data as they are has a curve.
    """
    expected = {"model": "linear", "optimizer": "sgd", "schedule": "constant"}
    for key, name in expected.items():
        if (found := config.get(key, {}).get("name")) != name:
            return f"{key} {found}"
    return "copied rows" if config.get("data", {}).get("copies", 1) != 1 else None


def initial_of(config: Mapping[str, Any], d: int) -> Initial:
    """Mean and covariance of the initial parameters of a linear model.

    Parameters
    ----------
    config : mapping
        The effective configuration of a cell.
    d : int
        Parameters, the bias among them.

    Returns
    -------
    Initial
        As :func:`pipeline.parts.models.linear.linear` draws them. Of the distribution only these two moments matter.
    """
    model = config.get("model", {})
    start = Initial.normal(d, float(model.get("weight_std", 0.01)))
    if model.get("bias") == "uniform":
        start.covariance[-1, -1] = 1 / (3 * (d - 1))  # of U(-a, a) with a^2 = 1 / (d - 1)
    return start


def agreement(problem: Problem, config: Mapping[str, Any], readings: pd.DataFrame) -> Agreement:
    """Hold the readings of one cell against theory.

    Parameters
    ----------
    problem : Problem
        The least squares problem that the cell was trained on.
    config : mapping
        Its effective configuration; :func:`not_predicted` of it is None.
    readings : DataFrame
        Its rows of a table of curves, see :data:`pipeline.lab.tables.CURVES`. From the first reading on that some
        seed did not reach, because it diverged, there is no mean to compare.

    Returns
    -------
    Agreement
    """
    losses = readings.set_index(["step", "seed"])["loss"].astype(float).unstack("seed")  # noqa: PD010 -- no aggregation
    complete = np.logical_and.accumulate(np.isfinite(losses.to_numpy()).all(axis=1))
    losses = losses[complete]
    steps = losses.index.to_numpy(dtype=np.int64)
    epochs = readings.drop_duplicates("step").set_index("step")["epoch"].loc[losses.index]
    batch_size, sampling = int(config["batch_size"]), cast(Sampling, config["sampling"]["name"])
    if batch_size >= problem.n and sampling == "without_replacement":
        sampling = "fresh_subset"  # the same, all examples at every step, and quicker
    exact = sampling != "without_replacement"
    start = initial_of(config, problem.d)
    last = int(steps[-1]) if len(steps) else 0
    curve = expected_loss(
        problem, start, float(config["lr"]), min(batch_size, problem.n), last, sampling=sampling, short_last=True
    )
    expected = curve.expected[steps]
    allowance = PRECISION * expected + (0.0 if exact else APPROXIMATION) * (expected - problem.minimum)
    return Agreement(
        steps=steps,
        epochs=epochs.to_numpy(dtype=float),
        measured=losses.to_numpy().mean(axis=1),
        expected=expected,
        error=curve.std[steps] / np.sqrt(losses.shape[1]),
        allowance=allowance,
        seeds=losses.shape[1],
        exact=exact,
    )
