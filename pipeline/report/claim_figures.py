"""Which figure shows a claim."""

from collections.abc import Sequence

#: Claims about the tables of studies. A claim about a measurement alone is shown by that measurement's figure.
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
    "A20": "sweep_heatmap",
    "F2": "sweep_best_lr_by_batch",
    "F3": "sweep_leading_cells",
    "F4": "sweep_tuning_cost",
    "F5": "sweep_best_lr_by_batch",
    "F6": "sweep_steps_by_batch",
    "H1": "loss_by_epoch",
    "H4": "seconds_per_epoch",
    "H5": "loss_by_epoch",
}


def figure_of(claim: str, tables: Sequence[str]) -> str:
    """Find the figure that shows a claim.

    Parameters
    ----------
    claim : str
        Its id.
    tables : sequence of str
        The tables that decided it, such as ``results/measure/memory.parquet``.

    Returns
    -------
    str
        The stem of the figure's files; empty where there is none.

    Examples
    --------
    >>> figure_of("A1", ["results/measure/memory.parquet"])
    'measure_memory'
    """
    if claim in FIGURES:
        return FIGURES[claim]
    measured = [table for table in tables if "/measure/" in table]
    return f"measure_{measured[0].rsplit('/', 1)[-1].removesuffix('.parquet')}" if measured else ""
