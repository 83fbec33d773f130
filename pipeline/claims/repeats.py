"""How often each claim had which verdict in whole runs of the lab, each from no results, on one machine."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pipeline.lab.paths import CONF

#: What ``benchmarks/repeat_runs.py --store`` has kept of whole runs.
REPEATS = CONF / "repeats.json"


@lru_cache
def read_repeats() -> Mapping[str, Any]:
    """Read what is stored with the lab.

    Returns
    -------
    mapping
        ``runs``: how many there were; ``date`` of the last one; ``machine``: processor and cores; ``claims``: a claim's
        id to its verdicts, each with the number of runs that had it.
    """
    return dict(json.loads(REPEATS.read_text(encoding="utf-8")))
