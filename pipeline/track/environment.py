"""What MLflow is told before it is imported, and how it is kept quiet."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


def prepare_environment() -> None:
    """Settings that MLflow reads when it is imported or first used; what the user has set stays."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # A line on stdout for every run logged to a server says nothing new.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # A request whose answer was lost may have been obeyed: sent again blindly, it makes a second run that
    # nobody knows of. So each failure comes back to us, and what is there is looked up before the next try.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Seconds; without it, a host that drops packets is waited for as long as the kernel likes.
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@contextmanager
def quiet_database() -> Iterator[None]:
    """Silence the lines for each of the schema's migrations, and the traceback for each error that is raised too."""
    prepare_environment()
    import mlflow  # noqa: F401  (sets its loggers' levels when it is imported)

    levels = {"mlflow.store.db.utils": logging.CRITICAL, "alembic": logging.WARNING}
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
