"""Measure a training step on one process and on two, and an all-reduce by itself.

``python -m pipeline.contrib.many_devices --out FILE`` writes the table that ``docs/many-devices.md`` quotes. It needs
no data: the examples are random numbers, and a step's cost does not depend on them. Not one of the measurements that
a plain run makes: starting processes takes most of its minute.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from numpy.typing import ArrayLike
from torch.multiprocessing.spawn import spawn

from pipeline.lab.config import Cell, compose_cell
from pipeline.lab.config.schema import TrainerConfig
from pipeline.lab.dataset import Dataset
from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.tables import write_table
from pipeline.measure.table import quartiles, schema, table_of
from pipeline.parts import models
from pipeline.train.cells import train_cells
from pipeline.train.clock import torch_threads
from pipeline.train.order import generator

#: Model and global batch sizes. 128 is the chapter's: one image on each of its 128 devices.
STEPS: dict[str, tuple[int, ...]] = {"linear": (10, 100, 1500), "mlp": (100, 1500), "cnn": (32, 128)}
#: Float32 numbers in an all-reduce, from a scalar to 16 MiB.
ELEMENTS = (1, 2**6, 2**10, 2**14, 2**17, 2**20, 2**22)
PROCESSES = (1, 2)
#: Updates in one timed run, about.
UPDATES = 150


def measure_many_devices(repeats: int = 5) -> pd.DataFrame:
    """Time steps at one process and at two, and all-reduces between two.

    Parameters
    ----------
    repeats : int
        Runs in each median of a step. All-reduces are repeated 30 times as often.

    Returns
    -------
    DataFrame
        See ``conf/measurement/many_devices.yaml``.
    """
    cells = [_cell(model, b, repeats) for model, sizes in STEPS.items() for b in sizes]
    rows = [row for processes in PROCESSES for row in _steps(cells, processes)]
    rows += _all_reduces(processes=2, repeats=30 * repeats)
    return table_of("many_devices", rows)


def _cell(model: str, batch_size: int, repeats: int) -> Cell:
    overrides = ["data=digits", "model=cnn"] if model == "cnn" else ["data=airfoil_twin", f"model={model}"]
    config = compose_cell([*overrides, f"batch_size={batch_size}", "lr=0.001", f"seeds={repeats}"])
    epochs = math.ceil(UPDATES / math.ceil(config.data.examples / batch_size))
    # One reading, at the end: the readings are outside the clock, and take longer than the steps.
    return Cell(replace(config, epochs=epochs, read_every=epochs * config.data.examples))


def _random_dataset(cell: Cell) -> Dataset:
    """As many random examples as the cell's data have, of the same shape."""
    data, random = cell.config.data, np.random.default_rng(0)
    classes = data.task == "classification"
    shape = (data.examples, 1, 8, 8) if classes else (data.examples, 5)
    y = random.integers(10, size=data.examples) if classes else random.normal(size=data.examples).astype(np.float32)
    return Dataset(data.name, random.normal(size=shape).astype(np.float32), y, (), {}, offline_twin=False)


def _steps(cells: Sequence[Cell], processes: int) -> list[dict[str, Any]]:
    shared = [replace(cell, config=replace(cell.config, trainer=TrainerConfig("cpu", processes))) for cell in cells]
    runs, _ = train_cells(shared, {cell.config.data.name: _random_dataset(cell) for cell in cells})
    rows = []
    for cell in cells:
        own = runs[runs.cell_id == cell.id]
        net = models.build(cell.config.model, _inputs(cell), generator(0, "init"))
        rows.append(
            {
                "kind": "step",
                "processes": processes,
                "model": cell.config.model.name,
                "batch_size": cell.config.batch_size,
                "bytes": sum(p.numel() * p.element_size() for p in net.parameters()),
                **_quartiles((own.train_seconds / own.steps).to_numpy()),
            }
        )
    return rows


def _inputs(cell: Cell) -> int:
    return 1 if cell.config.data.task == "classification" else 5


def _all_reduces(processes: int, repeats: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        spawn(_time_all_reduces, (processes, repeats, Path(folder)), nprocs=processes)
        times: dict[str, list[float]] = json.loads((Path(folder) / "times.json").read_text())
    return [
        {"kind": "all_reduce", "processes": processes, "model": None, "batch_size": None, "bytes": 4 * int(n)}
        | _quartiles(np.array(seconds))
        for n, seconds in times.items()
    ]


def _time_all_reduces(rank: int, processes: int, repeats: int, folder: Path) -> None:
    """What each process does; the first one writes down the times."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=processes)
    times: dict[int, list[float]] = {n: [] for n in ELEMENTS}
    with torch_threads():
        for round_number in range(repeats + 2):
            for n, seconds in times.items():
                tensor = torch.zeros(n)
                dist.barrier()
                start = time.perf_counter()
                dist.all_reduce(tensor)
                if round_number >= 2:  # the first two are warm-up
                    seconds.append(time.perf_counter() - start)
    if rank == 0:
        (folder / "times.json").write_text(json.dumps(times))
    dist.destroy_process_group()


def _quartiles(seconds: ArrayLike) -> dict[str, Any]:
    low, middle, high = quartiles(seconds)
    return {"seconds": middle, "seconds_q25": low, "seconds_q75": high, "repeats": len(np.asarray(seconds))}


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the table, print it.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.contrib.many_devices", description="Measure processes.")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes")
    parser.add_argument("--repeats", type=int, default=5, help="runs in each median (5)")
    options = parser.parse_args(arguments)
    table = measure_many_devices(options.repeats)
    write_table(table, schema("many_devices"), options.out)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
