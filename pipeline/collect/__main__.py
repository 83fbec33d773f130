"""``python -m pipeline.collect``: many jobs' tables in, one study's tables out."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError, exit_on_user_error

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def collect(jobs: Sequence[Path], out: Path) -> None:
    """Join the jobs' tables, in the order given.

    Parameters
    ----------
    jobs : sequence of Path
        Folders that hold ``runs.parquet`` and ``curves.parquet``.
    out : Path
        The study's folder.

    Raises
    ------
    UserError
        If a table is missing or of another version, or a run is there twice.
    """
    # Here, so that --help answers at once.
    from pipeline.tables import CURVES, RUNS, write_table

    runs = _join(jobs, "runs.parquet", RUNS)
    curves = _join(jobs, "curves.parquet", CURVES)
    twice = runs.duplicated(["cell_id", "seed"])
    if twice.any():
        raise UserError(f"the run of {runs[twice].cell_id.iloc[0]} is in more than one job of {out.name}")
    write_table(runs, RUNS, out / "runs.parquet")
    write_table(curves, CURVES, out / "curves.parquet")


def _join(jobs: Sequence[Path], name: str, schema: "pa.Schema") -> "pd.DataFrame":
    import pandas as pd

    from pipeline.tables import read_table

    return pd.concat([read_table(job / name, schema) for job in jobs], ignore_index=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.collect", description=__doc__)
    parser.add_argument("jobs", nargs="+", type=Path, metavar="JOB", help="a job's folder")
    parser.add_argument("--out", required=True, type=Path, help="the study's folder")
    arguments = parser.parse_args()
    with exit_on_user_error():
        collect(arguments.jobs, arguments.out)


if __name__ == "__main__":
    main()
