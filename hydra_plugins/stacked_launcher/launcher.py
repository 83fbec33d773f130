"""``hydra/launcher=stacked``: train a whole multirun as stacks, in one process.

    python -m pipeline.train -m hydra/launcher=stacked optimizer=adam,sgd batch_size=1,10,100 lr=0.001,0.01,0.1 seeds=10

Every job of the product gets the folder, the ``.hydra`` files and the log that the basic launcher would
give it; only then all cells are trained together, and each job's tables written to its own folder.
Imported at every start of a Hydra application in this repository: nothing heavy up here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

log = logging.getLogger(__name__)


@dataclass
class StackedLauncherConf:
    """The launcher has no settings."""

    _target_: str = "hydra_plugins.stacked_launcher.launcher.StackedLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="stacked")


class StackedLauncher(Launcher):
    """Launches all jobs of a multirun of ``python -m pipeline.train`` at once."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher.

        ``task_function`` is not called: it would train one job after the other.
        """
        self.hydra_context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Prepare every job, then train all of them.

        Parameters
        ----------
        job_overrides : sequence of sequences of str
            The overrides of each job.
        initial_job_idx : int
            The number of the first one.

        Returns
        -------
        sequence of JobReturn
            In the same order.
        """
        from pipeline.lab.errors import exit_on_user_error
        from pipeline.train.app import Job, read_job, train_jobs
        from pipeline.train.product import JobConfigs

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        log.info("Launching %d jobs as stacks", len(job_overrides))
        configs = JobConfigs(self.hydra_context.config_loader, self.config)
        jobs: list[Job] = []
        with exit_on_user_error():
            returns = [
                run_job(
                    hydra_context=self.hydra_context,
                    task_function=lambda config: jobs.append(read_job(config)),
                    config=configs.compose(overrides, number),
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
                for number, overrides in enumerate(job_overrides, start=initial_job_idx)
            ]
            for returned in returns:
                _ = returned.return_value  # raises what the job raised
            for returned, metric in zip(returns, train_jobs(jobs, engine="stacked"), strict=True):
                returned.return_value = metric
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returns
