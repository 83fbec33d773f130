"""The sibling sections' calls: where 200 seeds of each end, beside what others found."""

from matplotlib.figure import Figure

from pipeline.figures.cells import CellSummary
from pipeline.figures.final_losses import agreement, draw_final_losses
from pipeline.figures.registry import Tables, register
from pipeline.lab import formats


def _by_optimizer(tables: Tables) -> list[list[CellSummary]]:
    groups: dict[str, list[CellSummary]] = {}
    for cell in tables.cells:
        groups.setdefault(cell.optimizer, []).append(cell)
    return list(groups.values())


def caption(tables: Tables) -> str:
    """Name the calls that end lowest and highest, and say whether the means are as expected."""
    ranked = sorted((cell for cell in tables.cells if cell.losses.size), key=lambda cell: float(cell.losses.mean()))
    text = "Calls of the sibling sections (momentum, Adagrad, RMSprop, Adadelta, Adam) on the same data, batch size 10."
    if len(ranked) > 1:
        low, high = ranked[0], ranked[-1]
        text += (
            f" {formats.quoted(low.label)} ends lowest ({formats.loss(float(low.losses.mean()))} in the mean), "
            f"{formats.quoted(high.label)} highest ({formats.loss(float(high.losses.mean()))})."
        )
    return f"{text} {agreement(tables.cells, offline_twin=tables.offline_twin)}"


@register(title="The sibling sections' calls", study="siblings", caption=caption)
def siblings_final_losses(tables: Tables) -> Figure:
    """Draw the final losses of every call, by optimizer.

    Parameters
    ----------
    tables : Tables
        The siblings.

    Returns
    -------
    Figure
    """
    return draw_final_losses(tables, _by_optimizer(tables))
