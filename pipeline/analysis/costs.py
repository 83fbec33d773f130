"""What each run costs until its loss is at a target, between readings too."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def costs(
    curves: pd.DataFrame,
    metric: str,
    target: float,
    spent: Sequence[tuple[str, str]] = (("steps", "step"), ("examples", "examples")),
) -> pd.DataFrame:
    r"""Find what each run costs until its loss is at the target.

    The loss is read at the end of intervals. Where an interval is one update, the cost is that of the first reading at
    or below the target. Where it is several, the loss is taken to fall evenly between the readings, so that costs do
    not tie at multiples of the interval:

    .. math:: s = s_{i-1} + (s_i - s_{i-1}) \frac{L_{i-1} - L^*}{L_{i-1} - L_i}

    Parameters
    ----------
    curves : DataFrame
        Readings, as of :data:`pipeline.lab.tables.CURVES`.
    metric : str
        Its column to look at: ``loss``, ``validation_loss`` or ``validation_accuracy``.
    target : float
        The loss to reach, or the accuracy.
    spent : sequence of (str, str)
        What is spent, and its column.

    Returns
    -------
    DataFrame
        ``cell_id``, ``seed``, and what is spent: one row a run, infinite where it never gets there.
    """
    runs = ["cell_id", "seed"]
    # Of cells that failed there are no readings, and so no types.
    readings = curves.astype({"cell_id": str, "seed": int, "step": float, "examples": float, metric: float})
    readings = readings.sort_values([*runs, "step"], ignore_index=True, kind="stable")
    first = ~readings.duplicated(runs).to_numpy()
    found = readings.loc[first, runs].reset_index(drop=True)
    own, loss = np.cumsum(first) - 1, readings[metric].to_numpy()
    if metric == "validation_accuracy":  # which is better where it is higher
        loss, target = -loss, -target
    hits = np.flatnonzero(loss <= target)
    hits = hits[np.unique(own[hits], return_index=True)[1]]
    before = np.where(first[hits], hits, hits - 1)
    several = readings["step"].to_numpy()[hits] - readings["step"].to_numpy()[before] > 1
    fallen = np.where(several, loss[before] - loss[hits], 1.0)
    part = np.where(several, (loss[before] - target) / fallen, 1.0)
    for name, axis in spent:
        seen, needed = readings[axis].to_numpy(dtype=float), np.full(len(found), np.inf)
        needed[own[hits]] = seen[hits] - (1 - part) * (seen[hits] - seen[before])
        found[name] = needed
    return found
