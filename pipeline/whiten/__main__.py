"""``python -m pipeline.whiten --raw FILE.dat --out FILE.parquet [OVERRIDES...]``: parse and whiten a fetched table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.lab.errors import exit_on_user_error


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Whiten the table and print the path of the result.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(prog="python -m pipeline.whiten", description="Parse and whiten a fetched table.")
    parser.add_argument("--raw", type=Path, required=True, metavar="FILE.dat", help="the table, as fetched")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the whitened table goes")
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="Hydra overrides: data=airfoil_twin, data.whiten=zca"
    )
    options = parser.parse_intermixed_args(arguments)
    # Here, so that --help answers at once.
    from pipeline.lab.config import compose_data
    from pipeline.parts.data.table import as_table
    from pipeline.whiten.table import whiten_file

    print(whiten_file(options.raw, options.out, as_table(compose_data(options.overrides))))


if __name__ == "__main__":
    main()
