"""``python -m pipeline.track STUDY_DIR...``: log studies to MLflow; ``--init``: make the store only."""

import argparse
import dataclasses
import json
import math
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.files import written_whole
from pipeline.lab.urls import masked
from pipeline.track.uri import DEFAULT_URI, PATIENCE

if TYPE_CHECKING:
    import pandas as pd


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
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.init == bool(options.studies):
        parser.error("give one STUDY_DIR or more, or --init")
    patience = _seconds(options.patience or os.environ.get("MINIBATCH_LAB_PATIENCE") or PATIENCE)
    # MLFLOW_TRACKING_URI is read here, not in the help: it may hold a password.
    uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    done = _init(uri, patience) if options.init else _log(uri, patience, options)
    if options.done is not None:
        with written_whole(options.done) as temporary:
            temporary.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.track", description="Log studies to MLflow: one run per cell, nothing twice."
    )
    parser.add_argument("studies", nargs="*", type=Path, metavar="STUDY_DIR", help="with runs.parquet, curves.parquet")
    parser.add_argument("--init", action="store_true", help="only make the store and the experiment")
    parser.add_argument("--uri", help=f"MLflow tracking URI (MLFLOW_TRACKING_URI, else {DEFAULT_URI})")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="captions.json: log each study's figures on its summary run too"
    )
    parser.add_argument("--only-summaries", action="store_true", help="with --figures: leave the cells alone")
    parser.add_argument("--partial", action="store_true", help="not all cells of their study: remove no others")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data, with their provenance")
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        help=f"how long to try a store that does not answer (MINIBATCH_LAB_PATIENCE, else {PATIENCE:.0f})",
    )
    parser.add_argument("--done", type=Path, metavar="FILE", help="written at the end: JSON with counts")
    return parser


def _seconds(given: str | float) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"patience {given} is not allowed: it must be a number of seconds, 0 or more")
    return seconds


# MLflow and pandas are imported below, so that --help answers at once.


def _init(uri: str, patience: float) -> dict[str, Any]:
    from pipeline.track.retry import with_patience
    from pipeline.track.store import EXPERIMENT, open_store
    from pipeline.track.uri import absolute_uri

    with_patience(absolute_uri(uri), lambda: open_store(uri), patience)
    print(f"{masked(uri)}: ready")
    return {"experiment": EXPERIMENT}


def _log(uri: str, patience: float, options: argparse.Namespace) -> dict[str, Any]:
    from pipeline.lab.tables import RUNS, read_table
    from pipeline.track.log import log_cells, log_summary
    from pipeline.track.summary import figures_of, summarize

    origins = [] if options.data is None else [_provenance(path) for path in sorted(options.data.glob("*.json"))]
    done: dict[str, Any] = {}
    for folder in options.studies:
        if not options.only_summaries:
            pieces = partial(_pieces, folder)
            complete = not options.partial
            counts = log_cells(pieces, uri, complete=complete, folder=folder, provenance=origins, patience=patience)
            print(f"{folder.name}: {counts}", flush=True)
            done[folder.name] = dataclasses.asdict(counts)
        if options.figures is None:
            continue
        runs = read_table(folder / "runs.parquet", RUNS)
        if not runs.empty:
            summary = summarize(runs, figures_of(str(runs["study"].iloc[0]), options.figures))
            counts = log_summary(summary, uri, patience=patience)
            print(f"{folder.name}'s summary: {counts}", flush=True)
            done[f"{folder.name} summary"] = dataclasses.asdict(counts)
    return done


def _pieces(folder: Path) -> "Iterator[tuple[pd.DataFrame, pd.DataFrame]]":
    from pipeline.lab.results import StudyResults

    return ((piece.runs, piece.curves) for piece in StudyResults.pieces(folder))


def _provenance(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a JSON object: {error}") from None


if __name__ == "__main__":
    main()
