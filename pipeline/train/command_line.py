"""The command line of ``python -m pipeline.train``: checks before Hydra makes a folder, errors in one sentence.

Hydra reads the command line. It calls :class:`CheckFirst` when the configuration is composed, and the task only when
the job's folder, log and ``.hydra`` are there; so whatever can be wrong is checked in between, for every job of a
product, and a mistake leaves nothing behind.
"""

import copy
import itertools
import math
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.config.compose import check_text, first_line, own_defaults
from pipeline.lab.config.limits import check_runs
from pipeline.lab.config.schema import CELL_FIELDS, GROUPS, SCALARS
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError
from pipeline.train.app import Job, read_job
from pipeline.train.failures import FailedRunsError
from pipeline.train.own_code import allow_own, with_own_code

#: Plug-ins of Hydra's that are packages of their own, by what is asked for.
_PACKAGES = {
    **dict.fromkeys(("submitit_local", "submitit_slurm"), "hydra-submitit-launcher"),
    **dict.fromkeys(("ray", "ray_aws"), "hydra-ray-launcher"),
    **{name: f"hydra-{name}-launcher" for name in ("joblib", "rq")},
    **{name: f"hydra-{name}-sweeper" for name in ("ax", "nevergrad", "optuna")},
    "colorlog": "hydra-colorlog",
}
#: Packages that read the command line and the configuration's files.
_READERS = {"hydra", "omegaconf", "antlr4", "yaml"}
#: Below ``hydra``: callbacks and handlers of logs are built from names, and a folder's files from anywhere.
_RUN_CODE = {"", "callbacks", "job_logging", "hydra_logging", "searchpath"}
_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def read_options(arguments: Sequence[str]) -> list[str]:
    """Check the options that Hydra would obey before it composes anything.

    Parameters
    ----------
    arguments : sequence of str
        The command line, without the program's name.

    Returns
    -------
    list of str
        The same with the overrides first: ``argparse`` wants them in one group, and ``lr=0.1 -m epochs=1,2`` has two.

    Raises
    ------
    UserError
        If one would run code that the lab does not have, or read its configuration from elsewhere.
    SystemExit
        If there is no such option.
    """
    options = get_args_parser().parse_intermixed_args(list(arguments))
    if options.experimental_rerun is not None:
        raise UserError("--experimental-rerun is not allowed: it loads a pickle, which may hold any code")
    for name in ("config_path", "config_name"):
        if getattr(options, name) is not None:
            flag = f"--{name.replace('_', '-')}={getattr(options, name)}"
            raise UserError(f"{flag} is not allowed: add files of your own with --config-dir=FOLDER")
    for text in options.overrides:
        check_text(text)
        key = text.lstrip("+~").partition("=")[0]
        _check_key(key, key)
        if key.startswith("hydra") and "_target_" in text:
            raise UserError(f"{key} is not allowed: it names code for Hydra to run")
        if key.startswith("hydra.sweeper.params"):
            raise UserError(f"{key} is not allowed here: write the axis itself, as in -m lr=0.1,0.2; a file may say it")
        if key == "experiment" and not text.startswith("+"):
            raise UserError(f"{text} is not allowed: no experiment is chosen that it could replace; write +{text}")
        if text.startswith("~"):
            raise UserError(f"{text} is not allowed: a key cannot be taken away; give it a value, as in lr=0.05")
    parts.use(options.config_dir)
    own_code = with_own_code(options.overrides)
    for text in options.overrides:
        _check_files(*text.lstrip("+").partition("=")[::2])
    rest = list(arguments)
    for text in options.overrides:
        rest.remove(text)
    return [*(own_code[text] for text in options.overrides), *rest]


def _check_key(key: str, where: str) -> None:
    """Refuse a key of Hydra's that runs code, or reads files that are not checked."""
    first, *below = key.split(".")
    if first == "hydra" and (not below or below[0] in _RUN_CODE):
        raise UserError(f"{where} is not allowed: it names code for Hydra to run, or where to read it")


def _check_files(key: str, value: str) -> None:
    """Read the files that an override chooses as the lab does: Hydra obeys in them what somebody else's may not say."""
    group = key.partition("@")[0]
    if group.partition("/")[0] not in (*GROUPS, "study", "experiment"):
        return
    if "/" in group:
        raise UserError(f"{key}={value} is not allowed: there is no such group, only {group.partition('/')[0]}")
    files = parts.configurations(group)
    names = [name for name in files if name in value or "glob" in value]
    for name in names:  # grows: a file may build on others of its folder
        where = parts.shown(files[name])
        config = read_config(files[name], package="_global_" if group == "experiment" else "")
        if group == "experiment":
            _check_experiment(config, where, files[name].parent.parent)
        below = own_defaults(config, where, list(files))
        names += [entry for entry in below if entry not in names]


def _check_experiment(config: DictConfig, where: str, folder: Path) -> None:
    """Check a saved command line as one that is typed, and leave in its defaults the other experiments alone."""
    values = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    for key in values.get("hydra", {}):
        _check_key(f"hydra.{key}", f"{where}: hydra.{key}")
    for word in ("_target_", "env_set"):  # code for Hydra to run, and variables that choose it
        if word in str(config):
            raise UserError(f"{where} is not allowed to say {word}")
    entries = values.get("defaults", [])
    for key, value in [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]:
        group = str(key).split()[-1].lstrip("/")
        _check_key(group.replace("/", "."), f"{where}: {key}")
        if "${" in str(value) or group.partition("@")[0] not in GROUPS and not group.startswith("hydra/"):
            raise UserError(f"{where}: {key}={value} is not allowed: choose a file of {', '.join(GROUPS)}")
        allow_own(f"{group}={value}", within=folder)
        _check_files(group, str(value))
    if "defaults" in config:
        config.defaults = [entry for entry in entries if not isinstance(entry, dict)]


@contextmanager
def hydra_errors_in_one_sentence() -> Iterator[None]:
    """Turn what Hydra and its parsers raise into a :class:`UserError` that names key, value and what is allowed."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # raise errors; Hydra would print them over many lines
    try:
        yield
    except FailedRunsError:  # of a launcher's process: no error of the command line
        raise
    except (Refusal, Exception) as error:
        cause = cast(Exception, error.__cause__) if isinstance(error, Refusal) else error
        packages = [
            frame.f_globals["__name__"].partition(".")[0] for frame, _ in traceback.walk_tb(cause.__traceback__)
        ]
        if [name for name in packages if name in {"pipeline", *_READERS}][-1] != "pipeline":
            raise UserError(sentence(cause)) from None
        if isinstance(cause, OSError) and cause.filename is not None:
            raise UserError(f"{cause.filename} cannot be read or written: {cause.strerror}") from cause
        raise cause from None


def sentence(error: Exception) -> str:
    """Say in one sentence what a user can act on in an error of Hydra's."""
    text = str(error)
    if isinstance(error, OverrideParseException):
        return unreadable(error.override, error)
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return _no_such_choice(text, group, name, error.options)
    if match := re.match(r"(?:In '\S+': )?Could not override '([^']*)'", text):
        return _no_such_key(match[1], error.__cause__)
    if match := re.match(r"Could not append to config. An item is already at '(.*)'", text):
        return f"+{match[1]} is not allowed: the key is there already; leave out the +"
    if match := re.match(r"Ambiguous value for argument '(.*)'", text):
        return f"{match[1]} is not allowed here: give each key one value, or add -m to train every combination"
    if isinstance(error, HydraException | OmegaConfBaseException):
        return first_line(error)
    return f"{' '.join(sys.argv[1:])} cannot be read: {first_line(error)}"


def unreadable(override: str, error: Exception) -> str:
    """Say why an override cannot be read, and how to write it.

    Examples
    --------
    >>> print(unreadable("out=é", ValueError("token recognition error at: 'é'")))
    out=é cannot be read: quote the value, as in 'out="é"'
    """
    why = first_line(error)
    key, _, value = override.partition("=")
    if value and ("token recognition error" in why or "Lexer" in why):  # a character that only quotes allow
        quoted = shlex.quote(f'{key}="{value}"')
        return f"{override} cannot be read: quote the value, as in {quoted}"
    return f"the override {override!r} cannot be read: write key=value ({why})"


def _no_such_choice(text: str, group: str, name: str, options: Sequence[str]) -> str:
    if group.startswith("hydra/") and name in _PACKAGES:
        return f"{group}={name} needs a package that is not installed: pip install {_PACKAGES[name]}"
    where = re.sub(r"In '(hydra/)?config': ", "", text.partition("Could not find")[0])
    options = sorted(_without_schemas(options))
    return (
        f"{where}{group}={name} is not allowed: choose one of {', '.join(options)}{checks.did_you_mean(name, options)}"
    )


def _without_schemas(options: Sequence[str]) -> list[str]:
    return [option for option in options if not option.startswith("base_")]


def _no_such_key(key: str, cause: BaseException | None) -> str:
    """Name the keys that there are beside a wrong one."""
    given = next((text for text in sys.argv[1:] if text.lstrip("+").partition("=")[0] == key), key)
    if key.startswith("hydra/"):
        return f"{given} is not allowed: there is no such group; a plug-in's are there where it is installed and chosen"
    parent, _, last = key.rpartition(".")
    node = getattr(cause, "parent_node", None)
    keys = [str(one) for one in node if one != "hydra"] if isinstance(node, DictConfig) else list(CELL_FIELDS)
    near = get_close_matches(last, keys, n=1)
    hint = f"; did you mean {parent + '.' if parent else ''}{near[0]}?" if near else ""
    return f"{given} is not allowed: there is no such key, only {', '.join(keys)}{hint}"


class Refusal(BaseException):
    """Takes an exception out of a callback: Hydra turns those of class Exception into warnings."""


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Refusal from error


class CheckFirst(Callback):
    """Hydra's callback that checks a command when its configuration is composed and nothing is written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the one job of a command without ``-m``."""
        with _refusing():
            _check_keys_of_mode(config, multirun=False)
            check_jobs([_job(config, "hydra.run.dir")])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check every job of a product; for a sweeper that searches, the ends of its axes."""
        with _refusing():
            _check_keys_of_mode(config, multirun=True)
            str(config.hydra.sweep.dir)  # reads the clock, once for all jobs
            loader = GlobalHydra.instance().config_loader()
            options = loader.get_group_options
            # glob(*) would choose the schemas, too.
            vars(loader)["get_group_options"] = lambda *args, **keys: _without_schemas(options(*args, **keys))
            configs = JobConfigs(loader, config)
            jobs = [
                _job(configs.compose(point, number), "hydra.sweep.dir", "hydra.sweep.subdir")
                for number, point in enumerate(_points(config))
            ]
            runs = sum(cell.config.seeds for job in jobs for cell in job.cells)
            _check_total(runs, [len(jobs), "seeds"], config.max_runs)
            check_jobs(jobs)


def check_jobs(jobs: Sequence[Job]) -> None:
    """Refuse jobs that could not be trained or stored, or whose tables would overwrite others.

    Raises
    ------
    UserError
        Naming key, value and what is allowed.
    """
    numbers: dict[Path, int] = {}
    for number, job in enumerate(jobs):
        _check_folder("out", job.out)
        _check_folder("data_dir", job.data_dir)
        first = numbers.setdefault(job.out.resolve(), number)
        if first != number:
            raise UserError(
                f"out={job.out} is not allowed: jobs {first} and {number} of this product would write the same tables; "
                "leave out and hydra.sweep.subdir at their defaults, or put ${hydra:job.num} in the folder's name"
            )
        _check_overwritten(job)
    from pipeline.train.probe import check_buildable  # here: what is refused before needs no torch

    check_buildable(cell for job in jobs for cell in job.cells)


def _check_overwritten(job: Job) -> None:
    """Refuse a folder with the tables of runs that this job does not train."""
    path = job.out / "runs.parquet"
    if not path.exists():
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["study", "cell_id", "seed"]).to_pylist()
    except (OSError, pa.ArrowException):  # damaged, or no table of runs: nothing that could be lost
        return
    seeds = {cell.id: cell.config.seeds for cell in job.cells}
    lost = [run for run in table if run["seed"] >= seeds.get(run["cell_id"], 0)]
    if lost:
        studies = ", ".join(sorted({run["study"] for run in lost}))
        raise UserError(
            f"out={job.out} is not allowed: its runs.parquet has {len(lost):,} other runs (study {studies}), which "
            "would be lost; name another folder, or delete those tables first"
        )


def _check_keys_of_mode(config: DictConfig, *, multirun: bool) -> None:
    """Refuse Hydra's keys that would silently have no effect."""
    given = {text.lstrip("+").partition("=")[0]: text for text in config.hydra.overrides.hydra}
    if multirun and "hydra.run.dir" in given and "hydra.sweep.dir" not in given:
        raise UserError(f"{given['hydra.run.dir']} has no effect with -m: give hydra.sweep.dir")
    for key, text in given.items():
        only_of_products = re.match(r"hydra[./](launcher|sweeper)", key) or (
            key.startswith("hydra.sweep.") and "hydra.run.dir" not in given
        )
        if not multirun and only_of_products:
            raise UserError(f"{text} has no effect without -m, which trains a product of cells")


def _job(config: DictConfig, dir_key: str, subdir_key: str | None = None) -> Job:
    """Read a job as it will be read when it is launched, in the folder that Hydra will make for it."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        folder = Path(str(OmegaConf.select(config, dir_key)))
        if subdir_key is not None:
            folder /= str(OmegaConf.select(config, subdir_key))
        _check_folder(dir_key, folder)
        with read_write(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder.absolute())
        HydraConfig.instance().set_config(config)
        return read_job(config)
    finally:
        HydraConfig.instance().cfg = before


def _check_folder(key: str, folder: Path) -> None:
    """Refuse a place where no folder can be made."""
    try:
        place = folder.absolute()
        while not place.exists():
            place = place.parent
        usable = place.is_dir()
    except (OSError, ValueError) as error:
        raise UserError(f"{key}={folder} is not allowed: {getattr(error, 'strerror', None) or error}") from None
    if not usable:
        raise UserError(f"{key}={folder} is not allowed: it must be a folder, and {place} is a file")


def _points(config: DictConfig) -> list[list[str]]:
    """The overrides of each job of a product, counted before they are made."""
    sweeper = config.hydra.sweeper
    exhaustive = sweeper._target_ == _BASIC
    own = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items() if isinstance(value, str)]
    given = cast(list[str], OmegaConf.to_container(config.hydra.overrides.task, resolve=False))
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    # As BasicSweeper has it, the last one of a key wins.
    axes = {one.get_key_element(): one for one in parser.parse_overrides([*own, *given])}
    counts = [_count(one, exhaustive) for one in axes.values()]
    _check_total(math.prod(counts) if exhaustive else sum(counts), counts, config.max_runs)
    lists = [_texts(one) for one in axes.values()]
    for axis, texts in zip(axes.values(), lists, strict=True):
        if not texts:
            raise UserError(f"{axis.input_line} is not allowed: it has no value")
    if exhaustive:
        return [list(point) for point in itertools.product(*lists)]
    first = [texts[0] for texts in lists]
    return [first] + [
        [*first[:axis], text, *first[axis + 1 :]] for axis, texts in enumerate(lists) for text in texts[1:]
    ]


def _count(axis: Override, exhaustive: bool) -> float:
    """How many values an override has, without making them."""
    value = axis.value()
    if isinstance(value, IntervalSweep) and exhaustive:
        raise UserError(
            f"{axis.input_line} is not allowed: an interval needs a sweeper that searches, hydra/sweeper=optuna say "
            f"(pip install {_PACKAGES['optuna']}); choice and range list their values"
        )
    if isinstance(value, RangeSweep):
        start, stop, step = (float(cast(float, one)) for one in (value.start, value.stop, value.step))
        if step == 0 or not all(map(math.isfinite, (start, stop, step))):
            raise UserError(f"{axis.input_line} is not allowed: a range has finite bounds and a step other than 0")
        return max(0, math.ceil((stop - start) / step)) if math.isfinite((stop - start) / step) else math.inf
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def _texts(axis: Override) -> list[str]:
    """The overrides that an axis stands for, each as Hydra will read it."""
    key, value = axis.get_key_element(), axis.value()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if axis.is_sweep_override():
        return [f"{key}={text}" for text in axis.sweep_string_iterator()]
    return [cast(str, axis.input_line)]


def _check_total(runs: float, factors: Sequence[Any], max_runs: int) -> None:
    made_of = " x ".join(f"{one:,}" if isinstance(one, int | float) else str(one) for one in factors if one != 1)
    if runs == math.inf:
        raise UserError(f"this product: its runs ({made_of}) are without end: at most max_runs={max_runs}")
    check_runs("this product", int(runs), made_of, max_runs)


class JobConfigs:
    """The configurations of a product's jobs.

    Composed once per choice of groups (30 ms); plain values are set on a copy, through the structured configuration,
    so their types are still checked.

    Parameters
    ----------
    loader : ConfigLoader
        Hydra's.
    config : DictConfig
        What the whole command is composed to.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader, self._config = loader, config
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Compose the configuration of job ``number``, as Hydra's basic launcher would."""
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        plain = [one for one in parsed if one.key_or_group in SCALARS and not one.is_add() and not one.is_delete()]
        groups = tuple(text for text, one in zip(overrides, parsed, strict=True) if one not in plain)
        if groups not in self._composed:
            self._composed[groups] = self._loader.load_sweep_config(self._config, list(groups))
        config = copy.deepcopy(self._composed[groups])
        OmegaConf.copy_cache(from_config=self._config, to_config=config)
        for one in plain:
            OmegaConf.update(config, one.key_or_group, one.value())
        names = config.hydra.job.config.override_dirname
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.overrides.task = list(overrides)
            config.hydra.job.id = number
            config.hydra.job.num = number
            config.hydra.job.override_dirname = get_overrides_dirname(
                parsed, list(names.exclude_keys), str(names.item_sep), str(names.kv_sep)
            )
        return config
