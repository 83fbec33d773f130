"""The lab's whitened table, for benchopt."""

import os
from pathlib import Path

from benchopt import BaseDataset

from pipeline.lab.dataset import load_dataset


class Dataset(BaseDataset):
    """The first 1,500 rows of the table that the environment variable ``BENCH_DATA`` names."""

    name = "airfoil"

    def get_data(self):
        """Load the arrays."""
        table = load_dataset(Path(os.environ["BENCH_DATA"]), rows=1500)
        return {"X": table.X, "y": table.y}
