"""The problems of the study ``landscape``: one for each of its labels."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.contrib.finders.landscape import Landscape, Runs
from pipeline.lab.config import load_study
from pipeline.lab.errors import UserError
from pipeline.lab.tables import CURVES, RUNS, read_table
from pipeline.train.data import prepared

STUDY = "landscape"


def problems(overrides: Sequence[str] = ()) -> list[str]:
    """Their names, in the study's order."""
    return list(dict.fromkeys(cell.label for cell in load_study(STUDY, overrides).cells))


def read_landscape(problem: str, folder: Path, data_dir: Path, overrides: Sequence[str] = ()) -> Landscape:
    """Read what was trained of a problem.

    Parameters
    ----------
    problem : str
        One of :func:`problems`.
    folder : Path
        The study's folder, ``results/landscape`` say.
    data_dir : Path
        Where the data lie.
    overrides : sequence of str
        As the study was trained with.

    Returns
    -------
    Landscape

    Raises
    ------
    UserError
        If there is no such problem, or its runs are not there.
    """
    study = load_study(STUDY, overrides)
    cells = [cell for cell in study.cells if cell.label == problem]
    if not cells:
        raise UserError(f"problem={problem} is not allowed: the study {STUDY} has {', '.join(problems(overrides))}")
    ids = {cell.id for cell in cells}
    runs, curves = (
        table[table["cell_id"].isin(ids)]
        for table in (read_table(folder / "runs.parquet", RUNS), read_table(folder / "curves.parquet", CURVES))
    )
    seeds = list(cells[0].config.replicates)
    if len(runs) != len(cells) * len(seeds):
        raise UserError(
            f"{folder} has {len(runs)} runs of {problem}, and the study {len(cells) * len(seeds)}: train it again, "
            f"with snakemake --cores 2 {STUDY}"
        )
    dataset = prepared(cells[0].config.data, data_dir)
    metric = "loss" if dataset.held_out is None else "validation_loss"
    return Landscape(problem, Runs(cells, seeds, runs, curves, metric), dataset)
