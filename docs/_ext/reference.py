"""The reference pages: names, types and defaults from the code, one line each from descriptions.yaml.

Every function returns Markdown; nothing here reads or writes another file than the configuration and that YAML.
"""

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from pipeline.answer.question import Settings as AnswerSettings
from pipeline.lab.config import schema
from pipeline.lab.tables import CURVES, RUNS
from pipeline.workflow.settings import KEYS

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTIONS = Path(__file__).with_name("descriptions.yaml")
#: What people choose among, in the order of the page.
GROUPS = ("data", "model", "optimizer", "schedule", "sampling", "trainer", "study", "experiment", "measurement")
#: Modules with a command that one starts by hand, the most asked-for first.
COMMANDS = (
    "pipeline.train",
    "pipeline.answer",
    "pipeline.analysis.advise",
    "pipeline.fetch",
    "pipeline.whiten",
    "pipeline.collect",
    "pipeline.measure",
    "pipeline.track",
    "pipeline.figures",
    "pipeline.claims",
    "pipeline.report",
    "pipeline.analysis.extend",
    "pipeline.contrib.baseline",
    "pipeline.contrib.finders",
    "pipeline.contrib.frameworks",
    "pipeline.contrib.many_devices",
    "pipeline.contrib.picture",
    "pipeline.contrib.referee",
)


class Entry(NamedTuple):
    """A key or a column: its name, what kind of value it has, and its default."""

    name: str
    type: str
    default: str


def _type(given: Any) -> str:
    return given if isinstance(given, str) else getattr(given, "__name__", str(given)).replace("typing.", "")


def _default(one: "dataclasses.Field[Any]") -> str:
    value = one.default
    if value is dataclasses.MISSING:
        value = one.default_factory() if one.default_factory is not dataclasses.MISSING else "???"
    if value == "???":
        return "to be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "null" if value is None else f"`{value!r}`"


def _fields(config: type[Any], prefix: str = "") -> list[Entry]:
    return [Entry(f"{prefix}{one.name}", _type(one.type), _default(one)) for one in dataclasses.fields(config)]


def _columns(table: pa.Schema) -> list[Entry]:
    return [Entry(one.name, str(one.type), "may be null" if one.nullable else "never null") for one in table]


def entries() -> dict[str, list[Entry]]:
    """Every public key and column, by the part of the reference that lists it."""
    groups = {name: Entry(name, "group", f"conf/{name}/") for name in schema.GROUPS}
    nested = {**groups, "target": Entry("target", "MetricConfig", ""), "study": Entry("study", "group", "null")}
    plain = [nested.get(one.name, one) for one in _fields(schema.AppConfig)]
    below = [one for name, config in schema.GROUPS.items() for one in _fields(config, f"{name}.")]
    study = [one._replace(default="") if one.name == "target" else one for one in _fields(schema.StudyConfig)]
    return {
        "cell": [*plain, *below, *_fields(schema.MetricConfig, "target.")],
        "study": [*study, *_fields(schema.TargetConfig, "target.")],
        "answer": _fields(AnswerSettings),
        "workflow": [Entry(name, "list" if name.endswith("s") and name != "results" else "text", "") for name in KEYS],
        "environment": [Entry(name, "variable", "") for name in descriptions()["environment"]],
        "runs": _columns(RUNS),
        "curves": _columns(CURVES),
    }


def descriptions() -> dict[str, dict[str, str]]:
    """Part of the reference to name to its line."""
    found: dict[str, dict[str, str]] = yaml.safe_load(DESCRIPTIONS.read_text(encoding="utf-8"))
    return found


def _table(part: str, heads: tuple[str, ...]) -> str:
    said = descriptions()[part]
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    for one in entries()[part]:
        cells = (f"`{one.name}`", one.type, one.default, said[one.name])[: len(heads) - 1] + (said[one.name],)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def keys_page() -> str:
    """Keys of a cell, a study, a race and the workflow; environment variables."""
    keyed = ("key", "type", "default", "meaning")
    return f"""# Keys

Types and defaults are read from the code. Any key of a cell can be given on the command line, as in
`python -m pipeline.train optimizer=sgd batch_size=10 lr=0.05`; what is wrong is refused in one sentence that names the
key, the value and what is allowed.

## A cell

{_table("cell", keyed)}

## A study: a file of `conf/study/`

{_table("study", keyed)}

## A race: `python -m pipeline.answer KEY=VALUE`

{_table("answer", keyed)}

## The workflow: `--config KEY=VALUE` of Snakemake

{_table("workflow", ("key", "type", "meaning"))}

## Environment variables

{_table("environment", ("variable", "", "meaning"))}
"""


def tables_page() -> str:
    """Columns of the two tables of a study, and of every measurement."""
    parts = [
        "# Tables\n",
        "The results are Parquet files that pandas, DuckDB and R read: `results/STUDY/runs.parquet` and "
        "`curves.parquet`, and `results/measure/NAME.parquet`. Another set of columns is another version, which each "
        "file carries; a file of another version is refused.\n",
        f"## Runs: one row a run\n\n{_table('runs', ('column', 'type', 'nulls', 'meaning'))}\n",
        f"## Curves: one row a reading of the loss\n\n{_table('curves', ('column', 'type', 'nulls', 'meaning'))}\n",
        "## Measurements\n\nThe files of `conf/measurement/` declare the columns of each measurement's table; `?` "
        "marks one that may be null. [Measurements](../../measurements.md) says how each is made.\n",
    ]
    parts += [_file(path) for path in sorted((ROOT / "conf" / "measurement").glob("*.yaml"))]
    return "\n".join(parts)


def _file(path: Path) -> str:
    return f"### {path.stem}\n\n```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"


def choices_page() -> str:
    """Every file of the configuration's groups, with its comments on how to choose a value."""
    parts = ["# Choices\n", "What each group offers, as the files of `conf/` say it. Your own folder adds to them.\n"]
    for group in GROUPS[:-1]:
        parts.append(f"## {group}\n")
        parts += [_file(path) for path in sorted((ROOT / "conf" / group).glob("*.yaml"))]
    return "\n".join(parts)


def commands_page() -> str:
    """What every command says of itself with --help."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        helps = list(pool.map(_help, COMMANDS))
    parts = ["# Commands\n", "Printed by each command's `--help` when these pages were built.\n"]
    parts += [f"## {name}\n\n```text\n{text}\n```\n" for name, text in zip(COMMANDS, helps, strict=True)]
    return "\n".join(parts)


def _help(module: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def pages() -> dict[str, str]:
    """Every page, by its path below ``docs/generated``."""
    return {
        "reference/commands.md": commands_page(),
        "reference/keys.md": keys_page(),
        "reference/choices.md": choices_page(),
        "reference/tables.md": tables_page(),
    }
