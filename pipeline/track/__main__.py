"""``python -m pipeline.track [--uri URI] STUDY_DIR... --done FILE``: log studies to MLflow, or ``--init`` the store."""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import exit_on_user_error
from pipeline.files import written_whole
from pipeline.track.store import DEFAULT_URI, EXPERIMENT, ensure_store, masked


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Log studies, or make the store they will be logged to.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.track", description="Log studies to MLflow: one run per cell, nothing twice."
    )
    parser.add_argument("studies", nargs="*", type=Path, metavar="STUDY_DIR", help="with runs.parquet, curves.parquet")
    parser.add_argument("--init", action="store_true", help="only make the store and the experiment")
    parser.add_argument(
        "--uri",
        default=os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI,
        help=f"MLflow tracking URI (MLFLOW_TRACKING_URI, else {DEFAULT_URI})",
    )
    parser.add_argument("--provenance", type=Path, metavar="FILE", help="where the data came from, as JSON")
    parser.add_argument("--done", type=Path, required=True, metavar="FILE", help="written at the end: JSON with counts")
    options = parser.parse_intermixed_args(arguments)
    if options.init == bool(options.studies):
        parser.error("give one STUDY_DIR or more, or --init")
    # Here and below, so that --help answers at once.

    done = _init(options.uri) if options.init else _log(options.studies, options.uri, options.provenance)
    with written_whole(options.done) as temporary:
        temporary.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")


def _init(uri: str) -> dict[str, Any]:
    ensure_store(uri)
    print(f"{masked(uri)}: ready")
    return {"experiment": EXPERIMENT}


def _log(folders: Sequence[Path], uri: str, provenance: Path | None) -> dict[str, Any]:
    from pipeline.tables import CURVES, RUNS, read_table
    from pipeline.track.log import log_study

    origin = json.loads(provenance.read_text(encoding="utf-8")) if provenance else None
    done: dict[str, Any] = {}
    for folder in folders:
        runs = read_table(folder / "runs.parquet", RUNS)
        curves = read_table(folder / "curves.parquet", CURVES)
        summary = log_study(runs, curves, uri, complete=True, folder=folder, provenance=origin)
        print(f"{folder.name}: {summary}")
        done[folder.name] = dataclasses.asdict(summary)
    return done


if __name__ == "__main__":
    main()
