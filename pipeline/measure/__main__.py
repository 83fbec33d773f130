"""``python -m pipeline.measure NAME --out FILE [--data FILE] [--images DIR] [--full] [--config-dir DIR]``: measure.

Several names, with as many files, are measured one after the other in one process: what they import is imported once.
"""

import shlex
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.errors import UserError
from pipeline.lab.stage import CONFIG_DIR, Options, argument, command
from pipeline.measure import measurement, measurements

if TYPE_CHECKING:
    from pipeline.measure.inputs import Inputs
    from pipeline.measure.table import Measured


def measured(name: str, inputs: "Inputs", before: "Measured | None" = None) -> "Measured":
    """Make a measurement and say on which machine, and with which data.

    Parameters
    ----------
    name : str
        A key of :func:`pipeline.measure.measurements`.
    inputs : Inputs
        Data and effort.
    before : Measured, optional
        What earlier processes measured: it comes first, unless another machine did, whose times say nothing of this
        one's.

    Returns
    -------
    Measured
    """
    import pandas as pd

    from pipeline.lab.machine import machine_facts, package_versions, usable_cores
    from pipeline.measure.table import Measured, table_of

    measure = parts.load("measurement", name).function
    start = time.perf_counter()
    table = table_of(name, measure(inputs))
    if measurement(name).repeated:
        table["process"] = pd.array([inputs.process] * len(table), "Int64")
    facts: dict[str, Any] = {
        "seconds": round(time.perf_counter() - start, 3),
        "machine": machine_facts(),
        "versions": package_versions(),
        "threads": usable_cores(),
        "data": None,
    }
    if inputs.dataset is not None:
        data = inputs.dataset
        facts["data"] = {"name": data.name, "rows": len(data.X), "offline_twin": data.offline_twin}
    if before is not None and before.facts["machine"]["CPU"] == facts["machine"]["CPU"]:
        table = pd.concat([before.table, table], ignore_index=True)
    return Measured(name, table, facts)


@command(
    "pipeline.measure",
    lambda: "\n".join(["Measure some of", *(f"  {name:<16}{entry.title}" for name, entry in measurements().items())]),
    argument("names", metavar="NAME", nargs="+", help="what to measure"),
    CONFIG_DIR,
    argument("--out", type=Path, required=True, nargs="+", metavar="FILE.parquet", help="where each table goes"),
    argument("--data", type=Path, metavar="FILE.parquet", help="the whitened table"),
    argument("--rows", type=int, default=1500, help="how many of its first rows are training examples"),
    argument("--images", type=Path, metavar="DIR", help="the digits as PNG files; written if it is missing"),
    argument(
        "--also",
        action="append",
        default=[],
        type=shlex.split,
        metavar="OVERRIDES",
        help="of step_cost: measure other cells too, as in --also 'model=mlp sampling=with_replacement'",
    ),
    argument("--full", action="store_true", help="more configurations, more repeats"),
    argument(
        "--after",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE.parquet",
        help="the tables of earlier processes",
    ),
)
def main(options: Options) -> None:
    """Measure, write the table, print its path."""
    from pipeline.lab.dataset import load_dataset
    from pipeline.measure.inputs import Inputs
    from pipeline.measure.table import read_measured, write_measured

    for name in options.names:
        checks.one_of("measurement", name, measurements())
    for option, given in (("--out", options.out), ("--after", options.after or options.out)):
        if len(given) != len(options.names):
            raise UserError(f"{option} is not allowed with {len(given)} files: {len(options.names)} are measured")
    if options.also and "step_cost" not in options.names:
        raise UserError(f"--also is not allowed with {options.names[0]}: only step_cost measures other cells")
    table = load_dataset(options.data, options.rows) if options.data is not None else None
    folder = options.data.parent if options.data is not None else Inputs.folder
    for name, out, after in zip_longest(options.names, options.out, options.after):
        before = read_measured(after) if after is not None else None
        process = 1 if before is None else int(before.table["process"].max()) + 1
        given = table if measurement(name).data else None, options.images, options.full, options.also, folder, process
        result = measured(name, Inputs(*given), before)
        write_measured(result, out)
        print(f"{out}: {len(result.table)} rows in {result.facts['seconds']:.1f} s")


if __name__ == "__main__":
    main()
