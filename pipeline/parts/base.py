"""What the keys of every part of a kind have in common: the dataclasses that a part's ``Config`` extends."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import MISSING

from pipeline.lab import checks
from pipeline.lab.errors import UserError

#: The data's name wherever the offline twin was used, whatever was asked for.
TWIN_NAME = "airfoil_twin"
#: Float32 ends at 3.4e38, and some rules divide the rate by a small number first.
LR_MOST = 1e30

#: The range of a hyperparameter that is called so, and of the rule for the rest, whose names begin with ``rest_``;
#: others need only be finite, or are checked by the rule's ``Config``.
HYPERPARAMETER_RANGES: dict[str, dict[str, float]] = {
    **dict.fromkeys(["momentum", "beta1", "beta2", "rho", "alpha"], {"least": 0.0, "below": 1.0}),
    **dict.fromkeys(["eps", "eps_root", "weight_decay", "lr_ratio"], {"least": 0.0}),
    "ns_steps": {"least": 1.0},
}


@dataclass
class ModelConfig:
    """A model, found by its ``name``.

    ``inputs`` says what it reads, ``rows`` of numbers or ``images``, and ``outputs`` what it predicts, ``values`` or
    ``classes``: data and task must agree. ``any``: that is seen when it is tried before it first trains.
    """

    inputs: ClassVar[str] = "any"
    outputs: ClassVar[str] = "any"

    name: str = MISSING


@dataclass
class ScheduleConfig:
    """A learning-rate schedule, found by its ``name``.

    Every schedule may be preceded by a linear warm-up of so many steps, or so many epochs; it
    starts from ``warmup_from`` times ``lr``.
    """

    name: str = MISSING
    warmup_steps: int = 0
    warmup_epochs: float = 0.0
    warmup_from: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.whole("schedule.warmup_steps", self.warmup_steps, least=0)
        checks.number("schedule.warmup_epochs", self.warmup_epochs, least=0.0)
        checks.number("schedule.warmup_from", self.warmup_from, least=0.0)
        if self.warmup_steps and self.warmup_epochs:
            raise UserError(
                f"schedule.warmup_steps={self.warmup_steps} and schedule.warmup_epochs={self.warmup_epochs} are not "
                "allowed together: give one of them"
            )


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
class DataConfig:
    """A data set.

    Parameters
    ----------
    name : str
        The stem of the files' names.
    title, credit, licence : str
        For people: what it is, who made it, what it may be used for.
    reader : str
        The part of kind ``data`` that reads it, which has the rest of the keys.
    task : str
        The part of kind ``task`` that is learnt: it decides the loss.
    rows_total, rows : int
        Rows in the file (images in the folder), and how many of the first ones are trained on.

    Attributes
    ----------
    inputs : str
        What an example is, ``rows`` of numbers or ``images``.

    Raises
    ------
    UserError
        If a value is out of range; the sentence names the key, the value and what is allowed.
    """

    inputs: ClassVar[str] = "rows"

    name: str = MISSING
    title: str = MISSING
    credit: str = MISSING
    licence: str = MISSING
    reader: str = "table"
    task: str = "regression"
    rows_total: int = MISSING
    rows: int = MISSING

    @property
    def examples(self) -> int:
        """Number of training examples, ``N``."""
        return self.rows

    @property
    def features(self) -> int:
        """What a model gets as ``in_features``: numbers in a row, or channels of an image."""
        return 1

    @property
    def outputs(self) -> int:
        """What a model gets as ``out_features``: 1 for a value, the number of classes for a class."""
        return 1

    @property
    def file(self) -> str:
        """The file or folder below ``results/data`` that training reads."""
        return self.name

    def is_current(self) -> bool:
        """Whether what was found out when the configuration was composed still holds; it is composed anew if not."""
        return True

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.word("data.name", self.name)
        checks.whole("data.rows_total", self.rows_total, least=1)
        checks.whole("data.rows", self.rows, least=1)
        if self.rows > self.rows_total:
            raise UserError(f"data.rows={self.rows} is not allowed: at most data.rows_total={self.rows_total}")
