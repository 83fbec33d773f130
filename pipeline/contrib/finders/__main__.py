"""``python -m pipeline.contrib.finders COMMAND``: how people find a setting, against the best that was measured.

install   install the libraries that are audited
audit     run every method on a problem of the study landscape
collect   make the table
draw      draw the figure
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.files import write_whole

NAME = "finders"


def install(options: argparse.Namespace) -> None:
    """Install the libraries; write which could not be, and why."""
    from pipeline.contrib.finders.libraries import install

    failed = install(options.folder)
    for why in failed.values():
        print(f"error: {why}")
    _write(failed, options.out)


def audit(options: argparse.Namespace) -> None:
    """Run every method; what fails is a row."""
    from pipeline.contrib.finders.audit import audit
    from pipeline.contrib.finders.libraries import use
    from pipeline.contrib.finders.methods import every_method
    from pipeline.contrib.finders.problems import read_landscape

    reasons = _read(options.installed)
    use(options.libraries)
    landscape = read_landscape(options.problem, options.study, options.data_dir, options.overrides)
    rows = audit(landscape, every_method(), reasons)
    _write({"offline_twin": landscape.dataset.offline_twin, "rows": rows}, options.out)


def collect(options: argparse.Namespace) -> None:
    """Make the table."""
    from pipeline.lab.machine import machine_facts
    from pipeline.measure.table import Measured, table_of, write_measured

    audited = [_read(path) for path in options.audited]
    table = table_of(NAME, [row for one in audited for row in one["rows"]])
    facts = {
        "machine": machine_facts(),
        "versions": dict(zip(table["library"], table["version"], strict=True)),
        "threads": 1,
        "data": {"name": "several", "offline_twin": any(one["offline_twin"] for one in audited)},
    }
    write_measured(Measured(NAME, table, facts), options.out)
    for row in table[(table["status"] != "ok") | (table["failed"] > 0)].itertuples():
        print(f"{row.problem}, {row.method}: {row.failed} of {row.repetitions} repetitions failed: {row.message}")


def draw(options: argparse.Namespace) -> None:
    """Draw the figure, and write its caption beside it."""
    from pipeline.figures import style
    from pipeline.figures.registry import figures_of
    from pipeline.measure.table import read_measured

    measured = read_measured(options.table)
    (entry,) = figures_of(measured)
    style.save(entry.draw(measured), options.out / f"measure_{entry.name}")
    write_whole(options.out / f"measure_{entry.name}.txt", entry.caption(measured) + "\n")


def _write(content: Any, path: Path) -> None:
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.finders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Any) -> argparse.ArgumentParser:
        """Make a function a subcommand, described by its docstring."""
        added = commands.add_parser(function.__name__, description=function.__doc__)
        added.set_defaults(function=function)
        return added

    add = command(install).add_argument
    add("--folder", type=Path, required=True, metavar="DIR", help="where they are installed, or found")
    add("--out", type=Path, required=True, metavar="FILE.json", help="says which could not be, and why")
    add = command(audit).add_argument
    add("problem", help="a label of the study landscape, as in 'airfoil linear'")
    add("--study", type=Path, required=True, metavar="DIR", help="its tables, results/landscape say")
    add("--data-dir", type=Path, required=True, metavar="DIR", help="the prepared data, results/data say")
    add("--libraries", type=Path, required=True, metavar="DIR", help="where the command install put them")
    add("--installed", type=Path, required=True, metavar="FILE.json", help="what the command install wrote")
    add("--out", type=Path, required=True, metavar="FILE.json", help="where the rows go")
    add("overrides", nargs="*", help="Hydra overrides that the study was trained with")
    add = command(collect).add_argument
    add("audited", type=Path, nargs="+", metavar="FILE.json", help="what the command audit wrote")
    add("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes")
    add = command(draw).add_argument
    add("table", type=Path, metavar="FILE.parquet", help="what the command collect wrote")
    add("--out", type=Path, required=True, metavar="DIR", help="where the figure goes")
    return parser


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    options = _parser().parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    main()
