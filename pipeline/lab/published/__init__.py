"""Published values for these runs, and means over many seeds.

An entry is found by the configuration it was published for, never by a label: a cell that is
trained for another number of epochs has nothing to be compared with.
"""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.lab.published.exercises import EXERCISES
from pipeline.lab.published.siblings import SIBLINGS
from pipeline.lab.published.textbook import TEXTBOOK
from pipeline.lab.published.values import Published

PUBLISHED = (*TEXTBOOK, *SIBLINGS, *EXERCISES)


def published_for(config: Mapping[str, Any]) -> Published | None:
    """Find what was published for a cell.

    Parameters
    ----------
    config : mapping
        The cell's effective configuration.

    Returns
    -------
    Published or None
        None where nothing was published for exactly this configuration. A key that the configuration
        does not have is not held against it.
    """
    for entry in PUBLISHED:
        if all(_agrees(config, key.split("."), value) for key, value in entry.where.items()):
            return entry
    return None


def _agrees(config: Any, path: list[str], wanted: Any) -> bool:
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return True
        config = config[key]
    if isinstance(wanted, float) and isinstance(config, int | float):
        return math.isclose(config, wanted, rel_tol=1e-9)
    return bool(config == wanted)
