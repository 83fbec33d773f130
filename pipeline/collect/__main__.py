"""``python -m pipeline.collect``: join the tables of a study's jobs, and write down the study's title and labels."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.lab.errors import UserError
from pipeline.lab.stage import Options, argument, command

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

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
    from pipeline.lab.reading import clocks_of
    from pipeline.lab.tables import CURVES, RUNS, join_tables

    _refuse_repeats(jobs, out.name)
    for name, schema in (("runs.parquet", RUNS), ("curves.parquet", CURVES)):
        join_tables([job / name for job in jobs], schema, out / name)
    clocks_of(out / "runs.parquet")  # says so where there are several


def collect_study(name: str, out: Path, overrides: Sequence[str] = ()) -> None:
    """Join the tables of all jobs of a study, and write its words, and the answer of a race, to ``study.json``.

    Parameters
    ----------
    name : str
        The study.
    out : Path
        Its folder: the jobs' tables are in ``jobs`` there.
    overrides : sequence of str
        Hydra overrides that reach every cell.

    Raises
    ------
    UserError
        As :func:`collect`, or if the study cannot be read.
    """
    from pipeline.lab.config import load_study
    from pipeline.lab.config.study import RACE
    from pipeline.lab.errors import MAKE_AGAIN
    from pipeline.lab.facts import json_object
    from pipeline.lab.files import write_whole

    study = load_study(name, overrides, out / "extension")
    collect([out / "jobs" / job for job in study.jobs], out)
    found = {"answer": json_object(out / "jobs" / RACE / "answer.json", MAKE_AGAIN)} if RACE in study.jobs else {}
    write_whole(out / "study.json", json.dumps(study.words | found, indent=1, ensure_ascii=False) + "\n")


def _refuse_repeats(jobs: Sequence[Path], study: str) -> None:
    """Keep only a hash of each run's key, eight bytes."""
    import numpy as np
    import pandas as pd

    hashes = np.sort(np.concatenate([_hashes(keys) for job in jobs for keys in _keys(job)]))
    repeated = hashes[1:][hashes[1:] == hashes[:-1]]
    if not len(repeated):
        return
    runs = pd.concat([keys[np.isin(_hashes(keys), repeated)] for job in jobs for keys in _keys(job)])
    twice = runs[runs.duplicated()]  # none where two hashes are the same by chance
    if len(twice):
        raise UserError(f"the run of {twice.cell_id.iloc[0]} is in more than one job of {study}")


def _keys(job: Path) -> "Iterator[pd.DataFrame]":
    from pipeline.lab.tables import RUNS, read_batches

    return (batch.to_pandas() for batch in read_batches(job / "runs.parquet", RUNS, KEY))


def _hashes(keys: "pd.DataFrame") -> "NDArray[np.uint64]":
    import numpy as np
    import pandas as pd

    return np.asarray(pd.util.hash_pandas_object(keys, index=False), dtype=np.uint64)


@command(
    "pipeline.collect",
    "Join the tables of a study's jobs, and write down the study's title and labels.",
    argument("jobs", nargs="*", metavar="JOB", help="a job's folder; with --study, an override such as lr=1"),
    argument("--study", metavar="NAME", help="collect all jobs of this study, from DIR/jobs"),
    argument("--out", required=True, type=Path, metavar="DIR", help="the study's folder"),
)
def main(options: Options) -> None:
    """Collect all jobs of a study, or the jobs named."""
    if options.study:
        collect_study(options.study, options.out, options.jobs)
    elif options.jobs:
        collect([Path(job) for job in options.jobs], options.out)
    else:
        options.misuse("give one JOB or more, or --study")


if __name__ == "__main__":
    main()
