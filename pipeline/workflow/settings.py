"""The settings of Snakemake's ``--config``, checked before anything runs; imports no torch."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.lab.config import checks
from pipeline.lab.config.compose import parse_overrides
from pipeline.lab.config.limits import split_limits
from pipeline.lab.config.study import study_names
from pipeline.lab.errors import UserError
from pipeline.lab.files import why_no_folder
from pipeline.lab.paths import ROOT, RULES
from pipeline.measure import measurements
from pipeline.parts import own
from pipeline.report.language import LANGUAGES

KEYS = ("overrides", "results", "studies", "measurements", "report_lang", "config_dir")
#: Folders of the results that are no study's.
_FOLDERS = {"data", "logs", "figures", "measure", "track", "frameworks", "finders"}


@dataclass(frozen=True)
class Settings:
    """The workflow's settings.

    Attributes
    ----------
    overrides : list of str
        Hydra overrides that reach every cell, and limits.
    cell_overrides : list of str
        Without the limits.
    results : str
        The folder of the results.
    studies, measurements : list of str or None
        What a plain ``snakemake`` runs; None: what it runs by default.
    report_lang : str
        The report's language: it changes no number, so it is no configuration of Hydra's.
    """

    overrides: list[str]
    cell_overrides: list[str]
    results: str
    studies: list[str] | None
    measurements: list[str] | None
    report_lang: str


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read Snakemake's ``config``.

    Parameters
    ----------
    config : mapping
        As Snakemake gives it.

    Returns
    -------
    Settings

    Raises
    ------
    UserError
        If there is another key, a value is of a wrong type, an override cannot be read, or a study cannot be run under
        its name.
    """
    unknown = sorted(str(key) for key in config if key not in KEYS)
    if unknown:
        value = config.get(unknown[0])
        raise UserError(
            f"--config {unknown[0]}={value} is not allowed: the keys are results, studies, "
            f"measurements, report_lang, config_dir and overrides, as in --config 'overrides=[{unknown[0]}={value}]'"
        )
    parts.use(config.get("config_dir"))
    overrides = _overrides(config.get("overrides"))
    own.allow_choices(parse_overrides(overrides))
    _check_studies(study_names())
    return Settings(
        overrides=overrides,
        cell_overrides=split_limits(overrides)[0],
        results=_results(config.get("results", "results")),
        studies=_names("studies", config.get("studies"), study_names()),
        measurements=_names("measurements", config.get("measurements"), sorted(measurements())),
        report_lang=_language(config.get("report_lang", "en")),
    )


def prepare_environment() -> None:
    """Let jobs run with this interpreter, and find this package from any working folder."""
    for name, folder in (("PATH", Path(sys.executable).parent), ("PYTHONPATH", ROOT)):
        rest = [each for each in os.environ.get(name, "").split(os.pathsep) if each and each != str(folder)]
        os.environ[name] = os.pathsep.join([str(folder), *rest])
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def _language(given: Any) -> str:
    checks.one_of("--config report_lang", given, LANGUAGES)
    return str(given)


def _overrides(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    if not isinstance(given, str | list):
        raise UserError(f"--config overrides={given} is not allowed: it must be a list, as in 'overrides=[epochs=4]'")
    return [str(text) for text in ([given] if isinstance(given, str) else given)]


def _results(given: Any) -> str:
    """A folder's name that Snakemake, which reads braces as wildcards, and the commands can take."""
    if isinstance(given, bool) or not isinstance(given, str | int | float) or not str(given).strip():
        raise UserError(f"--config results={given} is not allowed: it must be the name of a folder")
    name = str(given)
    bad = next((char for char in name if char in "{}\\" or not char.isprintable()), None)
    if bad is not None or name[0] in "-~" or name != name.strip():
        why = f"it holds {bad!r}" if bad is not None else "it begins with - or ~, or with or in a blank"
        raise UserError(f"--config results={name} is not allowed: {why}; name a folder without that")
    if why := why_no_folder(Path(name)):
        raise UserError(f"--config results={name} is not allowed: {why}")
    return Path(name).as_posix()


def _names(key: str, given: Any, allowed: list[str]) -> list[str] | None:
    """Read a list of names; None where nothing was said."""
    if given is None:
        return None
    if not isinstance(given, str | list):
        raise UserError(f"--config {key}={given} is not allowed: it must be a list, of {', '.join(sorted(allowed))}")
    names = [str(name) for name in ([given] if isinstance(given, str) else given)]
    for name in names:
        checks.one_of(f"--config {key}", name, allowed)
    return names


def _check_studies(names: Sequence[str]) -> None:
    """Refuse a file in ``conf/study`` whose name is no name, or already something else's.

    A study's name becomes a rule, a folder and a part of shell commands.
    """
    taken = _FOLDERS | _rules()
    for name in names:
        where = f"conf/study/{name}.yaml"
        checks.word(where, name, r"[A-Za-z][A-Za-z0-9_-]{0,63}", "a letter, then letters, digits, '_' and '-'")
        if name in taken:
            raise UserError(f"{where}: name={name} is not allowed: a rule or a folder of the results is called that")


def _rules() -> set[str]:
    """The names of the workflow's rules, and of its measurements'."""
    texts = [path.read_text(encoding="utf-8") for path in RULES.glob("*.smk")]
    written = {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE)}
    return written | {"all"} | {f"measure_{name}" for name in measurements()}
