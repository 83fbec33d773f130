"""``python -m pipeline.fetch --out DIR [OVERRIDES...]``: fetch the configured data set."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.errors import exit_on_user_error


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Fetch the data and print the path of the table.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.fetch", description="Fetch a data set, checked.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where NAME.dat and NAME.json go")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="Hydra overrides: data=airfoil_twin, data.on_unreachable=fail"
    )
    options = parser.parse_intermixed_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Here, so that --help answers at once.
    from pipeline.fetch.download import fetch
    from pipeline.lab.config import compose_data
    from pipeline.parts.data.table import as_table

    print(fetch(as_table(compose_data(options.overrides)), options.out, progress=not options.quiet))


if __name__ == "__main__":
    main()
