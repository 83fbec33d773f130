"""``python -m pipeline.measure NAME --out FILE [--data FILE] [--images DIR] [--full] [--config-dir DIR]``: measure."""

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import parts
from pipeline.lab import checks
from pipeline.lab.errors import UserError, exit_on_user_error
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


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:<16}{entry.title}" for name, entry in measurements().items())
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.measure",
        description=f"Measure one of\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="what to measure")
    parser.add_argument("--config-dir", metavar="DIR", help="a folder with measurements of your own")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the table goes")
    parser.add_argument("--data", type=Path, metavar="FILE.parquet", help="the whitened table")
    parser.add_argument("--rows", type=int, default=1500, help="how many of its first rows are training examples")
    parser.add_argument("--images", type=Path, metavar="DIR", help="the digits as PNG files; written if it is missing")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        type=shlex.split,
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

    parts.use(options.config_dir)
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
