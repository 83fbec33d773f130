"""For each statistic, tables from which it has a value that the test chooses."""

import json

import numpy as np
import pandas as pd

from pipeline.claims.evidence import Evidence
from pipeline.lab.results import StudyResults
from pipeline.measure.table import Measured

SEEDS = range(10)
DATA = {"name": "airfoil", "rows": 1500, "whiten": "standardize"}


def run_rows(label, optimizer="sgd", batch_size=10, lr=0.1, seeds=SEEDS, study="s", **columns):
    config = {"label": label, "optimizer": {"name": optimizer}, "batch_size": batch_size, "lr": lr, "data": DATA}
    base = {"study": study, "cell_id": f"{label}-{optimizer}-{batch_size}-{lr:g}", "data": "airfoil", "status": "ok"}
    base |= {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "lr": lr,
        "epochs": 1,
        "steps": 20,
        "config": json.dumps(config),
    }
    base |= {"initial_loss": 1.0, "final_loss": 1.0, "seconds_per_epoch": 1.0}
    return [base | columns | {"seed": seed} for seed in seeds]


def curve_rows(label, readings, optimizer="sgd", batch_size=10, lr=0.1, seeds=SEEDS):
    """``readings``: one dict a reading, of epoch, loss and, if they matter, step, examples, seconds."""
    cell = f"{label}-{optimizer}-{batch_size}-{lr:g}"
    rows = []
    for seed in seeds:
        for i, reading in enumerate(readings):
            rows.append({"cell_id": cell, "seed": seed, "step": i, "examples": i, "epoch": i, "seconds": i} | reading)
    return rows


def study(name, runs, curves=()):
    columns = ["cell_id", "seed", "step", "examples", "epoch", "seconds", "loss"]
    results = StudyResults(pd.DataFrame(runs), pd.DataFrame(list(curves), columns=columns))
    return Evidence(studies={name: results})


def with_table(name, table, runs):
    """A study and the whitened table that it was trained on."""
    return Evidence(studies=study(name, runs).studies, tables={name: table})


def measurement(name, rows, twin=False):
    data = {"name": "airfoil", "rows": 1500, "offline_twin": twin}
    return Evidence(measurements={name: Measured(name, pd.DataFrame(rows), {"data": data})})


def pair(a, value, first, second, base=1.0):
    column = a.get("column", "final_loss")
    runs = run_rows(first, lr=0.1, **{column: value}) + run_rows(second, lr=0.2, **{column: base})
    return study(a["study"], runs)


def one_cell(a, readings):
    return study(a["study"], run_rows(a["cell"]), curve_rows(a["cell"], readings))


def target_ratio(a, v):
    labels = ((a["cell"], v, 0.1), (a["over"], 1.0, 0.2))
    runs = [row for label, _, lr in labels for row in run_rows(label, lr=lr)]
    curves = []
    for label, cost, lr in labels:
        curves += curve_rows(label, [{"loss": 0.5, a["axis"]: 0.0}, {"loss": 0.2, a["axis"]: cost}], lr=lr)
    return study(a["study"], runs, curves)


def share_of_readings(a, v):
    inside = round(100 * v)
    middle = (a["low"] + a["high"]) / 2
    readings = [{"loss": 1.0}] + [{"loss": 1.0, a["column"]: middle if i < inside else 1e9} for i in range(100)]
    runs = [row for cell in a["cells"] for row in run_rows(cell)]
    return study(a["study"], runs, [row for cell in a["cells"] for row in curve_rows(cell, readings)])


def lr_slope(a, v):
    runs = []
    for b in (1, 4, 16, 32, 64, 256):
        for factor, loss in ((1.0, 0.2), (3.0, 0.4), (0.3, 0.4)):
            runs += run_rows("", a["optimizer"], b, b**v * factor, final_loss=loss)
    return study(a["study"], runs)


def defaults_ratio(a, v):
    runs = run_rows("", a["over"], a["batch_size"], 0.5, final_loss=1.0)
    for name, rate in a["defaults"].items():
        runs += run_rows("", name, a["batch_size"], rate, final_loss=v if name == "sgd" else 10.0)
    return study(a["study"], runs)


def speedup_ratio(a, v):
    runs, curves = [], []
    for optimizer, size, steps in (
        (a["optimizer"], a["small"], 100 * v),
        (a["optimizer"], a["large"], 100),
        (a["over"], a["small"], 100),
        (a["over"], a["large"], 100),
    ):
        runs += run_rows("", optimizer, size, final_loss=0.2)
        curves += curve_rows("", [{"loss": 1.0, "step": 0}, {"loss": 0.2, "step": steps}], optimizer, size)
    return study(a["study"], runs, curves)


def examples_ratio(a, v):
    runs, curves = [], []
    for size, steps in ((a["batch_size"], 6000 * v / a["batch_size"]), (a["over"], 6000 / a["over"])):
        runs += run_rows("", a["optimizer"], size, final_loss=0.2)
        curves += curve_rows("", [{"loss": 1.0, "step": 0}, {"loss": 0.2, "step": steps}], a["optimizer"], size)
    return study(a["study"], runs, curves)


def loss_gap(a, v):
    """The losses differ by v at the epoch, and by much more before and after it."""
    runs = run_rows(a["cell"], lr=0.1) + run_rows(a["other"], lr=0.2)
    at = (a["epoch"] - 1, a["epoch"], a["epoch"] + 1)
    curves = curve_rows(a["cell"], [{"epoch": e, "loss": loss} for e, loss in zip(at, (9, 1 + v, 9), strict=True)])
    curves += curve_rows(a["other"], [{"epoch": e, "loss": 1.0} for e in at], lr=0.2)
    return study(a["study"], runs, curves)


def measured_row(where, column, v):
    row = {**where, "repeats": 20, column: v}
    if column == "gigaflops":
        row |= dict.fromkeys(("seconds", "seconds_q25", "seconds_q75"), 1 / v)
    if column in ("seconds", "load_share"):
        row |= {f"{column}_q25": v, f"{column}_q75": v}
    if column == "ratio_to_independent":
        row |= dict.fromkeys(("ratio", "low", "high"), 1.0)
    return row


def measured_ratio(a, v):
    rows = [measured_row(a["row"], a["column"], v / a.get("times", 1.0)), measured_row(a["over"], a["column"], 1.0)]
    return measurement(a["measurement"], rows)


def log_slope(a, v):
    return measurement(a["measurement"], [{**a["rows"], a["x"]: x, a["y"]: x**v} for x in (1, 2, 4, 8, 16)])


def gain_ratio(a, v):
    saved = {a["over"]: a["over"] * 1.0, a["batch_size"]: a["batch_size"] * v}
    sizes = dict.fromkeys(saved, 5.0) | {2 * b: 5.0 - saving for b, saving in saved.items()}
    ones = dict.fromkeys(("ratio", "low", "high"), 1.0)
    rows = [{**a["rows"], "batch_size": b, "predicted": s, "minibatches": 9, **ones} for b, s in sizes.items()]
    return measurement("gradient_noise", rows)


def epoch_metric(a, **columns):
    """Three processes of the run, and of the one it is compared with, or as many rounds; columns are (own, other)."""
    rows = []
    for repeat in range(3):
        for place, run in enumerate(dict.fromkeys((a["run"], a.get("over", "other")))):
            line = {"run": run, "garbage_collection": a["garbage_collection"], "process": repeat, "round": None}
            line |= {"process": 0, "round": repeat} if a.get("rounds") else {}
            rows.append(line | {name: values[place] for name, values in columns.items()})
    return measurement("epoch_metric", rows)


def epoch_metric_rounds(a, v):
    """Beside the rounds that count, a process and rounds of the other kind that do not."""
    rows = [{"run": run, "garbage_collection": False, "round": None, "seconds_per_epoch": 9.0} for run in a.values()]
    for number in range(3):
        rows.append({"run": a["run"], "garbage_collection": False, "round": number, "seconds_per_epoch": v})
        for collected in (True, False):
            seconds = 1.0 if collected == a["collection"] else 1e3
            rows.append(
                {"run": a["over"], "garbage_collection": collected, "round": number, "seconds_per_epoch": seconds}
            )
    return measurement("epoch_metric", [row | {"process": 0} for row in rows])


def epoch_metric_ratio(a, v):
    if a["run"] == a["over"]:
        return epoch_metric(a, **{a["column"]: (v, v), a["over_column"]: (1.0, 1.0)})
    return epoch_metric(a, **{a["column"]: (v, 1.0)})


def critical(a, v):
    rows = [{"kind": "critical", "run": a["target"], "excess": 0.1, "value": v, "low": v, "high": v}]
    rows += [
        {"kind": "training", "run": a["run"], "excess": x, "value": 1.0, "low": 1.0, "high": 1.0} for x in (0.01, 1.0)
    ]
    return measurement("noise_scale", rows)


def moment_error(a, v):
    values = np.random.default_rng(0).normal(size=(1503, 3))
    first = values[: a["rows"]]
    values = (values - first.mean(axis=0)) / first.std(axis=0) + v
    return with_table(a["study"], pd.DataFrame(values), run_rows("gd"))


def zero_model(a, v):
    table = pd.DataFrame({"x": 0.0, "y": np.full(1503, 2**0.5)})
    return with_table(a["study"], table, run_rows(a["cell"], initial_loss=v))


def progress(a, v):
    readings = {0.0: 2.0, a["over"]: 1.0, a["epoch"]: 1.0 - v}
    return one_cell(a, [{"epoch": epoch, "loss": loss} for epoch, loss in readings.items()])


def loss_ratio(a, v):
    readings = {0.0: 2.0, a["over"]: 1.0, a["epoch"]: v}
    return one_cell(a, [{"epoch": epoch, "loss": loss} for epoch, loss in readings.items()])


#: Statistic to a function of its arguments and the value it shall have.
MAKERS = {
    "run_ratio": lambda a, v: pair(a, v, a["cell"], a["over"]),
    "run_difference": lambda a, v: pair(a, 1 + v, a["cell"], a["minus"]),
    "run_gap": lambda a, v: pair(a, 1 + v, a["cell"], a["other"]),
    "final_over_initial": lambda a, v: study(a["study"], run_rows(a["cell"], final_loss=v)),
    "updates_per_epoch": lambda a, v: study(
        a["study"], run_rows(a.get("cell", ""), batch_size=a.get("batch_size", 10), steps=v)
    ),
    "surplus_updates": lambda a, v: study(a["study"], run_rows("", batch_size=1500, steps=1 + v)),
    "initial_over_zero_model": zero_model,
    "moment_error": moment_error,
    "loss_ratio": loss_ratio,
    "progress_ratio": progress,
    "loss_gap": loss_gap,
    "target_ratio": target_ratio,
    "share_of_readings": share_of_readings,
    "measured_value": lambda a, v: measurement(a["measurement"], [measured_row(a["row"], a["column"], v)]),
    "measured_ratio": measured_ratio,
    "log_slope": log_slope,
    "gain_ratio": gain_ratio,
    "epoch_metric_value": lambda a, v: epoch_metric(a, **{a["column"]: (v, v)}),
    "epoch_metric_ratio": epoch_metric_ratio,
    "epoch_metric_rounds": epoch_metric_rounds,
    "epoch_metric_distortion": lambda a, v: epoch_metric(a, printed_seconds=(v, 1.0), seconds_per_epoch=(1.0, 1.0)),
    "critical_over_noise_scale": critical,
    "lr_slope": lr_slope,
    "tuned_ratio": lambda a, v: study(
        a["study"], run_rows("", a["optimizer"], final_loss=v) + run_rows("", a["over"], final_loss=1.0)
    ),
    "defaults_ratio": defaults_ratio,
    "speedup_ratio": speedup_ratio,
    "examples_ratio": examples_ratio,
}
