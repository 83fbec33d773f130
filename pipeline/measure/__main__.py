"""``python -m pipeline.measure NAME --out FILE [--data FILE] [--images DIR] [--full]``: measure."""

import argparse
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.measure import MEASUREMENTS

if TYPE_CHECKING:
    from pipeline.measure.inputs import Inputs
    from pipeline.measure.table import Measured


def measured(name: str, inputs: "Inputs") -> "Measured":
    """Make a measurement and say on which machine, and with which data.

    Parameters
    ----------
    name : str
        One of :data:`pipeline.measure.MEASUREMENTS`.
    inputs : Inputs
        Data and effort.

    Returns
    -------
    Measured
    """
    from pipeline.lab.machine import machine_facts, package_versions, usable_cores
    from pipeline.measure.schemas import SCHEMAS
    from pipeline.measure.table import Measured

    module = import_module(f"pipeline.measure.{name}")
    start = time.perf_counter()
    table = module.measure(inputs)[SCHEMAS[name].names]
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


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<16}{entry.title}" for name, entry in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.measure",
        description=f"Measure one of\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=list(MEASUREMENTS), metavar="NAME", help="what to measure")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes")
    parser.add_argument("--data", type=Path, metavar="FILE.parquet", help="the whitened table")
    parser.add_argument("--rows", type=int, default=1500, help="how many of its first rows are training examples")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the digits as PNG files; written if it is missing")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        type=str.split,
        metavar="OVERRIDES",
        help="of step_cost: measure other cells too, as in --also 'model=mlp sampling=with_replacement'",
    )
    parser.add_argument("--full", action="store_true", help="more configurations, more repeats")
    return parser


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the table, print its path.

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
    # Here, so that --help answers at once.
    from pipeline.lab.dataset import load_dataset
    from pipeline.measure.inputs import Inputs
    from pipeline.measure.table import write_measured

    entry = MEASUREMENTS[options.name]
    if options.also and options.name != "step_cost":
        raise UserError(f"--also is not allowed with {options.name}: only step_cost measures other cells")
    dataset = load_dataset(options.data, options.rows) if options.data is not None and entry.data else None
    folder = options.data.parent if options.data is not None else Inputs.folder
    result = measured(options.name, Inputs(dataset, options.images, options.full, options.also, folder))
    write_measured(result, options.out)
    print(f"{options.out}: {len(result.table)} rows in {result.facts['seconds']:.1f} s")


if __name__ == "__main__":
    main()
