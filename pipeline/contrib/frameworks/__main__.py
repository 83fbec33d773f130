"""``python -m pipeline.contrib.frameworks COMMAND``: the chapter's runs in other frameworks, step by step.

prepare      write the common problem
environment  make a framework's environment
run          measure a framework in it
collect      make the tables
draw         draw the figure
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.contrib.frameworks import FRAMEWORKS
from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.files import written_whole


def prepare(options: argparse.Namespace) -> None:
    """Write the common problem."""
    from pipeline.contrib.frameworks.prepare import prepare
    from pipeline.contrib.frameworks.problem import save_problem

    save_problem(prepare(options.data, options.overrides), options.out)


def environment(options: argparse.Namespace) -> None:
    """Make an environment; write where its Python is, or why there is none."""
    from pipeline.contrib.frameworks.environment import make_environment

    try:
        made = {"python": str(make_environment(options.framework, options.folder)), "message": ""}
    except UserError as error:
        made = {"python": "", "message": str(error)}
        print(f"error: {error}")
    _write(made, options.out)


def run(options: argparse.Namespace) -> None:
    """Measure a framework; what fails is a row."""
    from pipeline.contrib.frameworks.launch import failed, measure

    made = _read(options.environment)
    if made["python"]:
        rows = measure(options.framework, Path(made["python"]), options.problem, ["--repeats", str(options.repeats)])
    else:
        rows = [failed(options.framework, "environment", made["message"])]
    _write(rows, options.out)


def collect(options: argparse.Namespace) -> None:
    """Make the tables."""
    from pipeline.contrib.frameworks.problem import load_problem
    from pipeline.contrib.frameworks.table import CURVES, aggregate
    from pipeline.lab.machine import machine_facts
    from pipeline.lab.tables import write_table
    from pipeline.measure.table import Measured, write_measured

    problem = load_problem(options.problem)
    frameworks, curves = aggregate([row for path in options.measured for row in _read(path)], problem)
    facts = {
        "machine": machine_facts(),
        "versions": dict(zip(frameworks["framework"], frameworks["version"], strict=True)),
        "threads": 1,
        "data": {"name": problem.data, "rows": len(problem.X), "offline_twin": problem.offline_twin},
        "seconds": float((frameworks["seconds"].astype(float) * frameworks["repeats"]).sum()),
    }
    write_measured(Measured("frameworks", frameworks, facts), options.out)
    write_table(curves, CURVES, options.curves)
    for row in frameworks[frameworks["status"] != "ok"].itertuples():
        print(f"{row.framework} {row.name}: {row.status}: {row.message}")


def draw(options: argparse.Namespace) -> None:
    """Draw the figure, and write its caption beside it."""
    from pipeline.figures import style
    from pipeline.figures.registry import figures_of
    from pipeline.measure.table import read_measured

    measured = read_measured(options.table)
    (entry,) = figures_of(measured)
    style.save(entry.draw(measured), options.out / f"measure_{entry.name}")
    with written_whole(options.out / f"measure_{entry.name}.txt") as temporary:
        temporary.write_text(entry.caption(measured) + "\n", encoding="utf-8")


def _write(content: Any, path: Path) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.contrib.frameworks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(function: Any) -> argparse.ArgumentParser:
        """Make a function a subcommand, described by its docstring."""
        added = commands.add_parser(function.__name__, description=function.__doc__)
        added.set_defaults(function=function)
        return added

    add = command(prepare).add_argument
    add("--data", type=Path, required=True, metavar="FILE.parquet", help="the whitened table")
    add("--out", type=Path, required=True, metavar="FILE.npz", help="where the problem goes")
    add("overrides", nargs="*", help="Hydra overrides, epochs=4 say")
    add = command(environment).add_argument
    add("framework", choices=FRAMEWORKS)
    add("--folder", type=Path, required=True, metavar="DIR", help="where the environment is made, or found")
    add("--out", type=Path, required=True, metavar="FILE.json", help="says where its Python is")
    add = command(run).add_argument
    add("framework", choices=FRAMEWORKS)
    add("--environment", type=Path, required=True, metavar="FILE.json", help="what the command environment wrote")
    add("--problem", type=Path, required=True, metavar="FILE.npz", help="what the command prepare wrote")
    add("--out", type=Path, required=True, metavar="FILE.json", help="where the measurements go")
    add("--repeats", type=int, default=5, metavar="N", help="how often each run is trained")
    add = command(collect).add_argument
    add("measured", type=Path, nargs="+", metavar="FILE.json", help="what the command run wrote")
    add("--problem", type=Path, required=True, metavar="FILE.npz", help="what the command prepare wrote")
    add("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes")
    add("--curves", type=Path, required=True, metavar="FILE.parquet", help="where the readings go")
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
