"""``python -m pipeline.track STUDY_DIR...``: log studies to MLflow; ``--init``: make the store only."""

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.files import written_whole
from pipeline.lab.settings import DEFAULT_URI, PATIENCE, Tracking


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
    settings = Tracking.read(options.uri, options.patience)
    done = _init(settings) if options.init else _log(settings, options)
    if options.done is not None:
        with written_whole(options.done) as temporary:
            temporary.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    # The values of environment variables are not in the help: a URI may hold a password.
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.track",
        description="Log studies to MLflow: one run per cell, nothing twice, and no run of another folder touched.",
    )
    parser.add_argument("studies", nargs="*", type=Path, metavar="STUDY_DIR", help="with runs.parquet, curves.parquet")
    parser.add_argument("--init", action="store_true", help="only make the store and the experiment")
    parser.add_argument("--uri", help=f"MLflow tracking URI (MLFLOW_TRACKING_URI, else {DEFAULT_URI})")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", help="captions.json: log each study's figures on its summary run too"
    )
    parser.add_argument("--only-summaries", action="store_true", help="with --figures: leave the cells alone")
    parser.add_argument(
        "--replace", action="store_true", help="remove the runs of an earlier folder at the same path, deleted since"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of the data, with their provenance")
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        help=f"how long to retry a store that does not answer (MINIBATCH_LAB_PATIENCE, else {PATIENCE:.0f})",
    )
    parser.add_argument("--done", type=Path, metavar="FILE", help="written at the end: JSON with counts")
    return parser


# MLflow and pandas are imported below, so that --help answers at once.


def _init(settings: Tracking) -> dict[str, Any]:
    from pipeline.track.store import open_store, with_patience

    def once() -> None:
        with open_store(settings):
            pass

    with_patience(settings, once, "nothing was logged")
    print(f"{settings.shown}: ready")
    return {"experiment": settings.experiment or settings.experiment_id}


def _log(settings: Tracking, options: argparse.Namespace) -> dict[str, Any]:
    from pipeline.track.log import log_folder

    done: dict[str, Any] = {}
    for folder in options.studies:
        beside = folder.parent / "data"
        counts = log_folder(
            folder,
            settings,
            data_dir=options.data or (beside if beside.is_dir() else Path("results/data")),  # of a single training run
            captions=options.figures,
            cells=not options.only_summaries,
            replace=options.replace,
        )
        print(f"{folder.name}: {counts}", flush=True)
        if counts.left:
            print(
                f"{folder.name}: an earlier folder at this path left {counts.left} runs in the store; if it is gone,"
                f" `python -m pipeline.track --replace {shlex.quote(str(folder))}` removes them",
                file=sys.stderr,
            )
        done[folder.name] = dataclasses.asdict(counts)
    return done


if __name__ == "__main__":
    main()
