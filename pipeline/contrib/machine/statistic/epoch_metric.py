"""Statistics of the chapter's timer, with and without a garbage collection."""

from operator import truediv

import numpy as np
import pandas as pd

from pipeline.analysis.bootstrap import Array
from pipeline.claims.effect import Effect, geometric_mean
from pipeline.claims.evidence import Evidence, NoData
from pipeline.claims.statistics import CLOCK, statistic
from pipeline.claims.statistics.measured import matching, words_of


@statistic()
def epoch_metric_value(
    evidence: Evidence, run: str, column: str, garbage_collection: bool, rounds: bool = False
) -> Effect:
    """A count of one of the chapter's runs: the median over processes, or rounds in one, and the whole range."""
    found = _by_repeat(evidence, run, garbage_collection, rounds)[column]
    values = found.to_numpy(dtype=float)
    return Effect(
        float(np.median(values)), float(values.min()), float(values.max()), len(values), str(found.index.name)
    )


@statistic()
def epoch_metric_ratio(
    evidence: Evidence, run: str, over: str, column: str, over_column: str, garbage_collection: bool
) -> Effect:
    """A number of one of the chapter's runs over one of another, process by process: the geometric mean."""
    own, other = (_by_repeat(evidence, name, garbage_collection) for name in (run, over))
    return _mean_ratio(own[column] / other[over_column])


@statistic(CLOCK)
def epoch_metric_rounds(evidence: Evidence, run: str, over: str, collection: bool) -> Effect:
    """Seconds per epoch of a run over those of another, round by round: medians of several processes, and their mean.

    Of three rounds in a process one may be disturbed. No collection falls into the first run; one falls into the other
    if ``collection`` says so.
    """
    own, other = _by_repeat(evidence, run, False, True), _by_repeat(evidence, over, collection, True)
    seconds = (one.set_index("process", append=True)["seconds_per_epoch"] for one in (own, other))
    ratios = truediv(*seconds).dropna().groupby("process").median()
    return _mean_ratio(ratios.rename_axis("processes"))


def _by_repeat(evidence: Evidence, run: str, garbage_collection: bool, rounds: bool = False) -> pd.DataFrame:
    """The rows of a run, by process, or by round of each process."""
    table = evidence.measurement("epoch_metric")
    where = {"run": run, "garbage_collection": garbage_collection}
    repeat = "round" if rounds else "process"
    found = matching(table[table["round"].notna() == rounds], where).set_index(repeat)
    if found.empty:
        raise NoData(f"no data: epoch_metric has no row with {words_of(where)}")
    return found.rename_axis("rounds" if rounds else "processes")


def _mean_ratio(ratios: "pd.Series[float]") -> Effect:
    shared: Array = np.asarray(ratios.dropna(), dtype=np.float64)
    if not len(shared):
        raise NoData("no data: epoch_metric has no process with both runs")
    return geometric_mean(shared, str(ratios.index.name))
