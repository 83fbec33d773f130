"""The structured configurations: types, defaults and ranges of every key of a cell.

``conf/config.yaml`` is one cell. Each group there extends a schema of this
file, so that a misspelt key, a wrong type or a value out of range is refused
when the configuration is composed, before anything is trained.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from pipeline.lab.config import checks, target
from pipeline.lab.config.data import DataConfig, DigitsConfig, TableConfig
from pipeline.lab.config.schedules import (
    CosineConfig,
    FactorConfig,
    InverseEpochConfig,
    MultiStepConfig,
    ScheduleConfig,
    StepPerEpochConfig,
)
from pipeline.lab.errors import UserError
from pipeline.lab.paths import PACKAGE

#: A study, or a product on the command line, of more runs is refused, and a run of more updates; both can be raised.
MAX_RUNS, MAX_STEPS = 200_000, 10_000_000
ENGINES = ("solo", "stacked")
IMPLEMENTATIONS = ("scratch", "torch")
#: The update rules from scratch, a file each.
_RULES = PACKAGE / "parts" / "optimizers"
#: Float32 ends at 3.4e38, and some rules divide the rate by a small number first.
LR_MOST = 1e30
#: Parameters of a perceptron: with gradients and Adam's two averages 16 bytes each.
MOST_PARAMETERS = 10**9

#: The axes by which a study's cells may be packed into jobs.
PACK_AXES = ("data", "model", "implementation", "optimizer", "schedule", "sampling", "batch_size", "lr", "epochs")

#: Where each hyperparameter of an update rule lives, and of the rule for the rest, whose names begin with ``rest_``;
#: others need only be finite.
HYPERPARAMETER_RANGES: dict[str, dict[str, float]] = {
    "momentum": {"least": 0.0, "below": 1.0},
    "beta1": {"least": 0.0, "below": 1.0},
    "beta2": {"least": 0.0, "below": 1.0},
    "rho": {"least": 0.0, "below": 1.0},
    "alpha": {"least": 0.0, "below": 1.0},
    "eps": {"least": 0.0},
    "eps_root": {"least": 0.0},
    "weight_decay": {"least": 0.0},
    "ns_steps": {"least": 1.0},
    "lr_ratio": {"least": 0.0},
}


@dataclass
class ModelConfig:
    """A model: ``name`` and the builder in :mod:`pipeline.parts.models` it is made by.

    ``task`` says what it can learn; see :class:`pipeline.lab.config.data.DataConfig`.
    """

    task: ClassVar[str] = "regression"

    name: str = MISSING
    _target_: str = MISSING


@dataclass
class LinearConfig(ModelConfig):
    """Linear regression, ``y = x w + b``."""

    weight_std: float = 0.01
    bias: str = "zeros"

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.number("model.weight_std", self.weight_std, least=0.0)
        checks.one_of("model.bias", self.bias, ("zeros", "uniform"))


@dataclass
class MLPConfig(ModelConfig):
    """A multilayer perceptron."""

    widths: list[int] = field(default_factory=lambda: [64, 64])
    activation: str = "relu"

    def __post_init__(self) -> None:
        """Check ranges."""
        for width in self.widths:
            checks.whole("model.widths", width, least=1)
        parameters = sum((i + 1) * o for i, o in pairwise([1, *self.widths, 1]))
        if parameters > MOST_PARAMETERS:
            raise UserError(
                f"model.widths={self.widths} is not allowed: it makes {parameters:,} parameters or more, and at most "
                f"{MOST_PARAMETERS:,} fit"
            )
        checks.one_of("model.activation", self.activation, ("relu", "tanh", "gelu", "sigmoid"))


@dataclass
class CNNConfig(ModelConfig):
    """Two convolutions and a linear layer: classes of small images."""

    task: ClassVar[str] = "classification"

    channels: list[int] = field(default_factory=lambda: [16, 32])
    pooled: int = 4
    classes: int = 10

    def __post_init__(self) -> None:
        """Check ranges."""
        if not self.channels:
            raise UserError("model.channels=[] is not allowed: it must have one width or more")
        for channels in self.channels:
            checks.whole("model.channels", channels, least=1, most=4096)
        checks.whole("model.pooled", self.pooled, least=1, most=64)
        checks.whole("model.classes", self.classes, least=2, most=10_000)


@dataclass
class OptimizerConfig:
    """An update rule: its hyperparameters, its learning rates, its counterpart in torch.optim."""

    name: str = MISSING
    hyperparams: dict[str, float] = field(default_factory=dict)
    lr_range: list[float] = field(default_factory=lambda: [1e-4, 1.0])
    torch: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        for key, value in self.hyperparams.items():
            checks.number(
                f"optimizer.hyperparams.{key}", value, **HYPERPARAMETER_RANGES.get(key.removeprefix("rest_"), {})
            )
        if len(self.lr_range) != 2 or not 0 < self.lr_range[0] < self.lr_range[1] <= LR_MOST:
            raise UserError(
                f"optimizer.lr_range={self.lr_range} is not allowed: it must be two rising numbers above 0 and "
                f"at most {LR_MOST:g}, [lowest, highest]"
            )


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


@dataclass
class CellConfig:
    """One cell: everything that decides its numbers, and how it is executed."""

    data: DataConfig = MISSING
    model: ModelConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    schedule: ScheduleConfig = MISSING
    sampling: SamplingConfig = MISSING
    trainer: TrainerConfig = MISSING
    implementation: str = "scratch"
    batch_size: int = 10
    lr: float = 0.05
    epochs: int = 2
    read_every: int = 200
    seeds: int = 1
    engine: str = "solo"

    def __post_init__(self) -> None:
        """Check ranges, alone and against the data."""
        checks.one_of("implementation", self.implementation, IMPLEMENTATIONS)
        checks.one_of("engine", self.engine, ENGINES)
        checks.whole("batch_size", self.batch_size, least=1)
        checks.number("lr", self.lr, above=0.0, most=LR_MOST)
        for key in ("epochs", "read_every", "seeds"):
            checks.whole(key, getattr(self, key), least=1)
        if self.batch_size > self.data.examples:
            raise UserError(
                f"batch_size={self.batch_size} is not allowed: {self.data.name} has {self.data.examples} training "
                f"examples, so it must be from 1 to {self.data.examples}"
            )
        self._check_building_blocks()
        self._check_match()

    def _check_building_blocks(self) -> None:
        """Check that what the cell is made of exists, and is what a configuration may name."""
        for group in ("model", "optimizer", "schedule"):
            checks.word(f"{group}.name", getattr(self, group).name)
        target.check("model._target_", self.model._target_)
        target.check("schedule._target_", self.schedule._target_)
        if self.implementation == "scratch" and not (_RULES / f"{self.optimizer.name}.py").is_file():
            raise UserError(
                f"implementation=scratch is not allowed with optimizer={self.optimizer.name}: there is no "
                f"pipeline/parts/optimizers/{self.optimizer.name}.py; write it, or use implementation=torch"
            )
        if self.implementation == "torch":
            if not self.optimizer.torch or "_target_" not in self.optimizer.torch:
                raise UserError(
                    f"implementation=torch is not allowed with optimizer={self.optimizer.name}: torch.optim has no "
                    "such optimizer; use implementation=scratch, or name a class in optimizer.torch._target_"
                )
            target.check("optimizer.torch._target_", self.optimizer.torch["_target_"])

    def _check_match(self) -> None:
        """Check that model, data and devices go together."""
        if self.model.task != self.data.task:
            raise UserError(
                f"model={self.model.name} is not allowed with data={self.data.name}: the model is made for "
                f"{self.model.task}, and the data are for {self.data.task}"
            )
        if self.trainer.devices > 1 and getattr(self.data, "loading", "tensors") == "per_item":
            raise UserError(
                f"data.loading=per_item is not allowed with trainer.devices={self.trainer.devices}: use "
                "data.loading=tensors, or one device"
            )


@dataclass
class StudyConfig:
    """A named set of cells and how they are executed: one file in ``conf/study``.

    ``cells`` maps a label to the overrides that make that cell; every cell is
    crossed with the ``grid`` and starts from ``common``. ``lr_points`` adds a
    grid axis of that many learning rates, log-spaced in the range that the
    cell's optimizer states. ``order`` is the study's place in the report. A plain ``snakemake`` leaves a
    study with ``opt_in`` out. ``max_runs`` and ``max_steps`` are explained in :mod:`pipeline.lab.config.limits`.
    """

    name: str = MISSING
    title: str = ""
    order: int = 100
    opt_in: bool = False
    engine: str = "solo"
    pack_by: list[str] = field(default_factory=list)
    seeds: int = 1
    common: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    lr_points: int = 0
    max_runs: int = MAX_RUNS
    max_steps: int = MAX_STEPS

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.one_of(f"{self.name}: engine", self.engine, ENGINES)
        checks.whole(f"{self.name}: seeds", self.seeds, least=1)
        checks.whole(f"{self.name}: lr_points", self.lr_points, least=0)
        checks.whole(f"{self.name}: max_runs", self.max_runs, least=1)
        checks.whole(f"{self.name}: max_steps", self.max_steps, least=1)
        for axis, values in self.grid.items():
            if not values:
                raise UserError(f"{self.name}: grid.{axis}=[] is not allowed: it must have one value or more")
        for axis in self.pack_by:
            checks.one_of(f"{self.name}: pack_by", axis, PACK_AXES)


@dataclass
class AppConfig(CellConfig):
    """``conf/config.yaml``: one cell, and where its results go."""

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
    """Make the schemas known to Hydra, under the names that ``conf/`` extends."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=AppConfig)
    store.store(group="study", name="base_study", node=StudyConfig)
    store.store(group="data", name="base_table", node=TableConfig)
    store.store(group="data", name="base_digits", node=DigitsConfig)
    store.store(group="model", name="base_linear", node=LinearConfig)
    store.store(group="model", name="base_mlp", node=MLPConfig)
    store.store(group="model", name="base_cnn", node=CNNConfig)
    store.store(group="optimizer", name="base_optimizer", node=OptimizerConfig)
    store.store(group="schedule", name="base_schedule", node=ScheduleConfig)
    store.store(group="schedule", name="base_factor", node=FactorConfig)
    store.store(group="schedule", name="base_multistep", node=MultiStepConfig)
    store.store(group="schedule", name="base_step_per_epoch", node=StepPerEpochConfig)
    store.store(group="schedule", name="base_inverse_epoch", node=InverseEpochConfig)
    store.store(group="schedule", name="base_cosine", node=CosineConfig)
    store.store(group="sampling", name="base_sampling", node=SamplingConfig)
    store.store(group="trainer", name="base_trainer", node=TrainerConfig)
