"""Check a command line of ``python -m pipeline.train`` before Hydra makes a folder for it.

Hydra calls the task only when the folder, the log and ``.hydra`` are there. So everything that can be wrong is looked
at here first, and a mistake leaves nothing behind. For a product (``-m``) that is every cell of it: a mistake in the
last one is told before the first one is trained.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, RangeSweep, Transformer
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.lab.config import Cell, checks, compose_cell, load_study
from pipeline.lab.config.compose import CELL_FIELDS, check_text, first_line, parse_overrides
from pipeline.lab.config.limits import LIMITS, check_runs, check_steps, split_limits
from pipeline.lab.config.schema import MAX_RUNS, MAX_STEPS, AppConfig
from pipeline.lab.errors import UserError
from pipeline.lab.paths import CONF
from pipeline.train.buildable import check_buildable

#: Keys of ``config.yaml`` that choose what is trained and where it goes, and are not a cell's.
RIM = ("study", "job", "extension", "out", "label", "mlflow_uri", "track", "data_dir")
_KEYS = (*CELL_FIELDS, *RIM, *LIMITS)
#: Hydra's own keys that are needed here. Others load code (callbacks, sweepers) or files from elsewhere.
_HYDRA = ("run.dir", "sweep.dir", "sweep.subdir", "output_subdir", "verbose", "job.name", "job.chdir")
_HYDRA_GROUPS = {
    "hydra/launcher": ("basic", "stacked", "joblib"),
    "hydra/job_logging": ("default", "stdout", "none", "disabled"),
    "hydra/hydra_logging": ("default", "none", "disabled"),
}
_OTHER_FOLDERS = ("config_path", "config_dir", "config_name")


def check_command_line(arguments: Sequence[str]) -> None:
    """Refuse what could not be trained, or not be stored; writes nothing.

    Parameters
    ----------
    arguments : sequence of str
        The command line, without the program's name.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    SystemExit
        If there is no such option.
    """
    options = get_args_parser().parse_args(list(arguments))
    if options.experimental_rerun is not None:
        raise UserError("--experimental-rerun is not allowed: it loads a pickle, which may hold any code")
    for name in _OTHER_FOLDERS:
        if getattr(options, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag}={getattr(options, name)} is not allowed: configurations are read from conf/")
    overrides = [_parsed(text) for text in options.overrides]
    for override in overrides:
        _check_key(override)
    if options.help or options.hydra_help or options.cfg or options.info or options.shell_completion:
        return  # they show something, and train nothing
    limits = {"max_runs": MAX_RUNS, "max_steps": MAX_STEPS}
    limits |= split_limits([cast(str, one.input_line) for one in overrides if not one.is_sweep_override()])[1]
    for key in LIMITS:
        checks.whole(key, limits[key], least=1)
    if options.multirun:
        cells = _check_product(overrides, **limits)
    else:
        cells = _check_one([cast(str, one.input_line) for one in overrides], **limits)
    check_buildable(cells)


def _parsed(text: str) -> Override:
    check_text(text)
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, RecursionError) as error:
        raise UserError(f"the override {text!r} cannot be read: write key=value ({first_line(error)})") from None


def _check_key(override: Override) -> None:
    """Refuse keys that there are not, and those of Hydra's that are not needed."""
    key, line = override.get_key_element().lstrip("+~"), override.input_line
    if override.is_delete():
        raise UserError(f"{line} is not allowed: a key cannot be taken away; give it a value, as in lr=0.05")
    if key.startswith("hydra/"):
        checks.one_of("key", key, _HYDRA_GROUPS)
        for choice in _values(override, _HYDRA_GROUPS[key]):
            checks.one_of(key, str(choice), _HYDRA_GROUPS[key])
    elif key.startswith("hydra"):
        checks.one_of("key", key, [f"hydra.{one}" for one in _HYDRA])
        # Hydra's own ways of saying: no folder beside the tables, and these loggers
        other = {"hydra.output_subdir": type(None), "hydra.verbose": object}.get(key, str)
        if not isinstance(override.value(), (str, int, float, other)):
            raise UserError(f"{line} is not allowed: it must be text")
    elif key.split(".")[0] not in _KEYS:
        near = get_close_matches(key.split(".")[0], _KEYS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{line} is not allowed: there is no such key, only {', '.join(_KEYS)}, hydra.run.dir{hint}")


def _values(override: Override, names: Iterable[str]) -> list[Any]:
    """The values of a key in a product: one, or those of its sweep; ``names`` are what a glob chooses from."""
    value: Any = override.value()
    if isinstance(value, Glob):
        return [
            name
            for name in names
            if any(fnmatchcase(name, one) for one in value.include)
            and not any(fnmatchcase(name, one) for one in value.exclude)
        ]
    if isinstance(value, IntervalSweep):
        raise UserError(f"{override.input_line} is not allowed: an interval has no end of values; use choice or range")
    return list(override.sweep_iterator(Transformer.identity)) if override.is_sweep_override() else [value]


def _count(override: Override) -> float:
    """How many values a sweep has, without making them."""
    value = override.value()
    if isinstance(value, RangeSweep):
        start, stop, step = (float(cast(float, one)) for one in (value.start, value.stop, value.step))
        if step == 0 or not all(map(math.isfinite, (start, stop, step))):
            raise UserError(f"{override.input_line} is not allowed: a range has finite bounds and a step other than 0")
        return max(0, math.ceil((stop - start) / step)) if math.isfinite((stop - start) / step) else math.inf
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def _check_product(overrides: Sequence[Override], max_runs: int, max_steps: int) -> list[Cell]:
    """Check every combination of a product, once their number is known to be bearable."""
    counts = [_count(one) for one in overrides]
    _check_total(math.prod(counts), counts, max_runs)
    lists = [_texts(one) for one in overrides]
    combinations = list(itertools.product(*lists))
    if not combinations:
        empty = next(one.input_line for one, texts in zip(overrides, lists, strict=True) if not texts)
        raise UserError(f"{empty} is not allowed: it has no value")
    cells = [cell for one in combinations for cell in _check_one(list(one), max_runs, max_steps)]
    _check_total(sum(cell.config.seeds for cell in cells), [len(combinations), "seeds"], max_runs)
    return cells


def _check_total(runs: float, factors: Sequence[Any], max_runs: int) -> None:
    made_of = " x ".join(f"{one:,}" if isinstance(one, int | float) else str(one) for one in factors if one != 1)
    if runs == math.inf:
        raise UserError(f"this product: its runs ({made_of}) are without end: at most max_runs={max_runs}")
    check_runs("this product", int(runs), made_of, max_runs)


def _texts(override: Override) -> list[str]:
    """The overrides that a sweep stands for, each as Hydra will read it."""
    if not override.is_sweep_override():
        return [cast(str, override.input_line)]
    key: str = override.get_key_element()
    if isinstance(cast(Any, override.value()), Glob):
        group = key.lstrip("+")
        return [f"{key}={name}" for name in _values(override, sorted(p.stem for p in (CONF / group).glob("*.yaml")))]
    _values(override, ())  # refuses an interval
    return [f"{key}={text}" for text in override.sweep_string_iterator()]


def _check_one(overrides: Sequence[str], max_runs: int, max_steps: int) -> list[Cell]:
    """Check one cell, or one study; give the cells that would be trained."""
    rest = [text for text in overrides if not text.lstrip("+").startswith("hydra")]
    own = [text for text in rest if _head(text) not in RIM]
    rim = _rim([text for text in rest if _head(text) in RIM])
    for key in ("out", "data_dir"):
        _check_folder(key, rim[key])
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        given = parse_overrides([text for text in overrides if text.lstrip("+").startswith(f"{key}=")])
        _check_folder(key, str(next(iter(given.values()), "")))
    if rim["study"] is None:
        cell = Cell(compose_cell(split_limits(own)[0]), label=str(rim["label"]))
        check_steps(cell, max_steps)
        check_runs("this cell", cell.config.seeds, f"seeds={cell.config.seeds}", max_runs)
        return [cell]
    study = load_study(rim["study"], own, Path(rim["extension"]) if rim["extension"] else None)
    if rim["job"] is not None:
        checks.one_of("job", rim["job"], study.jobs)
        return study.jobs[rim["job"]]
    return study.cells


def _head(text: str) -> str:
    return text.lstrip("+").partition("=")[0].partition(".")[0]


def _rim(overrides: Sequence[str]) -> dict[str, Any]:
    """The values of the keys that are no cell's, of the types that they must have."""
    for text in overrides:
        one = parse_overrides([text])
        if not isinstance(one.get("study", ""), str | None):
            raise UserError(f"{text} is not allowed: it must be the name of a file in conf/study")
    values = parse_overrides(overrides)
    study = values.pop("study", None)
    typed = OmegaConf.masked_copy(OmegaConf.structured(AppConfig), [key for key in RIM if key != "study"])
    for key, value in values.items():
        if key not in RIM:
            raise UserError(f"{key}={value} is not allowed: it is one value, and has no keys below")
        try:
            OmegaConf.update(typed, key, value)
        except OmegaConfBaseException as error:
            raise UserError(f"{key}={value} is not allowed: {first_line(error)}") from None
    given = {key: _interpolated(typed, key, value) for key, value in values.items()}
    return dict.fromkeys(RIM) | {"label": ""} | given | {"study": study}


def _interpolated(typed: DictConfig, key: str, given: Any) -> Any:
    """A value with what it takes from elsewhere put in; what it names must be there."""
    try:
        return typed[key]
    except OmegaConfBaseException as error:
        raise UserError(f"{key}={given} is not allowed: {first_line(error)}") from None


def _check_folder(key: str, value: Any) -> None:
    """Refuse a place where no folder can be, while there is nothing to lose."""
    if not value or "${" in str(value):
        return
    try:
        place = Path(str(value)).absolute()
        while not place.exists():
            place = place.parent
        usable = place.is_dir()
    except (OSError, ValueError) as error:
        raise UserError(f"{key}={value} is not allowed: {getattr(error, 'strerror', None) or error}") from None
    if not usable:
        raise UserError(f"{key}={value} is not allowed: it must be a folder, and {place} is a file")
