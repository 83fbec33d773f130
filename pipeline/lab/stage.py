"""The command line of a stage: its arguments as a table, and its errors in one sentence."""

import argparse
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from pipeline import parts
from pipeline.lab.errors import exit_on_user_error

Options = argparse.Namespace
Argument = tuple[tuple[str, ...], dict[str, Any]]


def argument(*names: str, **how: Any) -> Argument:
    """An argument of a command, as :meth:`argparse.ArgumentParser.add_argument` takes it."""
    return names, how


#: What several commands take.
STEP_COST = argument("--step-cost", type=Path, metavar="FILE.parquet", help="the measured time of a step")
CONFIG_DIR = argument("--config-dir", metavar="DIR", help="a folder with parts of your own")


def command(
    module: str, description: str | Callable[[], str], *arguments: Argument
) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Make a function of parsed options the ``main`` of a command.

    ``main`` takes the command line, that of the process by default, and ends with status 2 and one sentence after a
    mistake of the user's. A folder given with ``--config-dir`` is in use before the function is called, and
    ``options.misuse("...")`` refuses arguments that do not go together. What is slow to import is imported inside the
    function, so that ``--help`` answers at once.

    Parameters
    ----------
    module : str
        What follows ``python -m``.
    description : str or function that returns one
        What ``--help`` says first.
    *arguments : Argument
        Made by :func:`argument`.
    """

    def decorate(run: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(run)
        @exit_on_user_error()
        def main(given: Sequence[str] | None = None) -> None:
            parser = argparse.ArgumentParser(
                prog=f"python -m {module}",
                description=description if isinstance(description, str) else description(),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            for names, how in arguments:
                parser.add_argument(*names, **how)
            parser.set_defaults(misuse=parser.error)
            options = parser.parse_intermixed_args(given)
            if "config_dir" in options:
                parts.use(options.config_dir)
            run(options)

        return main

    return decorate
