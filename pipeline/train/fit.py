"""Lightning's Trainer, used so that it costs nothing."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities import registry
from pytorch_lightning.strategies import DDPStrategy, Strategy

from pipeline.lab.config.schema import TrainerConfig
from pipeline.train.intervals import Intervals
from pipeline.train.placement import backend
from pipeline.train.readings import Progress, Readings, Stop, Trajectories

# Every Trainer looks for plugins among all installed packages, which takes as long as many a run. They stay the same.
registry.entry_points = cache(registry.entry_points)  # type: ignore[assignment, attr-defined]


class BareDDPStrategy(DDPStrategy):
    """Lightning's process group, ranks and devices, without its wrapper around the module.

    Gloo on CPUs, NCCL on GPUs. Gradients are averaged by :class:`pipeline.train.many_devices.SharedRun`.
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is."""


def _strategy(config: TrainerConfig) -> str | Strategy:
    if config.devices == 1:
        return "auto"
    return BareDDPStrategy(
        # Named, because otherwise the variables of a cluster's scheduler would choose another environment.
        cluster_environment=LightningEnvironment(),
        timeout=timedelta(seconds=config.timeout),
    )


def fit(
    run: pl.LightningModule,
    config: TrainerConfig,
    intervals: Intervals,
    progress: Progress | None,
    stop: Stop | None = None,
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
    stop : Stop, optional
        Where training ends early.

    Returns
    -------
    Trajectories
        The readings.
    """
    readings = Readings(run, intervals, progress, stop)  # type: ignore[arg-type]
    trainer = pl.Trainer(
        accelerator=backend(config),
        devices=config.devices,
        strategy=_strategy(config),
        use_distributed_sampler=False,
        max_epochs=1,  # one pass over the intervals, which hold all the epochs
        callbacks=[readings],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(run, train_dataloaders=intervals)
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    return readings.trajectories()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning says to people who train one large model, once per run."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for module in ("pytorch_lightning", "lightning_fabric"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
