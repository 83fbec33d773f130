"""Statistics of an epoch's seconds through either loop: slices of a tensor, and the chapter's ``DataLoader``.

Both are timed in the same measurement, with an SGD step for each minibatch and nothing else: no reading, and none of
Lightning's own work, which would weigh on a loop of few updates more than on one of many.
"""

import math
from typing import Any

from pipeline.claims.effect import Effect, product
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import CLOCK, statistic
from pipeline.claims.statistics.curves import target_ratio
from pipeline.claims.statistics.measured import measured_ratio, measured_value


@statistic(CLOCK)
def epoch_seconds_ratio(evidence: Evidence, batch_size: int, over: int, loader: str) -> Effect:
    """Seconds of an epoch of training at one batch size over those at another."""
    rows = [_where(b, loader) for b in (batch_size, over)]
    return measured_ratio(evidence, "loading", rows[0], rows[1], "training_seconds")


@statistic(CLOCK)
def seconds_to_target_ratio(evidence: Evidence, study: str, cell: str, over: str, target: float, loader: str) -> Effect:
    """Seconds until the loss is at a target, over those of another cell: epochs of the runs times a measured epoch."""
    sizes = [int(evidence.cell(study, label).runs["batch_size"].iloc[0]) for label in (cell, over)]
    examples = target_ratio(evidence, study, cell, over, "examples", target)
    if math.isnan(examples.value):
        raise NoData(f"no data: neither {cell!r} nor {over!r} gets to a loss of {target:g}")
    return product(examples, epoch_seconds_ratio(evidence, sizes[0], sizes[1], loader))


@statistic(CLOCK)
def load_share(evidence: Evidence, batch_size: int, loader: str) -> Effect:
    """Share of an epoch's seconds that is spent waiting for minibatches."""
    return measured_value(evidence, "loading", _where(batch_size, loader), "load_share")


@statistic(CLOCK)
def workers_ratio(evidence: Evidence, data: str) -> Effect:
    """Seconds of an epoch with two workers that live on and fetch two minibatches ahead, over those without."""
    plain = _where(32, "DataLoader") | {"data": data}
    workers = plain | {"workers": 2, "persistent": True, "prefetch": 2}
    return measured_ratio(evidence, "loading", workers, plain, "seconds")


def _where(batch_size: int, loader: str) -> dict[str, Any]:
    return {"data": "airfoil", "batch_size": batch_size, "loader": loader, "workers": 0}
