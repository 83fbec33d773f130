"""``python -m pipeline.track STUDY_DIR...``: log studies to MLflow; ``--init``: make the store only."""

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from pipeline.lab.errors import UserError
from pipeline.lab.files import write_whole
from pipeline.lab.settings import DEFAULT_URI, PATIENCE, Tracking
from pipeline.lab.stage import Options, argument, command
from pipeline.track.pages import links


# The values of environment variables are not in the help: a URI may hold a password.
@command(
    "pipeline.track",
    "Log studies to MLflow: one run per cell, nothing twice, and no run of another folder touched.",
    argument("studies", nargs="*", type=Path, metavar="STUDY_DIR", help="with runs.parquet, curves.parquet"),
    argument("--init", action="store_true", help="only make the store and the experiment"),
    argument("--uri", help=f"MLflow tracking URI (MLFLOW_TRACKING_URI, else {DEFAULT_URI})"),
    argument(
        "--figures", type=Path, metavar="FILE", help="captions.json: log each study's figures on its summary run too"
    ),
    argument("--only-summaries", action="store_true", help="with --figures: leave the cells alone"),
    argument("--models", action="store_true", help="log the best run of each study as a model, trained again"),
    argument(
        "--replace", action="store_true", help="remove the runs of an earlier folder at the same path, deleted since"
    ),
    argument("--data", type=Path, metavar="DIR", help="the folder of the data, with their provenance"),
    argument(
        "--patience",
        metavar="SECONDS",
        help=f"how long to retry a store that does not answer (MINIBATCH_LAB_PATIENCE, else {PATIENCE:.0f})",
    ),
    argument("--page", type=Path, metavar="FILE.html", help="written at the end: links to the studies in MLflow"),
    argument("--done", type=Path, metavar="FILE", help="written at the end: JSON with counts"),
)
def main(options: Options) -> None:
    """Log studies, or make the store they will be logged to."""
    if options.init == bool(options.studies):
        options.misuse("give one STUDY_DIR or more, or --init")
    settings = Tracking.read(options.uri, options.patience)
    done = _init(settings) if options.init else _log(settings, options)
    if options.page is not None and options.studies:
        pages = {study: counts["address"] for study, counts in done.items()}
        write_whole(options.page, links(settings.browse(), pages))
    if options.done is not None:
        write_whole(options.done, json.dumps(done, indent=2) + "\n")


# MLflow and pandas are imported below, so that --help answers at once.


def _init(settings: Tracking) -> dict[str, Any]:
    from pipeline.track.store import open_store, with_patience

    def once() -> None:
        with open_store(settings):
            pass

    with_patience(settings, once, "nothing was logged")
    print(f"{settings.shown}: ready")
    return {"experiment": settings.experiment or settings.experiment_id}


def _log(settings: Tracking, options: Options) -> dict[str, Any]:
    from pipeline.track.log import log_folder

    done: dict[str, Any] = {}
    for folder in options.studies:
        beside = folder.parent / "data"
        data_dir = options.data or (beside if beside.is_dir() else Path("results/data"))  # of a single training run
        counts = log_folder(
            folder,
            settings,
            data_dir=data_dir,
            captions=options.figures,
            cells=not options.only_summaries,
            replace=options.replace,
        )
        print(f"{folder.name}: {counts}\n  browse: {counts.address}", flush=True)
        if options.models:
            _log_model(folder, settings, data_dir)
        if counts.left:
            print(
                f"{folder.name}: an earlier folder at this path left {counts.left} runs in the store; if it is gone,"
                f" `python -m pipeline.track --replace {shlex.quote(str(folder))}` removes them",
                file=sys.stderr,
            )
        done[folder.name] = dataclasses.asdict(counts)
    return done


def _log_model(folder: Path, settings: Tracking, data_dir: Path) -> None:
    """Log a study's model, or say why there is none: its runs are logged all the same."""
    from pipeline.track.model import log_model

    try:
        uri = log_model(folder, settings, data_dir)
        print(f"{folder.name}: mlflow.pytorch.load_model({uri!r})" if uri else f"{folder.name}: no run ended well")
    except UserError as error:
        print(f"{folder.name}: no model is logged: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
