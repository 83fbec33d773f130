"""The command line of ``python -m pipeline.train``: checks before Hydra makes a folder, errors in one sentence.

Hydra reads the command line. It calls :class:`CheckFirst` when the configuration is composed, and the task only when
the job's folder, log and ``.hydra`` are there; so whatever can be wrong is checked in between, for every job of a
product, and a mistake leaves nothing behind.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from pipeline import parts
from pipeline.lab.config.compose import check_text, own_defaults
from pipeline.lab.config.schema import GROUPS
from pipeline.lab.config.yaml_file import read_config
from pipeline.lab.errors import UserError
from pipeline.lab.files import why_no_folder
from pipeline.parts import own, own_config
from pipeline.train.app import Job, read_job
from pipeline.train.product import BASIC, JobConfigs, check_total, points
from pipeline.train.sentences import refusing, without_schemas
from pipeline.train.terminal import announce

#: Cells of a product whose check, of some ten milliseconds each, is announced.
MANY = 30
#: Below ``hydra``: callbacks and handlers of logs are built from names, and a folder's files from anywhere.
_RUN_CODE = {"", "callbacks", "job_logging", "hydra_logging", "searchpath"}


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
        names += [entry for entry in own_defaults(config, where, list(files)) if entry not in names]


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


class CheckFirst(Callback):
    """Hydra's callback that checks a command when its configuration is composed and nothing is written."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Check the one job of a command without ``-m``."""
        with refusing():
            _check_keys_of_mode(config, multirun=False)
            if path := config.data.get("path"):  # a long table takes seconds to read
                print(f"training: on {path}, which is read first", file=sys.stderr, flush=True)
            check_jobs([_job(config, "hydra.run.dir")])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Check every job of a product; for a sweeper that searches, the ends of its axes."""
        with refusing():
            _check_keys_of_mode(config, multirun=True)
            str(config.hydra.sweep.dir)  # reads the clock, once for all jobs
            loader = GlobalHydra.instance().config_loader()
            options = loader.get_group_options
            # glob(*) would choose the schemas, too.
            vars(loader)["get_group_options"] = lambda *args, **keys: without_schemas(options(*args, **keys))
            configs, chosen = JobConfigs(loader, config), points(config)
            if len(chosen) > MANY:
                print(f"training: {len(chosen):,} cells, which are checked first", file=sys.stderr, flush=True)
            jobs = [
                _job(configs.compose(point, number), "hydra.sweep.dir", "hydra.sweep.subdir")
                for number, point in enumerate(chosen)
            ]
            runs = sum(cell.config.seeds for job in jobs for cell in job.cells)
            check_total(runs, [len(jobs), "seeds"], config.max_runs)
            check_jobs(jobs, searched=config.hydra.sweeper._target_ != BASIC)


def check_jobs(jobs: Sequence[Job], searched: bool = False) -> None:
    """Refuse jobs that could not be trained or stored, or whose tables would overwrite others; announce the rest.

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
    announce(jobs, searched)
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
    seeds = {cell.id: cell.config.replicates for cell in job.cells}
    lost = [run for run in table if run["seed"] not in seeds.get(run["cell_id"], ())]
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
    if why := why_no_folder(folder):
        raise UserError(f"{key}={folder} is not allowed: {why}")


#: A file or module and what is in it.
_REFERENCE = re.compile(r"[^\s,=()\[\]{}'\":]+:[A-Za-z_]\w*")


def with_own_code(overrides: Sequence[str]) -> dict[str, str]:
    """The overrides as Hydra can read them, once the models and optimizers that they name by their files are known."""
    found = {text: allow_own(text) for text in overrides}
    models = [one for text in overrides if _kind(text) == "model" for one in _REFERENCE.findall(text)]
    if any(own_config.signature(one)[1] for one in models):
        found |= {text: f"++{text}" for text in overrides if text.startswith("model.")}  # its factory takes any key
    return found


def _kind(override: str) -> str:
    return override.lstrip("+").partition("=")[0].partition("@")[0]


def allow_own(text: str, within: Path | None = None) -> str:
    """Let a model or optimizer be used that is named by its file or module; Hydra finds it as a file of its group.

    Parameters
    ----------
    text : str
        An override.
    within : Path, optional
        The folder of the configuration file that says so.

    Returns
    -------
    str
        The override as Hydra can read it.
    """
    kind = _kind(text)
    if kind not in own.KINDS or ":" not in text:
        return text
    for given in dict.fromkeys(_REFERENCE.findall(text.partition("=")[2])):
        reference = own.allow(kind, given, within)
        place, _, name = reference.rpartition(":")
        if within is None and place.startswith(("/", "~")):
            # Hydra would take it for a path in its own folders.
            shown = f"{os.path.relpath(Path(place).expanduser())}:{name}"  # noqa: PTH109 -- it may go up
            text, reference = text.replace(given, shown), own.allow(kind, shown)
        group, _, last = (given if within is not None else reference).rpartition("/")
        store = ConfigStore.instance()
        store.store(
            group=f"{kind}/{group}".rstrip("/"), name=last, node=own_config.values(kind, reference), package=kind
        )
    return text
