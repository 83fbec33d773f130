"""Tables of one study, made by hand, for the tests of the MLflow stage."""

import json
import math

import numpy as np
import pandas as pd

from pipeline.lab.tables import CURVES, RUNS, write_table


def config_of(cell_id, batch_size, label="", optimizer="momentum", **more):
    return json.dumps(
        {
            "batch_size": batch_size,
            "data": {"name": "airfoil", "rows": 1500, "sha1": "7" * 40, "sources": ["http://example.org/a.dat"]},
            "epochs": 2,
            "label": label,
            "lr": 0.05,
            "optimizer": {
                "name": optimizer,
                "hyperparams": {"momentum": 0.9},
                "torch": {"_target_": "torch.optim.SGD", "momentum": 0.8, "nesterov": True},
            },
            **more,
        },
        sort_keys=True,
    )


def one_cell(study, cell_id="a", losses=(0.3, 0.25), readings=4, *, batch_size=10, label="", data="airfoil", **columns):
    """A cell with one run a loss; inf is a diverged run, None one that failed."""
    runs, curves = [], []
    for seed, loss in enumerate(losses):
        status = "error" if loss is None else "ok" if math.isfinite(loss) else "diverged"
        steps = 0 if loss is None else 20 * (readings - 1)
        runs.append(
            {
                "study": study,
                "cell_id": cell_id,
                "data": data,
                "model": "linear",
                "implementation": "scratch",
                "optimizer": "momentum",
                "schedule": "constant",
                "sampling": "without_replacement",
                "batch_size": batch_size,
                "lr": 0.05,
                "seed": seed,
                "engine": "solo",
                "machine": "this one",
                "status": status,
                "epochs": 2,
                "steps": steps,
                "examples": 10 * steps,
                "initial_loss": 0.5,
                "final_loss": loss,
                "best_loss": None if loss is None else min(loss, 0.5),
                "train_seconds": None if loss is None else 0.5,
                "seconds_per_epoch": None if loss is None else 0.25,
                "diverged_step": steps if status == "diverged" else None,
                "config": config_of(cell_id, batch_size, label),
            }
            | columns
        )
        if loss is not None:
            values = [*np.linspace(0.5, 0.4, readings - 1), loss]
            curves += [
                (study, cell_id, seed, 20 * k, 200 * k, 0.1 * k, 0.1 * k, value) for k, value in enumerate(values)
            ]
    runs = pd.DataFrame(runs, columns=RUNS.names).astype({"diverged_step": "Int64"})
    reals = ["final_loss", "best_loss", "train_seconds", "seconds_per_epoch"]
    return runs.astype(dict.fromkeys(reals, float)), _curves(curves)


def _curves(rows):
    """A table of curves; nothing was held out."""
    names = [name for name in CURVES.names if not name.startswith("validation")]
    return pd.DataFrame(rows, columns=names).reindex(columns=CURVES.names)


def write(folder, *cells):
    """Write the tables of some cells; give the folder."""
    runs, curves = tables(*cells)
    write_table(runs, RUNS, folder / "runs.parquet")
    write_table(curves, CURVES, folder / "curves.parquet")
    return folder


def tables(*cells):
    runs, curves = zip(*cells, strict=True)
    return pd.concat(runs, ignore_index=True), pd.concat(curves, ignore_index=True)
