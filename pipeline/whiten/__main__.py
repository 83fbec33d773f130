"""``python -m pipeline.whiten --raw FILE.dat --out FILE.parquet [OVERRIDES...]``: parse and whiten a fetched table."""

from pathlib import Path

from pipeline.lab.stage import Options, argument, command


@command(
    "pipeline.whiten",
    "Parse and whiten a fetched table.",
    argument("--raw", type=Path, required=True, metavar="FILE.dat", help="the table, as fetched"),
    argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the whitened table goes"),
    argument("overrides", nargs="*", metavar="OVERRIDE", help="Hydra overrides: data=airfoil_twin, data.whiten=zca"),
)
def main(options: Options) -> None:
    """Whiten the table and print the path of the result."""
    from pipeline.lab.config import compose_data
    from pipeline.parts.data.table import as_table
    from pipeline.whiten.table import whiten_file

    print(whiten_file(options.raw, options.out, as_table(compose_data(options.overrides))))


if __name__ == "__main__":
    main()
