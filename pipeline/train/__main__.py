"""``python -m pipeline.train``: train a cell, a product of cells, or (a job of) a study.

One cell, and a product::

    python -m pipeline.train optimizer=sgd batch_size=10 lr=0.05
    python -m pipeline.train -m batch_size=1,10,100 lr=0.005,0.05

A study, or what the workflow launches::

    python -m pipeline.train study=textbook out=somewhere
    python -m pipeline.train study=textbook job=all out=somewhere
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pipeline.config import Cell, checks, load_study
from pipeline.config.compose import CONF, cell_config
from pipeline.errors import exit_on_user_error

if TYPE_CHECKING:
    import pandas as pd

#: Keys of ``config.yaml`` that choose what is trained and where it goes, and are not a cell's.
RIM = ("study", "job", "out", "label", "mlflow_uri", "track", "data_dir")


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def main(config: DictConfig) -> None:
    """Train what the configuration says, write the tables, log them, print the chapter's line."""
    with exit_on_user_error():
        cells = chosen_cells(config)
        train(cells, Path(config.out), Path(config.data_dir), config.mlflow_uri if config.track else None)


def chosen_cells(config: DictConfig) -> list[Cell]:
    """The one cell of the configuration, or those of its study (and job).

    Raises
    ------
    UserError
        If the study has no such job, or a value is out of range.
    """
    if config.study is None:
        return [Cell(cell_config(config), label=config.label)]
    given = HydraConfig.get().overrides.task
    overrides = [text for text in given if text.lstrip("+").split("=")[0] not in RIM]
    study = load_study(config.study.name, overrides)
    if config.job is None:
        return study.cells
    checks.one_of("job", config.job, study.jobs)
    return study.jobs[config.job]


def train(cells: list[Cell], out: Path, data_dir: Path, mlflow_uri: str | None) -> None:
    """Train cells and write ``runs.parquet`` and ``curves.parquet``.

    Parameters
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
    # Imported here: torch, Lightning and MLflow take seconds, and a wrong value should be told at once.
    from tqdm import tqdm

    from pipeline.dataset import prepared
    from pipeline.tables import CURVES, RUNS, write_table
    from pipeline.train.cells import train_cells

    datasets = {cell.config.data.name: prepared(cell.config.data, data_dir) for cell in cells}
    steps = sum(cell.steps * cell.config.seeds for cell in cells)
    with tqdm(total=steps, unit=" steps", unit_scale=True, disable=None) as bar:  # None: only on a terminal

        def progress(steps: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(steps)

        runs, curves = train_cells(cells, datasets, progress)
    write_table(runs, RUNS, out / "runs.parquet")
    write_table(curves, CURVES, out / "curves.parquet")
    for cell in cells:
        name = f"{cell.name}: " if len(cells) > 1 else ""
        print(name + summary(runs[runs.cell_id == cell.id]))
    if mlflow_uri is not None:
        from pipeline.track.log import log_study

        log_study(runs, curves, mlflow_uri, complete=False)


def summary(runs: "pd.DataFrame") -> str:
    """The chapter's line for the runs of one cell: medians, and how many did not end well.

    Examples
    --------
    >>> import pandas as pd
    >>> summary(pd.DataFrame({"final_loss": [0.245], "seconds_per_epoch": [0.009], "status": ["ok"]}))
    'loss: 0.245, 0.009 sec/epoch'
    """
    seconds = runs.seconds_per_epoch.median()
    digits = ".3f" if seconds >= 0.001 else ".1g"
    clock = "no clock (stacked)" if seconds != seconds else f"{seconds:{digits}} sec/epoch"
    bad = runs.status[runs.status != "ok"].value_counts()
    counts = f" ({', '.join(f'{count} {status}' for status, count in bad.items())})" if len(bad) else ""
    return f"loss: {runs.final_loss.median():.3f}, {clock}{counts}"


if __name__ == "__main__":
    sys.exit(main())
