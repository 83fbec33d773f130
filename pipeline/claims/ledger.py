"""Read and check ``conf/claims.yaml``."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from pipeline.claims.effect import Effect
from pipeline.claims.evidence import Evidence
from pipeline.claims.statistics import statistics
from pipeline.lab.config import checks
from pipeline.lab.errors import UserError
from pipeline.parts import configurations

RULES = ("above", "below", "within")


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
        A key of :func:`pipeline.claims.statistics.statistics`.
    arguments : mapping
        The statistic's.
    rule : Rule
        The threshold.
    vary : mapping
        Arguments to the values that they take in turn: the claim is meant for all of them.
    exists : bool
        Whether one of these values is enough, as where the source says that something *can* be.
    """

    __test__ = False  # no test of pytest's

    name: str
    statistic: str
    arguments: Mapping[str, Any]
    rule: Rule
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    exists: bool = False

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every choice of the arguments that vary, the first of them varying fastest."""
        names = list(self.vary)
        return [
            dict(zip(names, reversed(chosen), strict=True))
            for chosen in product(*(self.vary[name] for name in reversed(names)))
        ]

    def effect(self, evidence: Evidence, at: Mapping[str, Any]) -> Effect:
        """Compute the number at one of :attr:`points`.

        Raises
        ------
        NoData
            If a table is missing.
        NotApplicable
            If the tables are of other data than the claim.
        """
        return statistics()[self.statistic].function(evidence, **self.arguments, **at)

    @property
    def rests_on(self) -> str:
        """What the number rests on, one of :data:`pipeline.claims.statistics.BASES`."""
        return statistics()[self.statistic].basis(self.arguments)


@dataclass(frozen=True)
class Claim:
    """A sentence of the sources, in our words, and how it is decided.

    Parameters
    ----------
    id, source, text, setting, why : str
        Id, key of the source, the claim, which cells or measurements it is about, and why the thresholds are these.
    tests : tuple of Test
        The claim holds if all pass, and does not if one fails.
    data : str
        The data set that it is about; empty where it is about any.
    by_construction : bool
        Whether it cannot be otherwise: its tests then check the lab and not the claim, and it is not counted.
    machine : str
        Why its verdict depends on the machine, or on how busy that is, where runs have given more than one; else empty.
    """

    id: str
    source: str
    text: str
    setting: str
    why: str
    tests: tuple[Test, ...]
    data: str = ""
    by_construction: bool = False
    machine: str = ""


@dataclass(frozen=True)
class Ledger:
    """All claims.

    Parameters
    ----------
    sources : mapping
        Key to title.
    claims : tuple of Claim
        In the order of the file.
    remarks : mapping
        Id to why a sentence of a source has no verdict: it claims nothing, or it is counted elsewhere.
    """

    sources: Mapping[str, str]
    claims: tuple[Claim, ...]
    remarks: Mapping[str, str] = field(default_factory=dict)


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
    fields = _fields(name, content, {"remarks": {}}, sources=dict, claims=list)
    sources, remarks = (
        {str(key): _of_type(f"{name}: {part}.{key}", text, str) for key, text in fields[part].items()}
        for part in ("sources", "remarks")
    )
    claims = tuple(_claim(f"{name}: claims[{i}]", entry, sources) for i, entry in enumerate(fields["claims"]))
    ids = [*(claim.id for claim in claims), *remarks]
    for known in ids:
        if ids.count(known) > 1:
            raise UserError(f"{name}: id={known} is not allowed: {ids.count(known)} claims have it")
    return Ledger(sources, claims, remarks)


def _claim(key: str, entry: Any, sources: Mapping[str, str]) -> Claim:
    defaults = {"data": "", "by_construction": False, "machine": ""}
    fields = _fields(key, entry, defaults, id=str, source=str, text=str, setting=str, why=str, tests=list)
    where = f"claim {fields['id']}"
    checks.word(f"{key}.id", fields["id"])
    checks.one_of(f"{where}: source", fields["source"], sources)
    if not fields["tests"] and not fields["by_construction"]:
        raise UserError(f"{where}: tests=[] is not allowed: a claim takes at least one test")
    tests = tuple(_test(f"{where}: tests[{i}]", test) for i, test in enumerate(fields["tests"]))
    texts = ("id", "source", "data", "text", "setting", "why", "machine")
    words = {name: " ".join(fields[name].split()) for name in texts}
    return Claim(**words, tests=tests, by_construction=fields["by_construction"])


def _test(key: str, entry: Any) -> Test:
    fields = _fields(key, entry, {"vary": {}, "exists": False}, name=str, statistic=str, arguments=dict, rule=dict)
    checks.one_of(f"{key}.statistic", fields["statistic"], statistics())
    arguments = {str(name): value for name, value in fields["arguments"].items()}
    vary = {str(name): _of_type(f"{key}.vary.{name}", values, list) for name, values in fields["vary"].items()}
    empty = [name for name, values in vary.items() if not values]
    if empty:
        raise UserError(f"{key}.vary.{empty[0]}=[] is not allowed: it must have one value or more")
    try:
        at = {name: values[0] for name, values in vary.items()}
        inspect.signature(statistics()[fields["statistic"]].function).bind(Evidence(), **arguments, **at)
    except TypeError as error:
        raise UserError(f"{key}.arguments of {fields['statistic']}: {error}") from None
    if "measurement" in arguments:
        checks.one_of(f"{key}.arguments.measurement", arguments["measurement"], configurations("measurement"))
    name, rule = " ".join(fields["name"].split()), _rule(f"{key}.rule", fields["rule"])
    return Test(name, fields["statistic"], arguments, rule, vary, fields["exists"])


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


def _fields(key: str, entry: Any, defaults: Mapping[str, Any], **types: type) -> dict[str, Any]:
    """The entry, with exactly these keys of exactly these types; those with a default may be left out."""
    entry = {**defaults, **_of_type(key, entry, dict)}
    types |= {name: type(value) for name, value in defaults.items()}
    unknown = sorted(set(map(str, entry)) - set(types))
    if unknown:
        raise UserError(f"{key}.{unknown[0]} is not allowed: the keys are {', '.join(types)}")
    missing = [name for name in types if name not in entry]
    if missing:
        raise UserError(f"{key}.{missing[0]} is missing")
    return {name: _of_type(f"{key}.{name}", entry[name], kind) for name, kind in types.items()}


def _of_type(key: str, value: Any, kind: type) -> Any:
    names: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
    if not isinstance(value, kind):
        raise UserError(f"{key}={value!r} is not allowed: it must be {names[kind]}")
    return value
