"""The structured configurations of a cell and of a study: types, defaults and ranges of their keys.

``conf/config.yaml`` is one cell. The keys of a model, a schedule, an optimizer or a data set are in the file of the
part; what they have in common is in :mod:`pipeline.parts.base`.
"""

import math
import re
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.config import target
from pipeline.lab.errors import UserError
from pipeline.parts import own, own_config, tasks
from pipeline.parts.base import LR_MOST, DataConfig, ModelConfig, OptimizerConfig, ScheduleConfig

#: A study, or a product on the command line, of more runs is refused, and a run of more updates; both can be raised.
MAX_RUNS, MAX_STEPS = 200_000, 10_000_000
ENGINES = ("solo", "stacked")
SEARCHES = ("grid", "race")
IMPLEMENTATIONS = ("scratch", "torch")
#: What runs may be judged by; columns of the curves, whose last readings are ``final_`` columns of the runs.
METRICS = ("loss", "validation_loss")

_INPUTS = {"rows": "rows of numbers", "images": "images"}

#: Readings of the loss in an epoch where ``read_every=0`` leaves it to the lab: each costs a pass over the data.
READINGS_PER_EPOCH = 4

#: The axes by which a study's cells may be packed into jobs.
PACK_AXES = ("data", "model", "implementation", "optimizer", "schedule", "sampling", "batch_size", "lr", "epochs")


@dataclass
class SamplingConfig:
    """How the examples of a minibatch are drawn."""

    name: str = MISSING

    def __post_init__(self) -> None:
        """Check the name."""
        checks.one_of("sampling.name", self.name, ("without_replacement", "with_replacement"))


@dataclass
class TrainerConfig:
    """Where training runs; passed to Lightning's Trainer.

    More than one device: one process each, and each takes its share of every minibatch. A device that keeps
    the others waiting for longer than ``timeout`` seconds ends the run.
    """

    accelerator: str = "cpu"
    devices: int = 1
    timeout: float = 300.0

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.one_of("trainer.accelerator", self.accelerator, ("cpu", "gpu", "auto"))
        checks.whole("trainer.devices", self.devices, least=1, most=256)
        checks.number("trainer.timeout", self.timeout, above=0.0, below=1e7)


#: The groups of ``conf/`` that a cell is composed of, and what the keys of each have in common.
GROUPS: dict[str, type[Any]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "schedule": ScheduleConfig,
    "sampling": SamplingConfig,
    "trainer": TrainerConfig,
}


@dataclass
class PlainConfig:
    """The keys of a cell that are plain values."""

    implementation: str = "scratch"
    batch_size: int = 10
    lr: float = 0.05
    epochs: int = 2
    read_every: int = 200
    seeds: int = 1
    first_seed: int = 0
    engine: str = "solo"
    stack: str = ""


#: Their names.
SCALARS = tuple(one.name for one in fields(PlainConfig))
#: The names of all keys of a cell.
CELL_FIELDS = (*GROUPS, *SCALARS)


@dataclass
class CellConfig(PlainConfig):
    """One cell: everything that decides its numbers, and how it is executed."""

    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    schedule: ScheduleConfig = MISSING
    sampling: SamplingConfig = MISSING
    trainer: TrainerConfig = MISSING

    def __post_init__(self) -> None:
        """Check ranges, alone and against the data."""
        checks.one_of("implementation", self.implementation, IMPLEMENTATIONS)
        checks.one_of("engine", self.engine, ENGINES)
        place, width = self.place if re.fullmatch(r"([1-9][0-9]{0,4}/[1-9][0-9]{0,4})?", str(self.stack)) else (1, 0)
        if place >= width or self.stack and self.engine != "stacked":
            raise UserError(
                f"stack={self.stack} is not allowed: with engine=stacked it is PLACE/WIDTH, as 3/13, the third of 13"
            )
        for key in ("batch_size", "epochs", "seeds"):
            checks.whole(key, getattr(self, key), least=1)
        for key in ("read_every", "first_seed"):
            checks.whole(key, getattr(self, key), least=0)
        self.read_every = self.read_every or math.ceil(self.data.examples / READINGS_PER_EPOCH)
        if type(self.lr) is int and abs(self.lr) <= LR_MOST:
            self.lr = float(self.lr)
        checks.number("lr", self.lr, above=0.0, most=LR_MOST)
        if self.batch_size > self.data.examples:
            raise UserError(
                f"batch_size={self.batch_size} is not allowed: {self.data.name} has {self.data.examples} training "
                f"examples, so it must be from 1 to {self.data.examples}"
            )
        self._check_optimizer()
        self._check_match()

    @property
    def place(self) -> tuple[int, int]:
        """Its place among the cells that are stacked beside it, from 0 on, and how many these are."""
        place, width = (self.stack or "1/1").split("/")
        return int(place) - 1, int(width)

    @property
    def replicates(self) -> range:
        """The seeds that the cell is trained with."""
        return range(self.first_seed, self.first_seed + self.seeds)

    def _check_optimizer(self) -> None:
        """Check that the update rule exists, and is what a configuration may name."""
        optimizer = self.optimizer
        checks.word("optimizer.name", own.short(optimizer.name))
        if own.is_reference(optimizer.name) and own_config.is_torch(optimizer.name):
            self.implementation = "torch"  # a class of torch's kind has no other
        if self.implementation == "scratch":
            if not parts.exists("optimizer", optimizer.name):
                raise UserError(
                    f"implementation=scratch is not allowed with optimizer={optimizer.name}: there is no "
                    f"{parts.shown(parts.folders('optimizer')[0])}/{optimizer.name}.py; write it, or use "
                    "implementation=torch"
                )
        elif not optimizer.torch or "_target_" not in optimizer.torch:
            raise UserError(
                f"implementation=torch is not allowed with optimizer={optimizer.name}: torch.optim has no "
                "such optimizer; use implementation=scratch, or name a class in optimizer.torch._target_"
            )
        else:
            target.check("optimizer.torch._target_", optimizer.torch["_target_"])

    def _check_match(self) -> None:
        """Check that model, data and devices go together."""
        if self.model.inputs not in ("any", self.data.inputs):
            raise UserError(
                f"model={self.model.name} is not allowed with data={self.data.name}: the model reads "
                f"{_INPUTS[self.model.inputs]}, and the data are {_INPUTS[self.data.inputs]}"
            )
        wanted = tasks.outputs(self.data.task)
        if self.model.outputs not in ("any", wanted):
            raise UserError(
                f"model={self.model.name} is not allowed with data={self.data.name}: the model predicts "
                f"{self.model.outputs}, and data.task={self.data.task} learns {wanted}"
            )
        if self.trainer.devices > 1 and getattr(self.data, "loading", "tensors") == "per_item":
            raise UserError(
                f"data.loading=per_item is not allowed with trainer.devices={self.trainer.devices}: use "
                "data.loading=tensors, or one device"
            )


@dataclass
class MetricConfig:
    """What runs are judged by.

    Parameters
    ----------
    metric : str
        ``loss`` of the training examples, ``validation_loss`` of those held out, or ``auto``: the latter where all of
        the data hold some out.
    """

    metric: str = "auto"

    def __post_init__(self) -> None:
        """Check the name."""
        checks.one_of("target.metric", self.metric, ("auto", *METRICS))


@dataclass
class TargetConfig(MetricConfig):
    """What a study's runs are judged by, and the loss to reach.

    Parameters
    ----------
    loss : float or None
        The loss to reach; None: derived from the study's own runs, see :func:`pipeline.analysis.target.target_loss`.
    """

    loss: float | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.loss is not None:
            checks.number("target.loss", self.loss, above=0.0)


@dataclass
class StudyConfig:
    """A named set of cells and how they are executed: one file in ``conf/study``.

    ``cells`` maps a label to the overrides that make that cell; every cell is
    crossed with the ``grid`` and starts from ``common``. ``lr_points`` adds a
    grid axis of that many learning rates, log-spaced in the range that the
    cell's optimizer states. ``order`` is the study's place in the report. A plain ``snakemake`` leaves a
    study with ``opt_in`` out, and one ``about`` a data set where the overrides choose another. ``search: race`` gives
    seeds to the cells that can still be the best (:mod:`pipeline.answer`), and not ``seeds`` to each; ``race`` has the
    keys of ``python -m pipeline.answer``, as ``{budget: 60s}``. ``max_runs`` and ``max_steps`` are explained in
    :mod:`pipeline.lab.config.limits`.
    """

    name: str = MISSING
    title: str = ""
    order: int = 100
    opt_in: bool = False
    about: str = ""
    engine: str = "solo"
    pack_by: list[str] = field(default_factory=list)
    seeds: int = 1
    common: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    lr_points: int = 0
    search: str = "grid"
    race: dict[str, Any] = field(default_factory=dict)
    target: TargetConfig = field(default_factory=TargetConfig)
    max_runs: int = MAX_RUNS
    max_steps: int = MAX_STEPS

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.one_of(f"{self.name}: engine", self.engine, ENGINES)
        checks.one_of(f"{self.name}: search", self.search, SEARCHES)
        checks.whole(f"{self.name}: lr_points", self.lr_points, least=0)
        for key in ("seeds", "max_runs", "max_steps"):
            checks.whole(f"{self.name}: {key}", getattr(self, key), least=1)
        for axis, values in self.grid.items():
            if not values:
                raise UserError(f"{self.name}: grid.{axis}=[] is not allowed: it must have one value or more")
        for axis in self.pack_by:
            checks.one_of(f"{self.name}: pack_by", axis, PACK_AXES)


def _common(config: type[Any]) -> Any:
    """The common keys of a group as plain ones, to which a file may add those of its part."""
    return field(default_factory=lambda: dict(OmegaConf.to_container(OmegaConf.structured(config))))  # type: ignore[arg-type]


@dataclass
class AppConfig(PlainConfig):
    """``conf/config.yaml`` as Hydra composes it: one cell, and where its results go."""

    data: dict[str, Any] = _common(DataConfig)
    model: dict[str, Any] = _common(ModelConfig)
    optimizer: dict[str, Any] = _common(OptimizerConfig)
    schedule: dict[str, Any] = _common(ScheduleConfig)
    sampling: dict[str, Any] = _common(SamplingConfig)
    trainer: dict[str, Any] = _common(TrainerConfig)
    target: MetricConfig = field(default_factory=MetricConfig)
    label: str = ""
    study: StudyConfig | None = None
    job: str | None = None
    extension: str | None = None
    out: str | None = None
    data_dir: str = "results/data"
    mlflow_uri: str | None = None
    track: bool = True
    max_runs: int = MAX_RUNS
    max_steps: int = MAX_STEPS


def register() -> None:
    """Make the schema of ``conf/config.yaml`` known to Hydra, and the bases that files of earlier versions extend."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=AppConfig)
    store.store(group="study", name="base_study", node=StudyConfig)
    store.store(group="optimizer", name="base_optimizer", node={})
