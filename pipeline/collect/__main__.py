"""``python -m pipeline.collect``: many jobs' tables in, one study's tables out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import UserError, exit_on_user_error

#: What tells two runs of a study apart.
KEY = ["cell_id", "seed"]


def collect(jobs: Sequence[Path], out: Path) -> None:
    """Join the jobs' tables, in the order given; memory does not grow with their number.

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
    # Here and below, so that --help answers at once.
    from pipeline.tables import CURVES, RUNS, join_tables

    _refuse_repeats(jobs, out.name)
    for name, schema in (("runs.parquet", RUNS), ("curves.parquet", CURVES)):
        join_tables([job / name for job in jobs], schema, out / name)


def _refuse_repeats(jobs: Sequence[Path], study: str) -> None:
    """Of all runs, only what tells them apart is held at once: some fifty bytes each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline.tables import RUNS, read_columns

    keys = pa.concat_tables([read_columns(job / "runs.parquet", RUNS, KEY) for job in jobs])
    counts = keys.group_by(KEY).aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if len(repeated):
        raise UserError(f"the run of {repeated['cell_id'][0]} is in more than one job of {study}")


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
