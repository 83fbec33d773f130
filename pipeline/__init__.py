"""A lab that asks which optimizer, batch size and learning rate reach a given loss, and at what cost.

Data flows one way, a folder a stage::

    fetch -> whiten -> train -> collect -> {track, figures} -> report

Every stage is also a command: ``python -m pipeline.STAGE --help``. From Python, :func:`pipeline.compare` trains on
arrays, and :func:`pipeline.study` what a study's file says.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Comparison, compare, study

__all__ = ["Comparison", "compare", "study"]


def __getattr__(name: str) -> Any:
    """Import what is for users when it is asked for: every command imports this package, too."""
    if name in __all__:
        from pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
