"""``python -m pipeline.fetch --out DIR [OVERRIDES...]``: fetch the configured data set."""

import logging
from pathlib import Path

from pipeline.lab.stage import Options, argument, command


@command(
    "pipeline.fetch",
    "Fetch a data set, checked.",
    argument("--out", type=Path, required=True, metavar="DIR", help="where NAME.dat and NAME.json go"),
    argument("--quiet", action="store_true", help="no progress bar"),
    argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="Hydra overrides: data=airfoil_twin, data.on_unreachable=fail"
    ),
)
def main(options: Options) -> None:
    """Fetch the data and print the path of the table."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from pipeline.fetch.download import fetch
    from pipeline.lab.config import compose_data
    from pipeline.parts.data.table import as_table

    print(fetch(as_table(compose_data(options.overrides)), options.out, progress=not options.quiet))


if __name__ == "__main__":
    main()
