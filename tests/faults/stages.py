"""The stages' commands by hand, on the offline twin, and what they read."""

from pathlib import Path

from pipeline.fetch.download import fetch
from pipeline.lab.config import Cell, compose_cell, compose_data
from pipeline.lab.dataset import load_dataset
from pipeline.lab.tables import CURVES, RUNS, write_table
from pipeline.train.cells import train_cells
from pipeline.whiten.table import whiten_file
from tests.repository import ROOT

LEDGER = ROOT / "conf" / "claims.yaml"


def make_inputs(folder):
    """Write what the stages read: the twin, whitened, and the tables of one run."""
    config = compose_data(["data=airfoil_twin"])
    raw = fetch(config, folder, progress=False)
    whiten_file(raw, folder / config.file, config)
    cells = [Cell(compose_cell(["data=airfoil_twin"]))]
    runs, curves = train_cells(cells, {"airfoil_twin": load_dataset(folder / config.file, config.rows)})
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")
    (folder / "captions.json").write_text("[]")
    return folder


def commands(made, out, cell=()):
    """A command of every stage that writes to a folder.

    Parameters
    ----------
    made : Path
        As of :func:`make_inputs`.
    out : Path
        Where the commands write.
    cell : sequence of str
        Overrides of the cell that is trained.

    Returns
    -------
    dict
        A stage's name to the arguments of ``python -m``.
    """
    table = made / compose_data(["data=airfoil_twin"]).file
    train = ("data=airfoil_twin", "track=false", f"data_dir={made}", f"hydra.run.dir={out}", *cell)
    return {
        "fetch": ("pipeline.fetch", "--out", out, "data=airfoil_twin"),
        "whiten": ("pipeline.whiten", "--raw", made / "airfoil_twin.dat", "--out", out / "w", "data=airfoil_twin"),
        "digits": ("pipeline.parts.data.digits", "--out", out / "digits"),
        "train": ("pipeline.train", *train),
        "collect": ("pipeline.collect", made, "--out", out),
        "measure": ("pipeline.measure", "gradient_noise", "--data", table, "--out", out / "noise.parquet"),
        "long measure": ("pipeline.measure", "step_cost", "--data", table, "--full", "--out", out / "cost.parquet"),
        "figures": ("pipeline.figures", "--out", out, made),
        "claims": ("pipeline.claims", "--ledger", LEDGER, "--results", made, "--out", out / "claims.json"),
        "report": ("pipeline.report", "--figures", made, "--out", out / "report.html", made),
        "track": ("pipeline.track", "--init", "--uri", f"sqlite:///{out}/mlflow.db", "--done", out / "store.json"),
    }


def written(folder):
    """Every file in a folder, but for the lock of an MLflow store and Hydra's record of the configuration."""
    files = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.name != "mlflow.db.lock" and ".hydra" not in path.parts)
