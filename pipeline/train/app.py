"""What ``python -m pipeline.train`` does: configurations in, tables and MLflow runs out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pipeline.lab.config import Cell, checks, load_study
from pipeline.lab.config.compose import cell_config
from pipeline.lab.devices import gpus_wanted, reserved
from pipeline.train.command_line import RIM

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Job:
    """Cells whose tables belong in one folder.

    Attributes
    ----------
    cells : list of Cell
        What to train.
    out : Path
        The folder of the tables.
    data_dir : Path
        The folder of the whitened data; what is missing there is fetched and whitened.
    mlflow_uri : str or None
        Where to log, if at all.
    """

    cells: list[Cell]
    out: Path
    data_dir: Path
    mlflow_uri: str | None


def job_of(config: DictConfig) -> Job:
    """Read the job that a composed ``config.yaml`` asks for.

    Raises
    ------
    UserError
        If the study has no such job, or a value is out of range.
    """
    return Job(
        cells=_chosen_cells(config),
        out=Path(config.out),
        data_dir=Path(config.data_dir),
        mlflow_uri=config.mlflow_uri if config.track else None,
    )


def _chosen_cells(config: DictConfig) -> list[Cell]:
    """The one cell of the configuration, or those of its study (and job)."""
    if config.study is None:
        return [Cell(cell_config(config), label=config.label)]
    given = HydraConfig.get().overrides.task
    overrides = [text for text in given if text.lstrip("+").split("=")[0] not in RIM]
    name = HydraConfig.get().runtime.choices["study"]
    study = load_study(name, overrides, Path(config.extension) if config.extension else None)
    if config.job is None:
        return study.cells
    checks.one_of("job", config.job, study.jobs)
    return study.jobs[config.job]


def train_jobs(jobs: Sequence[Job], engine: str | None = None) -> None:
    """Train the cells of all jobs together; write each job's tables, log them, print the chapter's lines.

    Parameters
    ----------
    jobs : sequence of Job
        A cell that is in several of them is trained once.
    engine : str, optional
        In place of the one that the cells ask for.
    """
    # Imported here: pandas and pyarrow take a second, and a wrong value should be told at once.
    from pipeline.lab.tables import CURVES, RUNS, write_table

    cells = {cell.id: cell for job in jobs for cell in job.cells}
    if engine is not None:
        cells = {key: replace(cell, config=replace(cell.config, engine=engine)) for key, cell in cells.items()}
    folders = {cell.id: job.data_dir for job in jobs for cell in job.cells}
    with reserved(gpus_wanted(cell.config.trainer for cell in cells.values())):
        runs, curves = _train(list(cells.values()), folders)
    for job in jobs:
        own = {cell.id for cell in job.cells}
        write_table(runs[runs.cell_id.isin(own)], RUNS, job.out / "runs.parquet")
        write_table(curves[curves.cell_id.isin(own)], CURVES, job.out / "curves.parquet")
    by_cell = dict(list(runs.groupby("cell_id")))
    for cell in cells.values():
        print((f"{cell.name}: " if len(cells) > 1 else "") + summary(by_cell[cell.id]))
    for uri in {job.mlflow_uri for job in jobs if job.mlflow_uri is not None}:
        from pipeline.track.log import log_study

        logged = {cell.id for job in jobs if job.mlflow_uri == uri for cell in job.cells}
        log_study(runs[runs.cell_id.isin(logged)], curves[curves.cell_id.isin(logged)], uri, complete=False)


def _train(cells: Sequence[Cell], folders: Mapping[str, Path]) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Train cells, data set by data set: cells may share a data set's name and differ in its rows or whitening."""
    import pandas as pd
    from tqdm import tqdm

    from pipeline.train.cells import train_cells
    from pipeline.train.data import prepared
    from pipeline.train.placement import placed

    cells = placed(cells)  # a GPU that is not there is told before anything is fetched
    groups: dict[tuple[Path, str, str, int, int], list[Cell]] = {}
    for cell in cells:
        data = cell.config.data
        groups.setdefault((folders[cell.id], data.name, data.file, data.rows, data.examples), []).append(cell)
    steps = sum(cell.steps * cell.config.seeds for cell in cells)
    with tqdm(total=steps, unit=" steps", unit_scale=True, disable=None) as bar:  # None: only on a terminal

        def progress(steps: int, loss: float) -> None:
            """Move the bar on, and show the last loss."""
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(steps)

        tables = [
            train_cells(group, {name: prepared(group[0].config.data, folder)}, progress)
            for (folder, name, *_), group in groups.items()
        ]
    runs, curves = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return runs, curves


def summary(runs: "pd.DataFrame") -> str:
    """The chapter's line for the runs of one cell: medians, and how many did not end well.

    Examples
    --------
    >>> import pandas as pd
    >>> summary(pd.DataFrame({"final_loss": [0.245], "seconds_per_epoch": [0.009], "status": ["ok"]}))
    'loss: 0.245, 0.009 sec/epoch'

    With an accuracy where there is one: ``loss: 0.014, accuracy: 0.981, 0.101 sec/epoch``.
    """
    seconds = runs.seconds_per_epoch.median()
    digits = ".3f" if seconds >= 0.001 else ".1g"
    clock = "no clock (stacked)" if seconds != seconds else f"{seconds:{digits}} sec/epoch"
    bad = runs.status[runs.status != "ok"].value_counts()
    counts = f" ({', '.join(f'{count} {status}' for status, count in bad.items())})" if len(bad) else ""
    tested = runs.accuracy.dropna() if "accuracy" in runs else runs.final_loss[:0]
    accuracy = f"accuracy: {tested.median():.3f}, " if len(tested) else ""
    return f"loss: {runs.final_loss.median():.3f}, {accuracy}{clock}{counts}"
