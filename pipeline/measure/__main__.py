"""``python -m pipeline.measure NAME --out FILE [--data FILE] [--images DIR] [--full] [--config-dir DIR]``: measure."""

import shlex
import time
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


def measured(name: str, inputs: "Inputs") -> "Measured":
    """Make a measurement and say on which machine, and with which data.

    Parameters
    ----------
    name : str
        A key of :func:`pipeline.measure.measurements`.
    inputs : Inputs
        Data and effort.

    Returns
    -------
    Measured
    """
    from pipeline.lab.machine import machine_facts, package_versions, usable_cores
    from pipeline.measure.table import Measured, table_of

    measure = parts.load("measurement", name).function
    start = time.perf_counter()
    table = table_of(name, measure(inputs))
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
    return Measured(name, table, facts)


@command(
    "pipeline.measure",
    lambda: "\n".join(["Measure one of", *(f"  {name:<16}{entry.title}" for name, entry in measurements().items())]),
    argument("name", metavar="NAME", help="what to measure"),
    CONFIG_DIR,
    argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes"),
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
)
def main(options: Options) -> None:
    """Measure, write the table, print its path."""
    from pipeline.lab.dataset import load_dataset
    from pipeline.measure.inputs import Inputs
    from pipeline.measure.table import write_measured

    checks.one_of("measurement", options.name, measurements())
    entry = measurement(options.name)
    if options.also and options.name != "step_cost":
        raise UserError(f"--also is not allowed with {options.name}: only step_cost measures other cells")
    dataset = load_dataset(options.data, options.rows) if options.data is not None and entry.data else None
    folder = options.data.parent if options.data is not None else Inputs.folder
    result = measured(options.name, Inputs(dataset, options.images, options.full, options.also, folder))
    write_measured(result, options.out)
    print(f"{options.out}: {len(result.table)} rows in {result.facts['seconds']:.1f} s")


if __name__ == "__main__":
    main()
