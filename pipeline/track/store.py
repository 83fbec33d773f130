"""The MLflow store: made before anyone writes to it, and opened."""

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from pipeline.track import sqlite
from pipeline.track.environment import prepare_environment, quiet_database
from pipeline.track.retry import is_passing, store_errors
from pipeline.track.uri import absolute_uri, is_database, sqlite_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "minibatch-lab"
#: MLflow shows this tag as the experiment's description.
_NOTE_TAG = "mlflow.note.content"
_FILTER = 'tags.study = "sweep" and params.optimizer = "adam" and params.batch_size = "32"'
#: What MLflow's page of the experiment says above the runs.
_NOTE = """One run per cell; its seeds are inside it. \
[Which learning rate is best for adam at batch size 32?](#/experiments/{experiment_id}/runs?{view}) \
The first run of that view is the answer: its search is `{search}`, sorted by `final_loss`, ascending. \
Edit the search to ask about another optimizer or batch size.

Tick two runs and *Compare* them. The runs with `tags.kind = "summary"` hold the studies' figures.
"""

#: Seconds between attempts to open a store that somebody else may just be making.
_WAITS = (0.2, 0.8, 2.0)


def ensure_store(uri: str, experiment: str = EXPERIMENT) -> str:
    """Make the store and the experiment, unless they are there.

    Safe when many processes do it at once. A new SQLite store is built under a file lock, beside its
    place, and renamed: whoever finds the file finds all of it. On a server the experiment is created,
    and read again if somebody else was faster.

    Parameters
    ----------
    uri : str
        MLflow tracking URI. A relative SQLite path is relative to the current directory.
    experiment : str
        The experiment's name; a deleted one is restored.

    Returns
    -------
    str
        The experiment's id.

    Raises
    ------
    UserError
        If the store cannot be reached, made or upgraded.
    """
    with store_errors(absolute_uri(uri)):
        return open_store(uri, experiment)[1]


def open_store(uri: str, experiment: str = EXPERIMENT) -> "tuple[MlflowClient, str]":
    """Make the store if need be, and open it; errors are the store's own.

    Parameters
    ----------
    uri, experiment : str
        As in :func:`ensure_store`.

    Returns
    -------
    tuple of MlflowClient and str
        The client, and the experiment's id.
    """
    uri = absolute_uri(uri)
    path = sqlite_path(uri)
    if path is not None:
        sqlite.make(uri, lambda client: _experiment_id(client, experiment, path))
    client = connect(uri)
    return client, _experiment_id(client, experiment, path)


def connect(uri: str) -> "MlflowClient":
    """Open a store.

    An SQLite store that an older MLflow made is upgraded; a server's database never is, because that
    is its keeper's decision.

    Parameters
    ----------
    uri : str
        MLflow tracking URI.

    Returns
    -------
    MlflowClient
        Bound to this URI, whatever the environment says.
    """
    uri = absolute_uri(uri)
    path = sqlite_path(uri)
    if path is None and not is_database(uri):
        return sqlite.client_of(uri)
    if path is None:
        _knock(uri)
    for wait in (*_WAITS, None):
        try:
            with quiet_database():
                return sqlite.client_of(sqlite.uri_of_file(uri) if path is not None else uri)
        except Exception as error:  # whatever a half-made schema provokes in MLflow, Alembic or SQLAlchemy
            if is_passing(error, uri) or (wait is None and (path is None or "out-of-date" not in str(error))):
                raise
            if wait is None:
                break
            time.sleep(wait)  # another process, or `mlflow ui` on an empty folder, may be making it right now
    sqlite.upgrade(uri)
    return sqlite.client_of(sqlite.uri_of_file(uri))


def _knock(uri: str) -> None:
    """Learn at once what MLflow, which tries ten times by itself, would take a hundred seconds to tell."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(uri, poolclass=NullPool)
    except ValueError as error:  # a port that is no number
        raise ArgumentError(f"not a URI that can be read: {error}") from None
    engine.connect().close()


def _experiment_id(client: "MlflowClient", name: str, path: Path | None) -> str:
    """Read or create the experiment; whoever comes second reads the first one's."""
    prepare_environment()
    from mlflow.exceptions import MlflowException

    # Figures go there; MLflow's own default depends on the current directory.
    location = None if path is None else (path.parent / "mlruns" / name).as_uri()
    for wait in (*_WAITS, None):
        found = client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            if _NOTE_TAG not in found.tags:
                client.set_experiment_tag(found.experiment_id, _NOTE_TAG, note(found.experiment_id))
            return str(found.experiment_id)
        try:
            client.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            if wait is None or getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
            time.sleep(wait)
    raise AssertionError("not reached")


def note(experiment_id: str) -> str:
    """Say how to browse the experiment, with a link to a view that answers a question.

    Parameters
    ----------
    experiment_id : str
        MLflow's.

    Returns
    -------
    str
        Markdown.
    """
    view = {"workflowType": "machine_learning", "searchFilter": _FILTER}
    view |= {"orderByKey": "metrics.`final_loss`", "orderByAsc": "true"}
    return _NOTE.format(experiment_id=experiment_id, view=urlencode(view, quote_via=quote), search=_FILTER)
