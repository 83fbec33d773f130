"""Lightning's Trainer, used so that it costs nothing."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl

from pipeline.config.schema import TrainerConfig
from pipeline.train.intervals import Intervals
from pipeline.train.readings import Progress, Readings, Trajectories


def fit(
    run: pl.LightningModule, config: TrainerConfig, intervals: Intervals, progress: Progress | None
) -> Trajectories:
    """Train a module, reading its loss after every interval.

    Parameters
    ----------
    run : LightningModule
        A :class:`~pipeline.train.readings.Watched` one.
    config : TrainerConfig
        Where it runs.
    intervals : Intervals
        What Lightning iterates over.
    progress : callable, optional
        Told of every reading.

    Returns
    -------
    Trajectories
        The readings.
    """
    readings = Readings(run, intervals, progress)  # type: ignore[arg-type]
    trainer = pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        max_epochs=1,  # one pass over the intervals, which hold all the epochs
        callbacks=[readings],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(run, train_dataloaders=intervals)
    return readings.trajectories()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says to people who train one large model, once per run."""
    lightning = logging.getLogger("pytorch_lightning")
    level = lightning.level
    lightning.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        lightning.setLevel(level)
