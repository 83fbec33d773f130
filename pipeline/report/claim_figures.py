"""Which figure shows a claim."""

from collections.abc import Sequence
from pathlib import PurePosixPath

#: The figure of the claim's study. A claim about a measurement alone is shown by that measurement's figure.
FIGURES = {
    "A10": "loss_by_epoch",
    "A11": "loss_by_epoch",
    "A12": "seconds_per_epoch",
    "A13": "seconds_per_epoch",
    "A14": "seconds_per_epoch",
    "A15": "loss_by_epoch",
    "A16": "loss_by_time",
    "A17": "loss_by_time",
    "A18": "loss_by_epoch",
    "A19": "loss_by_time",
    "A20": "heatmap",
    "F2": "best_lr_by_batch",
    "F3": "leading_cells",
    "F4": "tuning_cost",
    "F5": "best_lr_by_batch",
    "F6": "steps_by_batch",
    "H1": "loss_by_epoch",
    "H4": "seconds_per_epoch",
    "H5": "loss_by_epoch",
}


def figures_of(claim: str, tables: Sequence[str]) -> list[str]:
    """Find the figures that may show a claim.

    Parameters
    ----------
    claim : str
        Its id.
    tables : sequence of str
        The tables that decided it, such as ``results/measure/memory.parquet``.

    Returns
    -------
    list of str
        Study, or ``measure``, and figure.

    Examples
    --------
    >>> figures_of("A1", ["results/measure/memory.parquet"])
    ['measure-memory']
    >>> figures_of("A20", ["results/sweep/runs.parquet"])
    ['sweep-heatmap']
    """
    paths = [PurePosixPath(table) for table in tables]
    studies = dict.fromkeys(path.parent.name for path in paths if path.parent.name != "measure")
    measured = [f"measure-{path.stem}" for path in paths if path.parent.name == "measure"]
    return [f"{study}-{FIGURES[claim]}" for study in studies] if claim in FIGURES else measured
