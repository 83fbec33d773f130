"""What is asked: ``KEY=VALUE`` words in, the cells to race and how out."""

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, RangeSweep
from hydra.errors import HydraException

from pipeline.answer.contest import ACCURACY, Measure
from pipeline.lab import checks
from pipeline.lab.config import Cell, load_study
from pipeline.lab.config.cell import canonical_json
from pipeline.lab.config.compose import first_line, parse_overrides
from pipeline.lab.config.study import Study
from pipeline.lab.errors import UserError
from pipeline.lab.paths import PACKAGE
from pipeline.lab.variation import told_apart
from pipeline.parts import own

#: What may be scarce; epochs and examples are the same question.
CLOCKS = ("examples", "steps", "seconds")
SCARCE = ("any", "loss", "epochs", *CLOCKS)
#: Keys that change what is trained or decided.
DECIDING = ("scarce", "target", "metric", "alpha", "margin_loss", "margin_cost", "margin_accuracy")
#: Keys with a dot, as elsewhere in the lab.
ALIASES = {
    "margin.loss": "margin_loss",
    "margin.cost": "margin_cost",
    "margin.accuracy": "margin_accuracy",
    "target.loss": "target",
    "target.metric": "metric",
}


@dataclass
class Settings:
    """Keys of ``python -m pipeline.answer`` that are not a cell's.

    Parameters
    ----------
    study : str
        The study whose cells are raced.
    budget : str
        ``60s``, ``5min`` or ``runs=20000``; decided or not, the race ends there. Empty: when everything is decided.
    scarce : str
        ``seconds``, ``steps``, ``examples`` or ``epochs``: what reaching the target shall cost least of; ``loss``: the
        final loss alone; ``any``: all of them.
    target : float or None
        The loss to reach. None: a per cent above the best cell's median of the first optimizer (sgd, if it is raced).
    metric : str
        ``loss`` of the training examples, ``validation_loss`` or ``validation_accuracy``; ``auto``: the loss of the
        examples held out, where there are any.
    alpha : float
        Share of the claims that may be wrong.
    margin_loss, margin_cost, margin_accuracy : float
        Differences that do not matter: shares of the final loss and of a cost, and shares of the examples held out.
    report : int
        Further seeds, which had no part in choosing, that the reported numbers come from.
    cores : int
        Processes that train side by side; 0: one for each core.
    out, data_dir : str
        The folder of the answer, and that of the whitened data.
    tables : str
        A study's folder for a copy of the answer and for the tables of the first round; none is written where empty.
    """

    study: str = "answer"
    budget: str = ""
    scarce: str = "any"
    target: float | None = None
    metric: str = "auto"
    alpha: float = 0.05
    margin_loss: float = 0.001
    margin_accuracy: float = 0.005
    margin_cost: float = 0.05
    report: int = 40
    cores: int = 0
    out: str = "results/answer"
    data_dir: str = "results/data"
    tables: str = ""

    def __post_init__(self) -> None:
        """Check ranges."""
        checks.one_of("scarce", self.scarce, SCARCE)
        checks.one_of("metric", self.metric, ("auto", "loss", "validation_loss", ACCURACY))
        checks.number("alpha", self.alpha, above=0, below=0.5)
        for key in ("margin_loss", "margin_cost", "margin_accuracy"):
            checks.number(key, getattr(self, key), least=0, below=1)
        for key in ("report", "cores"):
            checks.whole(key, getattr(self, key), least=0)
        if self.target is not None:
            checks.number("target", self.target, above=0)
        self.limits()

    def limits(self) -> tuple[float, float]:
        """The budget in seconds and in runs; infinite where it has none."""
        found = re.fullmatch(r"(?:runs=)?(\d+(?:\.\d+)?)\s*(s|min|h|runs)?", self.budget)
        if not self.budget:
            return float("inf"), float("inf")
        if found is None or float(found[1]) <= 0 or (found[2] in (None, "runs")) != ("runs" in self.budget):
            raise UserError(f"budget={self.budget} is not allowed: write 60s, 5min, 2h or runs=20000")
        number = float(found[1])
        if "runs" in self.budget:
            return float("inf"), number
        return number * {"s": 1, "min": 60, "h": 3600}[found[2]], float("inf")


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked.

    Parameters
    ----------
    settings : Settings
        How it is raced.
    cells : list of Cell
        What is raced.
    fields : list of str
        Each cell's series: its optimizer, and what else tells it apart.
    """

    settings: Settings
    cells: list[Cell]
    fields: list[str]

    @property
    def measures(self) -> list[Measure]:
        """What the cells are compared by."""
        scarce = {"epochs": "examples"}.get(self.settings.scarce, self.settings.scarce)
        names = ("loss", *CLOCKS) if scarce == "any" else (scarce,)
        accuracy = self.settings.metric == ACCURACY
        final = Measure("loss", self.settings.margin_accuracy if accuracy else self.settings.margin_loss, accuracy)
        return [final if name == "loss" else Measure(name, self.settings.margin_cost) for name in names]

    @property
    def name(self) -> str:
        """The answer's folder: it depends on all that changes a number, the lab's code too, and not on the budget."""
        asked = {k: v for k, v in dataclasses.asdict(self.settings).items() if k in DECIDING}
        text = canonical_json([asked, [cell.id for cell in self.cells], _code(), version("torch")])
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        data, model = self.cells[0].config.data.name, own.short(self.cells[0].config.model.name)
        return f"{data}-{model}-{digest}"

    @property
    def folder(self) -> Path:
        """Where the runs and the answer are kept."""
        return Path(self.settings.out) / self.name


@cache
def _code() -> str:
    """A digest of what trains and decides."""
    files = sorted(path for folder in ("lab", "parts", "train", "answer") for path in (PACKAGE / folder).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def read_question(words: Sequence[str]) -> Question:
    """Read ``KEY=VALUE`` words: those of :class:`Settings`, and any key of a cell, several values apart by commas.

    Parameters
    ----------
    words : sequence of str
        As of ``python -m pipeline.answer``.

    Returns
    -------
    Question

    Raises
    ------
    UserError
        If a word is none, a key unknown, or a value not allowed.
    """
    settings, rest = _settings(words)
    overrides: list[str] = []
    grid: dict[str, list[Any]] = {}
    for text in rest:
        key, values = _values(text)
        for value in values if key in own.KINDS else ():
            if own.is_reference(value):
                own.allow(key, value)
        if len(values) > 1:
            grid[key] = values
        else:
            overrides.append(text)
    base = load_study(settings.study, overrides)
    known = [*(one.name for one in dataclasses.fields(Settings)), *ALIASES]
    for key in base.config.race:
        checks.one_of(f"study {base.name}: race: key", key, known)
    goal = {"target": base.config.target.loss, "metric": base.config.target.metric} | base.config.race
    settings, _ = _settings([*(f"{key}={value}" for key, value in goal.items() if value is not None), *words])
    if settings.tables and settings.metric == ACCURACY:
        raise UserError(
            f"metric={ACCURACY} is not allowed where tables are written, whose report compares losses: ask for it by "
            "python -m pipeline.answer without tables, or use metric=validation_loss"
        )
    config = dataclasses.replace(
        base.config,
        engine="stacked",
        seeds=1,
        grid={**base.config.grid, **grid},
        lr_points=0 if "lr" in grid else base.config.lr_points,
    )
    cells = Study(config, (*base.overrides, "seeds=1", "first_seed=0", "engine=stacked")).cells
    data = {cell.config.data.name for cell in cells}
    if len(data) > 1:
        raise UserError(f"data={','.join(sorted(data))} is not allowed: a race is about one data set; race each alone")
    apart = zip(cells, told_apart([dataclasses.asdict(cell.config) for cell in cells], ("optimizer",)), strict=True)
    fields = [", ".join(filter(None, (own.short(cell.config.optimizer.name), more))) for cell, more in apart]
    return Question(settings, cells, fields)


def _settings(words: Sequence[str]) -> tuple[Settings, list[str]]:
    known = {one.name: one for one in dataclasses.fields(Settings)}
    given: dict[str, Any] = {}
    rest = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"{word!r} is not allowed: write KEY=VALUE, as in optimizer=sgd,adam or budget=60s")
        name = ALIASES.get(key.removeprefix("race."), key.removeprefix("race."))
        if name in known:
            is_text = isinstance(known[name].default, str)
            given[name] = value if is_text else parse_overrides([f"{name}={value}"])[name]
        else:
            rest.append(word)
    return Settings(**given), rest


def _values(text: str) -> tuple[str, list[Any]]:
    """A key and its values, one or several apart by commas."""
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise UserError(f"{text!r} cannot be read: write KEY=VALUE ({first_line(error)})") from None
    key = override.get_key_element()
    if not override.is_sweep_override():
        return key, [override.value()]
    if not isinstance(override.value(), ChoiceSweep | RangeSweep):
        raise UserError(f"{text!r} is not allowed: give the values, as in {key}=1,2,3")
    return key, [parse_overrides([f"{key}={one}"])[key] for one in override.sweep_iterator()]
