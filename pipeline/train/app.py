"""What ``python -m pipeline.train`` does: configurations in; tables, the chapter's lines and MLflow runs out."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pipeline.lab.config import Cell, checks, load_study
from pipeline.lab.config.compose import cell_config
from pipeline.lab.config.limits import LIMITS, check_runs, check_steps
from pipeline.lab.config.schema import CELL_FIELDS, AppConfig, MetricConfig
from pipeline.lab.devices import gpus_wanted, reserved
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.grouping import grouped
from pipeline.lab.settings import Tracking
from pipeline.train.failures import FailedCell, report

if TYPE_CHECKING:
    import pandas as pd

#: Keys of ``config.yaml`` that choose what is trained and where it goes, and belong to no cell.
_NOT_OF_A_CELL = {field.name for field in fields(AppConfig)} - {*CELL_FIELDS, *LIMITS} | {"target.metric"}
#: Updates that the command will make in all its jobs, and those made: what is left is shown in each of them.
UPDATES = {"planned": 0, "done": 0}
#: Where MLflow's pages show what was logged from a folder.
PAGES: dict[Path, str] = {}


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
    store : Tracking or None
        Where to log, if at all.
    of_study : bool
        Whether this is one job of a study: it fails only if all of its runs do.
    metric : str
        What a sweeper minimises; see :class:`pipeline.lab.config.schema.MetricConfig`.
    """

    cells: list[Cell]
    out: Path
    data_dir: Path
    store: Tracking | None
    of_study: bool
    metric: str = "auto"


def train(config: DictConfig) -> float:
    """Train what one composed configuration asks for: the function that Hydra calls.

    Parameters
    ----------
    config : DictConfig
        ``conf/config.yaml`` with its overrides.

    Returns
    -------
    float
        What a sweeper minimises: the median final loss over the seeds, of the examples held out where there are any
        and ``target.metric`` does not say ``loss``, of the best cell where there are several; infinite where the median
        run diverged, NaN where all failed.

    Raises
    ------
    FailedRunsError
        In a process of a launcher (joblib, submitit, ...): it takes the failure to the process of the command.
    SystemExit
        With status 2, after a mistake of the user's that shows only now.
    """
    # Hydra prints a line of its own before an exception that it lets through; SystemExit passes without.
    # With hydra.job.chdir=true the process is in the job's folder; paths are relative to where the command was started.
    with exit_on_user_error(), chdir(HydraConfig.get().runtime.cwd):
        return train_jobs([read_job(config)])[0]


def train_jobs(jobs: Sequence[Job], engine: str | None = None) -> list[float]:
    """Train the cells of all jobs together; write each job's tables, log them, print the chapter's lines.

    Parameters
    ----------
    jobs : sequence of Job
        A cell that is in several of them is trained once.
    engine : str, optional
        In place of the one that the cells ask for.

    Returns
    -------
    list of float
        For each job, what :func:`train` returns.
    """
    # Imported here: pandas and pyarrow take a second, and a wrong value should be reported at once.
    from pipeline.lab.tables import CURVES, RUNS, write_table

    cells = {cell.id: cell for job in jobs for cell in job.cells}
    if engine is not None:
        cells = {key: replace(cell, config=replace(cell.config, engine=engine)) for key, cell in cells.items()}
    for store in {job.store for job in jobs if job.store is not None}:
        from pipeline.track.store import check_store

        check_store(store)
    folders = {cell.id: job.data_dir for job in jobs for cell in job.cells}
    reasons: dict[str, str] = {}
    with reserved(gpus_wanted(cell.config.trainer for cell in cells.values())):
        judged = {cell.id for job in jobs if job.metric == "validation_loss" for cell in job.cells}
        runs, curves = train_by_data(list(cells.values()), folders, reasons, judged)
    for job in jobs:
        own = {cell.id for cell in job.cells}
        write_table(runs[runs.cell_id.isin(own)], RUNS, job.out / "runs.parquet")
        write_table(curves[curves.cell_id.isin(own)], CURVES, job.out / "curves.parquet")
    by_cell = {str(cell_id): own for cell_id, own in runs.groupby("cell_id")}
    for cell in cells.values():
        print((f"{cell.name}: " if len(cells) > 1 else "") + summary(by_cell[cell.id]))
    for job in jobs:
        if job.store is not None:
            from pipeline.track.log import log_folder

            PAGES[job.out] = log_folder(job.out, job.store, data_dir=job.data_dir).address
    for job in jobs:
        report(_failed(job, by_cell, reasons), tolerated=job.of_study and not (runs.status == "error").all())
    return [min(float(losses_of(by_cell[cell.id], job.metric).median()) for cell in job.cells) for job in jobs]


def read_job(config: DictConfig) -> Job:
    """Read the job that a composed ``config.yaml`` asks for.

    Raises
    ------
    UserError
        If there is no such key, the study has no such job, or a value is out of range.
    """
    for key in set(config) - {field.name for field in fields(AppConfig)} - {"hydra"}:  # Hydra adds any with +KEY=VALUE
        raise UserError(f"+{key}=... is not allowed: there is neither such a key nor a folder conf/{key}")
    cells, metric = _cells(config)
    metric = metric if config.target.metric == "auto" else MetricConfig(config.target.metric).metric
    for data in [cell.config.data for cell in cells] if metric == "validation_loss" else []:
        if data.reader == "table" or getattr(data, "split", "") == "none":  # of other readers only the data tell
            raise _nothing_held_out(data.name)
    return Job(
        cells=cells,
        out=Path(config.out or HydraConfig.get().runtime.output_dir),
        data_dir=Path(config.data_dir),
        store=Tracking.read(config.mlflow_uri) if config.track else None,
        of_study=config.job is not None,
        metric=metric,
    )


def _nothing_held_out(data: str) -> UserError:
    return UserError(
        f"target.metric=validation_loss is not allowed with data={data}: it holds no examples out; use "
        "target.metric=loss, or data with some, as data=table data.path=... data.validation=0.2"
    )


def _cells(config: DictConfig) -> tuple[list[Cell], str]:
    """The one cell of the configuration, or those of its study (and job), and what the study is judged by."""
    if config.study is None:
        for key in ("job", "extension"):
            if config[key] is not None:
                raise UserError(f"{key}={config[key]} is not allowed without study=NAME")
        cell = Cell(cell_config(config), label=config.label)
        check_steps(cell, config.max_steps)
        check_runs("this cell", cell.config.seeds, f"seeds={cell.config.seeds}", config.max_runs)
        return [cell], "auto"
    if config.label:
        raise UserError(f"label={config.label} is not allowed with study=...: its cells have labels of their own")
    # As they were given: reading an entry would put in what ${...} stands for.
    given = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    overrides = [text for text in cast(list[str], given) if text.lstrip("+").split("=")[0] not in _NOT_OF_A_CELL]
    name = HydraConfig.get().runtime.choices["study"]
    study = load_study(name, overrides, Path(config.extension) if config.extension else None)
    if study.config.search == "race":
        raise UserError(f"study={name} is not allowed: it is a race: start python -m pipeline.answer study={name}")
    if config.job is None:
        return study.cells, study.config.target.metric
    checks.one_of("job", config.job, study.jobs)
    return study.jobs[config.job], study.config.target.metric


def train_by_data(
    cells: Sequence[Cell], folders: Mapping[str, Path], reasons: dict[str, str], judged: Collection[str]
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Train cells, data set by data set: cells may share a data set's name and differ in its rows or whitening.

    Parameters
    ----------
    cells : sequence of Cell
        What to train.
    folders : mapping
        Cell id to where its data lie.
    reasons : dict
        Filled as by :func:`pipeline.train.cells.train_cells`.
    judged : collection of str
        Ids of cells that must have examples held out.

    Returns
    -------
    runs, curves : DataFrame
    """
    import pandas as pd
    from tqdm import tqdm

    from pipeline.train.cells import train_cells
    from pipeline.train.data import prepared
    from pipeline.train.placement import placed

    cells = placed(cells)  # a GPU that is not there is reported before anything is fetched
    given = [(cell, cell.config.data) for cell in cells]
    groups = grouped(((folders[cell.id], data.name, data.file, data.rows, data.examples), cell) for cell, data in given)
    before, updates = UPDATES["done"], sum(cell.steps * cell.config.seeds for cell in cells)
    total = max(UPDATES["planned"], before + updates)
    # Of the whole command, so that the time left is, too; disable=None: only on a terminal.
    with tqdm(total=total, initial=before, unit=" updates", unit_scale=True, leave=False, disable=None) as bar:

        def progress(steps: int, loss: float) -> None:
            """Move the bar on, and show the last loss."""
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(steps)

        tables = []
        for (folder, name, *_), group in groups.items():
            dataset = prepared(group[0].config.data, folder)
            if dataset.held_out is None and any(cell.id in judged for cell in group):
                raise _nothing_held_out(name)
            tables.append(train_cells(group, {name: dataset}, progress, reasons))
    UPDATES["done"] += updates if UPDATES["planned"] else 0
    runs, curves = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return runs, curves


def _failed(job: Job, by_cell: "Mapping[str, pd.DataFrame]", reasons: Mapping[str, str]) -> list[FailedCell]:
    """The cells of a job that have failed runs."""
    cells = [(cell, by_cell[cell.id].status == "error") for cell in job.cells]
    return [
        FailedCell(cell.name, int(failed.sum()), len(failed), reasons[cell.id])
        for cell, failed in cells
        if failed.any()
    ]


def losses_of(runs: "pd.DataFrame", metric: str = "auto") -> "pd.Series[float]":
    """The final losses of a cell's runs, of examples held out where there are any and ``loss`` is not asked for.

    A run that diverged counts as infinite; one that failed is left out.
    """
    held_out = metric != "loss" and runs.final_validation_loss.notna().any()
    losses = runs.final_validation_loss if held_out else runs.final_loss
    status = runs.status.to_numpy()  # comparing a column of ten texts takes pandas longer than all else
    return losses.mask(status == "diverged", math.inf)[status != "error"]  # type: ignore[no-any-return]


def summary(runs: "pd.DataFrame") -> str:
    """The chapter's line for the runs of one cell: medians, and how many did not end well.

    Examples
    --------
    >>> import pandas as pd
    >>> summary(
    ...     pd.DataFrame({"final_loss": [0.245], "seconds_per_epoch": [0.009], "status": ["ok"], "engine": ["solo"]})
    ... )
    'loss: 0.245, 0.009 sec/epoch'

    With what the examples held out tell, where there are any:
    ``loss: 0.014, validation loss: 0.063, accuracy: 0.981, 0.101 sec/epoch``.
    """
    bad = Counter(status for status in runs.status if status != "ok")
    counts = f" ({', '.join(f'{count} {status}' for status, count in bad.most_common())})" if bad else ""
    if bad["error"] == len(runs):
        return f"no loss{counts}"
    parts = [f"loss: {runs.final_loss.median():.3f}"]
    for name, column in (("validation loss", "final_validation_loss"), ("accuracy", "accuracy")):
        if column in runs and runs[column].notna().any():
            parts.append(f"{name}: {runs[column].median():.3f}")
    seconds = runs.seconds_per_epoch.median()
    if not math.isnan(seconds):
        parts.append(f"{seconds:{'.3f' if seconds >= 0.001 else '.1g'}} sec/epoch")
    else:
        parts.append("no clock (stacked)" if (runs.engine == "stacked").any() else "no clock")
    return ", ".join(parts) + counts
