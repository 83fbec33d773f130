"""What the chapter prints as seconds per epoch, what an epoch takes, and what one garbage collection does to both.

The chapter stops its timer at every evaluation and prints the mean of what the timer kept: the time *between
evaluations*. Gradient descent evaluates every second epoch, the others 7.5 times an epoch, so the printed numbers are
off by a factor of 2 upwards and of 7.5 downwards. And a garbage collection that happens to fall into the quickest run
outlasts all of its epochs.

References
----------
d2l-en, pull request 2329 (2022): ``timer.avg()`` replaced by ``timer.sum() / num_epochs``.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset import Dataset
from pipeline.measure.inputs import Inputs


def measure_epochs(dataset: Dataset, repeats: int, *, through_loader: bool = False) -> pd.DataFrame:
    """Train the chapter's runs in fresh processes, with the garbage collector on and off in turn.

    Parameters
    ----------
    dataset : Dataset
        Training examples.
    repeats : int
        Processes of either kind; each has its own seed, the same for both kinds.
    through_loader : bool
        Evaluate as the chapter does; see :func:`pipeline.measure.chapter.train`.

    Returns
    -------
    DataFrame
        See :data:`pipeline.measure.schemas.SCHEMAS`.
    """
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data.npy"
        np.save(data, np.column_stack([dataset.X, dataset.y]).astype(np.float32))
        rows = [
            row | {"garbage_collection": collecting, "process": process}
            for process in range(repeats)
            for collecting in (True, False)
            for row in _process(data, process, collecting=collecting, through_loader=through_loader)
        ]
    return pd.DataFrame(rows)


def _process(data: Path, seed: int, *, collecting: bool, through_loader: bool) -> list[dict[str, Any]]:
    """The rows of one process."""
    command = [sys.executable, "-m", "pipeline.measure.chapter", str(data), "--seed", str(seed)]
    command += [] if collecting else ["--no-gc"]
    command += ["--through-loader"] if through_loader else []
    # The package is found from any working directory.
    root = Path(__file__).resolve().parents[2]
    finished = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    return [json.loads(line) for line in finished.stdout.splitlines()]


def measure(inputs: Inputs) -> pd.DataFrame:
    """Measure on the data set.

    Parameters
    ----------
    inputs : Inputs
        Needs the data.

    Returns
    -------
    DataFrame
        See :data:`pipeline.measure.schemas.SCHEMAS`.
    """
    return measure_epochs(inputs.needed_dataset(), repeats=5 if inputs.full else 2, through_loader=inputs.full)
