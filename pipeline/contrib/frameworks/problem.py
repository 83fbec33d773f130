"""What every framework computes: one file that the lab writes and the scripts read.

Imports numpy and the standard library only, because the scripts run where nothing else is.
"""

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.lab.errors import UserError
from pipeline.lab.files import written_whole

_ARRAYS = ("X", "y", "w", "b", "orders", "B", "C")


@dataclass(frozen=True)
class Run:
    """One of the chapter's training runs.

    Parameters
    ----------
    name : str
        ``gd``, ``sgd``, ``minibatch 100``, ``minibatch 10`` or ``concise``.
    kind : str
        ``scratch``: the update is written by hand; ``concise``: by the framework's own optimizer.
    batch_size : int
        Examples per minibatch.
    lr : float
        Learning rate.
    epochs : int
        Passes over the data.
    intervals : list of int
        Updates between two readings of the loss.
    seen : list of int
        Examples seen at the end of each interval.
    """

    name: str
    kind: str
    batch_size: int
    lr: float
    epochs: int
    intervals: list[int]
    seen: list[int]


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, starts and orders that all frameworks share.

    Parameters
    ----------
    X : ndarray of float32, shape (n, d)
        Features.
    y : ndarray of float32, shape (n, 1)
        Targets.
    w : ndarray of float32, shape (d, 1)
        Initial weights.
    b : ndarray of float32, shape (1,)
        Initial bias.
    orders : ndarray of int64, shape (epochs, n)
        Row numbers in the order in which each epoch meets them, as many epochs as the longest run has.
    B, C : ndarray of float32, shape (m, m)
        The factors of the matrix products.
    runs : list of Run
        What to train.
    data : str
        The data set's name.
    offline_twin : bool
        Whether it is the generated stand-in.
    """

    X: NDArray[np.float32]
    y: NDArray[np.float32]
    w: NDArray[np.float32]
    b: NDArray[np.float32]
    orders: NDArray[np.int64]
    B: NDArray[np.float32]
    C: NDArray[np.float32]
    runs: list[Run]
    data: str
    offline_twin: bool


def save_problem(problem: Problem, path: Path) -> None:
    """Write a problem whole.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    spec = {
        "runs": [dataclasses.asdict(run) for run in problem.runs],
        "data": problem.data,
        "offline_twin": problem.offline_twin,
    }
    arrays: dict[str, Any] = {name: getattr(problem, name) for name in _ARRAYS}
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, spec=np.array(json.dumps(spec)), **arrays)


def load_problem(path: Path) -> Problem:
    """Read a problem.

    Raises
    ------
    UserError
        If the file is missing or is no problem.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            spec = json.loads(str(file["spec"]))
            arrays = {name: file[name] for name in _ARRAYS}
        runs = [Run(**run) for run in spec["runs"]]
        return Problem(**arrays, runs=runs, data=spec["data"], offline_twin=spec["offline_twin"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is not a problem for frameworks ({error}): prepare it again") from None
