"""How often each claim had which verdict in whole runs of the lab, each from no results, on one machine."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.lab.paths import CONF

#: What ``benchmarks/repeat_runs.py --store`` has kept of whole runs.
REPEATS = CONF / "repeats.json"


@dataclass(frozen=True)
class Repeats:
    """Verdicts of whole runs.

    Parameters
    ----------
    date : str
        Of the last of them.
    machine : str
        Processor and cores.
    runs : int
        How many there were.
    claims : dict
        A claim's id to its verdicts, each with the number of runs that had it.
    """

    date: str
    machine: str
    runs: int
    claims: dict[str, dict[str, int]]


@lru_cache
def read_repeats() -> Repeats:
    """Read what is stored with the lab."""
    stored: dict[str, Any] = json.loads(REPEATS.read_text(encoding="utf-8"))
    return Repeats(**stored)
