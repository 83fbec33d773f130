"""``python -m benchmarks.mlflow_page [--runs 8000]``: how long MLflow's page of runs takes to show its first row.

A study of so many cells is logged by the lab's own code to a fresh SQLite store; ``mlflow ui`` serves it, and the
system's Chromium opens the list as it comes (studies, with their cells folded below them) and the address that logging
ends with (cells, the lowest final loss first). A study of 40 cells is opened in turn with it: what that takes is
MLflow's own. Five loads of each, after one that is not counted; medians.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

from pipeline.lab.config import Cell
from pipeline.lab.config.compose import compose_cell
from pipeline.lab.settings import Tracking
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.track.log import log_folder
from pipeline.train.cells import train_cells
from pipeline.train.data import prepared

PORT = 5077
LOADS = 5
#: Runs of a study whose pages show what MLflow's own page takes.
FEW = 40
ROWS = '[row-index="0"] a[href*="/runs/"]'


def many(count: int, folder: Path) -> None:
    """Write the tables of a study of ``count`` cells: one real cell, under as many ids and learning rates."""
    cell = Cell(compose_cell(["data=airfoil_twin", "optimizer=adam", "batch_size=32", "engine=stacked", "lr=0.01"]))
    dataset = prepared(cell.config.data, folder / "data")
    runs, curves = train_cells([cell], {dataset.name: dataset})
    rates, columns = np.geomspace(1e-4, 1, count), {"study": "many"}
    folder = folder / "many"
    folder.mkdir()
    whole = [pd.concat([table.assign(**columns)] * count, ignore_index=True) for table in (runs, curves)]
    for table, one, schema, name in zip(whole, (runs, curves), (RUNS, CURVES), ("runs", "curves"), strict=True):
        table["cell_id"] = [f"cell-{i}" for i in range(count) for _ in range(len(one))]
        if name == "runs":
            table["lr"] = np.repeat(rates, len(one))
        write_table(table, schema, folder / f"{name}.parquet")


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError):  # refused, or too busy to answer within a second
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).status == 200
    return False


@contextmanager
def served(count: int, folder: Path, port: int) -> Iterator[dict[str, str]]:
    """Log a study of so many cells and serve it; yields what its views are called, and their addresses."""
    folder.mkdir()
    many(count, folder)
    settings, started = Tracking(f"sqlite:///{folder}/mlflow.db"), time.perf_counter()
    counts = log_folder(folder / "many", settings)
    print(f"{counts} in {time.perf_counter() - started:.0f} s", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", settings.uri, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(port):
            time.sleep(0.2)
        pages = f"http://127.0.0.1:{port}"
        yield {
            f"{count} runs, the list as it comes": f"{pages}/#/experiments/1/runs?workflowType=machine_learning",
            f"{count} runs, lowest loss first": counts.address.replace(settings.pages, pages),
        }
    finally:
        server.terminate()
        server.wait()


def load(views: dict[str, str]) -> dict[str, list[float]]:
    """Seconds from the request to the first row, of each view, in a fresh browser each time, in turns."""
    found: dict[str, list[float]] = {name: [] for name in views}
    with sync_playwright() as playwright:
        for turn in range(LOADS + 1):
            for name, view in views.items():
                browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                started = time.perf_counter()
                page.goto(view)
                page.locator(ROWS).first.wait_for(timeout=120_000)
                if turn:  # the first one waits for the server's processes to import what they need
                    found[name].append(time.perf_counter() - started)
                browser.close()
    return found


def main() -> None:
    """Log, serve, load, and print a line for each view."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlflow_page", description=__doc__)
    parser.add_argument("--runs", type=int, default=8000, help="MLflow runs, one a cell")
    count = parser.parse_args().runs
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        views: dict[str, str] = {}
        for number, size in enumerate((FEW, count)):
            views |= stack.enter_context(served(size, folder / str(number), PORT + number))
        for view, seconds in load(views).items():
            print(f"{view}: {statistics.median(seconds):.2f} s of", *(f"{s:.2f}" for s in seconds))


if __name__ == "__main__":
    main()
