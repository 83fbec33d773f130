"""``hydra/launcher=stacked``: train a whole multirun as stacks, in one process.

    python -m pipeline.train -m hydra/launcher=stacked optimizer=adam,sgd batch_size=1,10,100 lr=0.001,0.01,0.1 seeds=10

Every job of the product gets the folder, the ``.hydra`` files and the log that the basic launcher would
give it; only then all cells are trained together, and each job's tables written to its own folder.
Imported at every start of a Hydra application in this repository: nothing heavy up here.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

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
        self._composed: dict[tuple[str, ...], DictConfig] = {}

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
        from pipeline.train.app import Job, job_of, train_jobs

        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        log.info("Launching %d jobs as stacks", len(job_overrides))
        jobs: list[Job] = []
        with exit_on_user_error():
            returns = [
                run_job(
                    hydra_context=self.hydra_context,
                    task_function=lambda config: jobs.append(job_of(config)),
                    config=self._job_config(list(overrides), number),
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
                for number, overrides in enumerate(job_overrides, start=initial_job_idx)
            ]
            for returned in returns:
                _ = returned.return_value  # raises what the job raised
            train_jobs(jobs, engine="stacked")
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returns

    def _job_config(self, overrides: list[str], number: int) -> DictConfig:
        """Compose once per choice of groups (30 ms), then set the plain values on a copy.

        The plain values are set through the structured configuration, so their types are still checked.
        """
        from pipeline.lab.config.compose import SCALARS

        parsed = OverridesParser.create().parse_overrides(overrides)
        plain = [one for one in parsed if one.key_or_group in SCALARS and not one.is_add() and not one.is_delete()]
        groups = tuple(text for text, one in zip(overrides, parsed, strict=True) if one not in plain)
        if groups not in self._composed:
            self._composed[groups] = self.hydra_context.config_loader.load_sweep_config(self.config, list(groups))
        config = copy.deepcopy(self._composed[groups])
        OmegaConf.copy_cache(from_config=self.config, to_config=config)
        for one in plain:
            OmegaConf.update(config, one.key_or_group, one.value())
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.task = overrides
            config.hydra.job.id = number
            config.hydra.job.num = number
            config.hydra.job.override_dirname = _override_dirname(self.config, overrides)
        return config


def _override_dirname(config: DictConfig, overrides: list[str]) -> str:
    """What ``${hydra.job.override_dirname}`` says, for a folder that is named by its overrides."""
    names = config.hydra.job.config.override_dirname
    kept = sorted(text for text in overrides if text.split("=")[0] not in names.exclude_keys)
    return str(names.item_sep).join(text.replace("=", str(names.kv_sep), 1) for text in kept)
