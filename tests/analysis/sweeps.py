"""Small sweeps, as tables of runs and curves."""

import json

import numpy as np
import pandas as pd
from tables_for_tests import analysed

from pipeline.analysis.seconds import StepCosts, StepKind
from pipeline.lab.tables import CURVES, RUNS

ROWS = 1500


def config_of(optimizer, batch_size, lr, data="airfoil"):
    """The effective configuration of a cell of a sweep."""
    config = {"label": "", "data": {"name": data, "rows": ROWS}, "optimizer": {"name": optimizer}}
    config |= {"model": {"name": "linear", "weight_std": 0.01, "bias": "zeros"}, "schedule": {"name": "constant"}}
    config |= {"batch_size": batch_size, "lr": lr, "implementation": "scratch"}
    return config | {"sampling": {"name": "without_replacement"}}


def costs_of(seconds):
    """Costs of a step from (optimizer, batch size) to seconds, or to those of several processes."""
    kinds = {}
    for (optimizer, b), each in seconds.items():
        kinds.setdefault(StepKind.of(config_of(optimizer, b, 1.0)), {})[b] = list(np.atleast_1d(each))
    return StepCosts(kinds, "the measured time of a step")


def sweep_tables(
    losses, *, seeds=4, status=None, minimum=0.2417, data="airfoil", problem=None, costs=None, epochs=2, initial=0.495
):
    """Tables of a sweep.

    ``losses(optimizer, batch_size, lr, seed)`` for ``losses.grid``, a list of (optimizer, batch size, lr);
    ``status`` of the same arguments says how a run ended. A curve falls to its final loss
    geometrically, an epoch in eight readings.
    """
    runs, curves = [], []
    for optimizer, b, lr in losses.grid:
        cell_id = f"{optimizer}-b{b}-lr{lr:g}"
        config = config_of(optimizer, b, lr, data)
        for seed in range(seeds):
            ended = status(optimizer, b, lr, seed) if status else "ok"
            final = losses(optimizer, b, lr, seed)
            examples = np.arange(0, epochs * ROWS + 1, max(200, b))
            readings = final + (initial - final) * np.exp(-examples / 300)
            if ended == "diverged":
                examples, readings = examples[:2], np.array([initial, np.inf])
            if ended == "error":
                examples, readings = examples[:0], readings[:0]
            row = dict.fromkeys(RUNS.names)
            row |= {"study": "sweep", "cell_id": cell_id, "data": data, "model": "linear", "implementation": "scratch"}
            row |= {"optimizer": optimizer, "schedule": "constant", "sampling": "without_replacement", "batch_size": b}
            row |= {"lr": lr, "seed": seed, "engine": "stacked", "status": ended, "epochs": epochs, "machine": "m"}
            row |= {
                "steps": examples[-1] // b if len(examples) else 0,
                "examples": examples[-1] if len(examples) else 0,
            }
            row |= {"initial_loss": initial, "final_loss": readings[-1] if len(readings) else np.nan}
            runs.append(row | {"config": json.dumps(config)})
            curves += [
                {"study": "sweep", "cell_id": cell_id, "seed": seed, "step": e // b, "examples": e, "epoch": e / ROWS}
                | {"seconds": np.nan, "loss": reading}
                for e, reading in zip(examples, readings, strict=True)
            ]
    table = pd.DataFrame(runs, columns=RUNS.names).astype({"diverged_step": "Int64", "train_seconds": float})
    curves = pd.DataFrame(curves, columns=CURVES.names)
    return analysed(table, curves, minimum, problem, costs, kind="sweep", name="sweep")


def bowl(optimizers=("sgd", "adam"), sizes=(1, 10, 100), lrs=(0.001, 0.01, 0.1, 1.0), best=None, noise=1e-4):
    """A loss that is least at a learning rate that grows with the batch size; the same noise for the same seed."""
    best = best or (lambda optimizer, b: 0.01 * b**0.5 * (1 if optimizer == "sgd" else 2))

    def losses(optimizer, b, lr, seed):
        away = np.log10(lr / best(optimizer, b))
        return 0.243 + 0.002 * optimizers.index(optimizer) + 0.01 * away**2 + noise * seed

    losses.grid = [(o, b, lr) for o in optimizers for b in sizes for lr in lrs]
    return losses
