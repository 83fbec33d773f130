"""Statistics of how much a processor computes and how much its memory delivers."""

from pipeline.claims.effect import Effect
from pipeline.claims.evidence import Evidence
from pipeline.claims.statistics import CLOCK, statistic
from pipeline.claims.statistics.measured import matching, measured_ratio

#: A multiplication and an addition, two operations, take in one number of four bytes.
_BYTES = 2


@statistic(CLOCK)
def computed_over_delivered(evidence: Evidence, threads: str) -> Effect:
    """Bytes a second that products of matrices take in, over those that memory delivers, on ``one`` thread or ``all``.

    The source means a whole processor: ``all``.
    """
    peaks = matching(evidence.measurement("memory"), {"kind": "peak"})
    count = 1.0 if threads == "one" else float(peaks["threads"].max())
    rows = [{"kind": "peak", "name": name, "threads": count} for name in ("product", "read")]
    return measured_ratio(evidence, "memory", rows[0], rows[1], "value", _BYTES)
