"""Measure the chapter's seconds per epoch, the true ones, and what one garbage collection adds to both.

The chapter stops its timer at every evaluation and prints the mean of what the timer kept: the time *between
evaluations*. Gradient descent evaluates every second epoch, the others 7.5 times an epoch, so the printed numbers are
off by a factor of 2 upwards and of 7.5 downwards. And a garbage collection that happens to fall into the quickest run
outlasts all of its epochs: whether it falls there is chance, and recorded; what it costs is measured in
rounds within each process, with exactly one collection and without, so that few rounds are enough.

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

from pipeline.lab.dataset import Dataset
from pipeline.lab.paths import ROOT
from pipeline.measure.inputs import Inputs
from pipeline.measure.table import table_of

#: Rounds of full batch with and without a collection, and b 100, in each process: a quarter of a second each. One of
#: three may be disturbed.
ROUNDS = 5


def measure_epochs(
    dataset: Dataset, repeats: int, *, rounds: int = ROUNDS, through_loader: bool = False
) -> pd.DataFrame:
    """Train the chapter's runs in fresh processes, with the garbage collector on and off in turn.

    Parameters
    ----------
    dataset : Dataset
        Training examples.
    repeats : int
        Processes of either kind; each has its own seed, the same for both kinds.
    rounds : int
        Rounds in each process, after its runs; see :func:`pipeline.contrib.machine.chapter.train_rounds`.
    through_loader : bool
        Evaluate as the chapter does; see :func:`pipeline.contrib.machine.chapter.train`.

    Returns
    -------
    DataFrame
        See ``conf/measurement/epoch_metric.yaml``.
    """
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data.npy"
        np.save(data, np.column_stack([dataset.X, dataset.y]).astype(np.float32))
        rows = []
        for process in range(2 * repeats):
            options = ["--seed", str(process // 2), "--rounds", str(rounds)]
            options += ["--no-gc"] if process % 2 else []
            options += ["--through-loader"] if through_loader else []
            rows += [row | {"process": process} for row in _process(data, options)]
    return table_of("epoch_metric", rows)


def _process(data: Path, options: list[str]) -> list[dict[str, Any]]:
    """The rows of one process."""
    command = [sys.executable, "-m", "pipeline.contrib.machine.chapter", str(data), *options]
    finished = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)  # where the package is
    return [json.loads(line) for line in finished.stdout.splitlines()]


def epoch_metric(inputs: Inputs) -> pd.DataFrame:
    """Measure on the data set.

    Parameters
    ----------
    inputs : Inputs
        Needs the data.

    Returns
    -------
    DataFrame
        See ``conf/measurement/epoch_metric.yaml``.
    """
    return measure_epochs(inputs.needed_dataset(), repeats=5 if inputs.full else 2, through_loader=inputs.full)
