"""For each statistic, tables from which it has a value that the test chooses."""

import json
from dataclasses import dataclass
from itertools import product

import pandas as pd

from pipeline.claims.evidence import Evidence
from pipeline.lab.results import StudyResults
from pipeline.measure.table import Measured

SEEDS = range(10)
DATA = {"name": "airfoil", "rows": 1500, "whiten": "standardize"}


def run_rows(label, optimizer="sgd", batch_size=10, lr=0.1, seeds=None, study="s", **columns):
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
    base |= {"model": "linear", "initial_loss": 1.0, "final_loss": 1.0, "seconds_per_epoch": 1.0}
    return [base | columns | {"seed": seed} for seed in (SEEDS if seeds is None else seeds)]


def curve_rows(label, readings, optimizer="sgd", batch_size=10, lr=0.1, seeds=None):
    """``readings``: one dict a reading, of epoch, loss and, if they matter, step, examples, seconds."""
    cell = f"{label}-{optimizer}-{batch_size}-{lr:g}"
    rows = []
    for seed in SEEDS if seeds is None else seeds:
        for i, reading in enumerate(readings):
            rows.append({"cell_id": cell, "seed": seed, "step": i, "examples": i, "epoch": i, "seconds": i} | reading)
    return rows


def study(name, runs, curves=()):
    columns = ["cell_id", "seed", "step", "examples", "epoch", "seconds", "loss"]
    results = StudyResults(pd.DataFrame(runs), pd.DataFrame(list(curves), columns=columns))
    return Evidence(studies={name: results})


@dataclass(frozen=True, eq=False)
class Above(Evidence):
    """Tables whose least loss is given, because there is no data set behind them."""

    least: float = 0.0

    def minimum(self, study):
        return self.least


def above(evidence, least=0.0):
    return Above(studies=evidence.studies, least=least)


def measurement(name, rows, twin=False):
    """What was timed, in three processes alike where the rows do not name theirs."""
    if any(row.get("repeats") and "process" not in row for row in rows):
        rows = [row | {"process": process} for process in (1, 2, 3) for row in rows]
    data = {"name": "airfoil", "rows": 1500, "offline_twin": twin}
    return Evidence(measurements={name: Measured(name, pd.DataFrame(rows), {"data": data})})


def pair(a, value, first, second, base=1.0):
    column = a.get("column", "final_loss")
    runs = run_rows(first, lr=0.1, **{column: value}) + run_rows(second, lr=0.2, **{column: base})
    return study(a["study"], runs)


def one_cell(a, readings):
    return study(a["study"], run_rows(a["cell"]), curve_rows(a["cell"], readings))


def target_ratio(a, v):
    """A reading in between is no update's own: half way down, half of the interval's cost."""
    labels = ((a["cell"], v, 0.1), (a["over"], 1.0, 0.2))
    runs = [row for label, _, lr in labels for row in run_rows(label, lr=lr)]
    curves, target = [], a["target"]
    for label, cost, lr in labels:
        first, second = ({"loss": loss, "step": step} for loss, step in ((target + 0.1, 0), (target - 0.1, 4)))
        curves += curve_rows(label, [first | {a["axis"]: 0.0}, second | {a["axis"]: 2 * cost}], lr=lr)
    return study(a["study"], runs, curves)


def loading_row(column, v, batch_size, loader, workers=0, data="airfoil"):
    where = {"data": data, "batch_size": batch_size, "loader": loader, "workers": workers, "repeats": 20}
    return where | {"persistent": workers > 0, "prefetch": 2 if workers else None} | measured_row(where, column, v)


def epoch_seconds(a, v):
    sizes = ((a["batch_size"], v), (a["over"], 1.0))
    return measurement("loading", [loading_row("training_seconds", x, b, a["loader"]) for b, x in sizes])


def seconds_to_target(a, v):
    """Half an epoch against one, so that an epoch is twice as long as the ratio of the costs."""
    cells = ((a["cell"], 10, 0.1, 750), (a["over"], 100, 0.2, 1500))
    rows, curves, losses = [], [], (a["target"] + 0.1, a["target"])
    for label, b, lr, examples in cells:
        rows += run_rows(label, batch_size=b, lr=lr)
        readings = [{"loss": loss, "examples": x} for loss, x in zip(losses, (0, examples), strict=True)]
        curves += curve_rows(label, readings, batch_size=b, lr=lr)
    timed = [loading_row("training_seconds", x, b, a["loader"]) for b, x in ((10, 2 * v), (100, 1.0))]
    both = measurement("loading", timed)
    return Evidence(studies=study(a["study"], rows, curves).studies, measurements=both.measurements)


def workers_ratio(a, v):
    rows = [loading_row("seconds", x, 32, "DataLoader", n, a["data"]) for x, n in ((v, 2), (1.0, 0))]
    return measurement("loading", rows)


def computed_over_delivered(a, v):
    """All threads are four; the other row would give another number."""
    chosen = {"one": 1.0, "all": 4.0}[a["threads"]]
    rows = []
    for threads in (1.0, 4.0):
        for name, value in (("product", v / 2 if threads == chosen else 1e3), ("read", 1.0)):
            rows.append({"kind": "peak", "name": name, "threads": threads, "value": value, "repeats": 9})
    return measurement("memory", rows)


def lr_slope(a, v):
    runs = []
    for b in (1, 4, 16, 32, 64, 256):
        for factor, loss in ((1.0, 0.2), (3.0, 0.4), (0.3, 0.4)):
            runs += run_rows("", a["optimizer"], b, b**v * factor, final_loss=loss)
    return study(a["study"], runs)


def defaults_ratio(a, v):
    runs = run_rows("", a["over"], a["batch_size"], 0.5, final_loss=3.0)
    for name, rate in a["defaults"].items():
        runs += run_rows("", name, a["batch_size"], rate, final_loss=2.0 + v if name == "sgd" else 30.0)
    return above(study(a["study"], runs), 2.0)


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
    if column in ("seconds", "load_share", "training_seconds"):
        row |= {f"{column}_q25": v, f"{column}_q75": v}
    if column == "ratio_to_independent":
        row |= dict.fromkeys(("ratio", "low", "high"), 1.0)
    return row


def measured_ratio(a, v):
    rows = [measured_row(a["row"], a["column"], v / a.get("times", 1.0)), measured_row(a["over"], a["column"], 1.0)]
    return measurement(a["measurement"], rows)


def log_slope(a, v):
    return measurement(a["measurement"], [{**a["rows"], a["x"]: x, a["y"]: x**v} for x in (1, 2, 4, 8, 16)])


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
    rows = [row | {"process": 0} for row in rows]
    for process, number in product(range(4), range(3)):
        line = {"process": process, "round": number, "garbage_collection": False}
        rows.append(line | {"run": a["run"], "seconds_per_epoch": v})
        for collected in (True, False):
            seconds = 1.0 if collected == a["collection"] else 1e3
            rows.append(line | {"run": a["over"], "garbage_collection": collected, "seconds_per_epoch": seconds})
    return measurement("epoch_metric", rows)


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


def progress(a, v):
    readings = {0.0: 2.0, a["over"]: 1.0, a["epoch"]: 1.0 - v}
    return one_cell(a, [{"epoch": epoch, "loss": loss} for epoch, loss in readings.items()])


def excess_ratio(a, v):
    readings = {0.0: 9.0, a["over"]: 5.0, a["epoch"]: 4.0 + v}
    return above(one_cell(a, [{"epoch": epoch, "loss": readings[epoch]} for epoch in sorted(readings)]), 4.0)


#: Statistic to a function of its arguments and the value it shall have.
MAKERS = {
    "run_ratio": lambda a, v: pair(a, v, a["cell"], a["over"]),
    "run_difference": lambda a, v: pair(a, 1 + v, a["cell"], a["minus"]),
    "run_gap": lambda a, v: pair(a, 1 + v, a["cell"], a["other"]),
    "final_over_initial": lambda a, v: study(a["study"], run_rows(a["cell"], final_loss=v)),
    "progress_ratio": progress,
    "loss_gap": loss_gap,
    "target_ratio": target_ratio,
    "measured_value": lambda a, v: measurement(a["measurement"], [measured_row(a["row"], a["column"], v)]),
    "measured_ratio": measured_ratio,
    "log_slope": log_slope,
    "epoch_metric_value": lambda a, v: epoch_metric(a, **{a["column"]: (v, v)}),
    "epoch_metric_ratio": epoch_metric_ratio,
    "epoch_metric_rounds": epoch_metric_rounds,
    "critical_over_noise_scale": critical,
    "lr_slope": lr_slope,
    "tuned_ratio": lambda a, v: above(
        study(a["study"], run_rows("", a["optimizer"], final_loss=3 + v) + run_rows("", a["over"], final_loss=4.0)), 3.0
    ),
    "excess_ratio": excess_ratio,
    "epoch_seconds_ratio": epoch_seconds,
    "seconds_to_target_ratio": seconds_to_target,
    "load_share": lambda a, v: measurement("loading", [loading_row("load_share", v, a["batch_size"], a["loader"])]),
    "workers_ratio": workers_ratio,
    "computed_over_delivered": computed_over_delivered,
    "defaults_ratio": defaults_ratio,
    "speedup_ratio": speedup_ratio,
    "examples_ratio": examples_ratio,
}
