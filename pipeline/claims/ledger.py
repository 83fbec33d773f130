"""``conf/claims.yaml``, read and checked: every key that is wrong is told before anything is computed."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from pipeline.claims import curves, measured, runs, sweeps
from pipeline.claims.effect import Effect
from pipeline.claims.evidence import Evidence
from pipeline.lab.config import checks
from pipeline.lab.errors import UserError
from pipeline.measure.schemas import SCHEMAS

Statistic = Callable[..., Effect]

#: What a claim may name as its statistic.
STATISTICS: dict[str, Statistic] = {
    function.__name__: function
    for function in (
        runs.run_ratio,
        runs.run_difference,
        runs.run_gap,
        runs.final_over_initial,
        runs.updates_per_epoch,
        runs.surplus_updates,
        runs.initial_over_zero_model,
        runs.moment_error,
        curves.loss_ratio,
        curves.progress_ratio,
        curves.loss_gap,
        curves.target_ratio,
        curves.share_of_readings,
        measured.measured_value,
        measured.measured_ratio,
        measured.log_slope,
        measured.gain_ratio,
        measured.epoch_metric_value,
        measured.epoch_metric_ratio,
        measured.epoch_metric_rounds,
        measured.epoch_metric_distortion,
        measured.critical_over_noise_scale,
        sweeps.lr_slope,
        sweeps.tuned_ratio,
        sweeps.defaults_ratio,
        sweeps.speedup_ratio,
        sweeps.examples_ratio,
    )
}
RULES = ("above", "below", "within")
#: Statistics that read a measurement without naming it.
_OWN_MEASUREMENT = {
    "gain_ratio": "gradient_noise",
    "epoch_metric_value": "epoch_metric",
    "epoch_metric_ratio": "epoch_metric",
    "epoch_metric_rounds": "epoch_metric",
    "epoch_metric_distortion": "epoch_metric",
    "critical_over_noise_scale": "noise_scale",
}


@dataclass(frozen=True)
class Rule:
    """When a test passes.

    Parameters
    ----------
    kind : str
        ``above``, ``below`` or ``within``.
    limits : tuple of float
        One threshold, or two for ``within``.
    """

    kind: str
    limits: tuple[float, ...]

    @property
    def words(self) -> str:
        """The rule as the end of a sentence."""
        return f"{self.kind} {' to '.join(f'{limit:g}' for limit in self.limits)}"


@dataclass(frozen=True)
class Test:
    """One number of a claim and the rule it is held against.

    Parameters
    ----------
    name : str
        What the number is.
    statistic : str
        One of :data:`STATISTICS`.
    arguments : mapping
        The statistic's.
    rule : Rule
        The threshold.
    """

    __test__ = False  # no test of pytest's

    name: str
    statistic: str
    arguments: Mapping[str, Any]
    rule: Rule

    def effect(self, evidence: Evidence) -> Effect:
        """Compute the number.

        Raises
        ------
        NoData
            If a table is missing.
        """
        return STATISTICS[self.statistic](evidence, **self.arguments)


@dataclass(frozen=True)
class Claim:
    """A sentence of the sources, in our words, and how it is decided.

    Parameters
    ----------
    id, source, text, setting, why : str
        Id, key of the source, the claim, which cells or measurements it is about, and why the thresholds are these.
    tests : tuple of Test
        The claim holds if all pass, and does not if one fails.
    """

    id: str
    source: str
    text: str
    setting: str
    why: str
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Ledger:
    """All claims.

    Parameters
    ----------
    sources : mapping
        Key to title.
    claims : tuple of Claim
        In the order of the file.
    """

    sources: Mapping[str, str]
    claims: tuple[Claim, ...]

    @property
    def studies(self) -> list[str]:
        """The studies that the claims are about."""
        tests = [test for claim in self.claims for test in claim.tests]
        return sorted({str(test.arguments["study"]) for test in tests if "study" in test.arguments})

    @property
    def measurements(self) -> list[str]:
        """The measurements that the claims are about."""
        tests = [test for claim in self.claims for test in claim.tests]
        named = {str(test.arguments["measurement"]) for test in tests if "measurement" in test.arguments}
        own = {_OWN_MEASUREMENT[test.statistic] for test in tests if test.statistic in _OWN_MEASUREMENT}
        return sorted(named | own)


def read_ledger(path: Path) -> Ledger:
    """Read the claims.

    Parameters
    ----------
    path : Path
        ``conf/claims.yaml``.

    Returns
    -------
    Ledger

    Raises
    ------
    UserError
        If the file cannot be read; if a key is missing, unknown or of a wrong type; if a statistic, a source or a
        measurement does not exist; if an id occurs twice.
    """
    try:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{path} is not YAML: {str(error).splitlines()[0]}") from None
    return parse_ledger(content, path.name)


def parse_ledger(content: Any, name: str = "claims.yaml") -> Ledger:
    """Check the content of the file; see :func:`read_ledger`."""
    fields = _fields(name, content, sources=dict, claims=list)
    sources = {str(key): _of_type(f"{name}: sources.{key}", title, str) for key, title in fields["sources"].items()}
    claims = tuple(_claim(f"{name}: claims[{i}]", entry, sources) for i, entry in enumerate(fields["claims"]))
    ids = [claim.id for claim in claims]
    for known in ids:
        if ids.count(known) > 1:
            raise UserError(f"{name}: id={known} is not allowed: {ids.count(known)} claims have it")
    return Ledger(sources, claims)


def _claim(key: str, entry: Any, sources: Mapping[str, str]) -> Claim:
    fields = _fields(key, entry, id=str, source=str, text=str, setting=str, why=str, tests=list)
    where = f"claim {fields['id']}"
    checks.word(f"{key}.id", fields["id"])
    checks.one_of(f"{where}: source", fields["source"], sources)
    if not fields["tests"]:
        raise UserError(f"{where}: tests=[] is not allowed: a claim takes at least one test")
    tests = tuple(_test(f"{where}: tests[{i}]", test) for i, test in enumerate(fields["tests"]))
    words = {name: " ".join(fields[name].split()) for name in ("id", "source", "text", "setting", "why")}
    return Claim(**words, tests=tests)


def _test(key: str, entry: Any) -> Test:
    fields = _fields(key, entry, name=str, statistic=str, arguments=dict, rule=dict)
    checks.one_of(f"{key}.statistic", fields["statistic"], STATISTICS)
    arguments = {str(name): value for name, value in fields["arguments"].items()}
    try:
        inspect.signature(STATISTICS[fields["statistic"]]).bind(Evidence(), **arguments)
    except TypeError as error:
        raise UserError(f"{key}.arguments of {fields['statistic']}: {error}") from None
    if "measurement" in arguments:
        checks.one_of(f"{key}.arguments.measurement", arguments["measurement"], SCHEMAS)
    return Test(" ".join(fields["name"].split()), fields["statistic"], arguments, _rule(f"{key}.rule", fields["rule"]))


def _rule(key: str, entry: Mapping[str, Any]) -> Rule:
    if len(entry) != 1:
        raise UserError(f"{key}={dict(entry)} is not allowed: it must have one of {', '.join(RULES)}")
    ((kind, given),) = entry.items()
    checks.one_of(key, str(kind), RULES)
    limits = given if isinstance(given, list) else [given]
    wanted = 2 if kind == "within" else 1
    if len(limits) != wanted:
        raise UserError(f"{key}.{kind}={given} is not allowed: it must be {wanted} number{'s' * (wanted > 1)}")
    for limit in limits:
        checks.number(f"{key}.{kind}", limit, above=-math.inf)
    if sorted(limits) != limits:
        raise UserError(f"{key}.{kind}={given} is not allowed: the lower limit comes first")
    return Rule(str(kind), tuple(float(limit) for limit in limits))


def _fields(key: str, entry: Any, **types: type) -> dict[str, Any]:
    """The entry, with exactly these keys of exactly these types."""
    _of_type(key, entry, dict)
    unknown = sorted(set(map(str, entry)) - set(types))
    if unknown:
        raise UserError(f"{key}.{unknown[0]} is not allowed: the keys are {', '.join(types)}")
    missing = [name for name in types if name not in entry]
    if missing:
        raise UserError(f"{key}.{missing[0]} is missing")
    return {name: _of_type(f"{key}.{name}", entry[name], kind) for name, kind in types.items()}


def _of_type(key: str, value: Any, kind: type) -> Any:
    names: dict[type, str] = {dict: "a mapping", list: "a list", str: "text"}
    if not isinstance(value, kind):
        raise UserError(f"{key}={value!r} is not allowed: it must be {names[kind]}")
    return value
