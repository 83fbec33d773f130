"""What is done when the store does not answer: it is tried again for a while, then told in one sentence."""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import tenacity

from pipeline.lab.errors import UserError
from pipeline.lab.urls import masked
from pipeline.track.environment import prepare_environment
from pipeline.track.uri import PATIENCE, sqlite_path

logger = logging.getLogger(__name__)

#: Seconds between two tries: from the first to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 15.0
#: What PostgreSQL says when another try would be told the same.
_FINAL = re.compile(
    r"authentication failed|role \".*\" does not exist|database \".*\" does not exist|no pg_hba.conf entry"
)

T = TypeVar("T")


def with_patience(uri: str, work: Callable[[], T], patience: float = PATIENCE) -> T:
    """Do something to a store, again while it does not answer.

    Parameters
    ----------
    uri : str
        MLflow tracking URI.
    work : callable
        Called from the start at each try: it must look up what an earlier try has done.
    patience : float
        Seconds after which no other try is started.

    Returns
    -------
    object
        What ``work`` returns.

    Raises
    ------
    UserError
        If the store refuses, or has not answered in all these seconds.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        """Say why, and when the next try is."""
        assert state.outcome is not None and state.next_action is not None
        reason = _first_line(state.outcome.exception(), uri)
        logger.warning(
            "MLflow store %s does not answer (%s): next try in %.1f s", masked(uri), reason, state.next_action.sleep
        )

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: is_passing(error, uri)),
        wait=tenacity.wait_exponential(_FIRST_WAIT, _LONGEST_WAIT) + tenacity.wait_random(0, _FIRST_WAIT),
        stop=tenacity.stop_before_delay(patience),
        before_sleep=tell,
    )
    with store_errors(uri):
        try:
            return retrying(work)
        except tenacity.RetryError as error:
            attempt = error.last_attempt
            tries = f"{attempt.attempt_number} {'tries' if attempt.attempt_number > 1 else 'try'}"
            raise UserError(
                f"MLflow store {masked(uri)} does not answer, in {tries} over {patience:.0f} s "
                f"({_first_line(attempt.exception(), uri)}); the tables are whole, and"
                " `snakemake --cores 1 track` logs them once it is back"
            ) from None


def is_passing(error: BaseException, uri: str) -> bool:
    """Tell whether an error may be gone at the next try: the store is down, restarting or busy.

    Parameters
    ----------
    error : BaseException
        What was raised.
    uri : str
        MLflow tracking URI.
    """
    prepare_environment()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    database = error if isinstance(error, DBAPIError) else error.__cause__
    if sqlite_path(uri) is not None:
        return isinstance(database, OperationalError) and "locked" in str(database)
    if _FINAL.search(str(error)):
        return False
    if isinstance(database, DBAPIError):
        return isinstance(database, OperationalError | InterfaceError) or database.connection_invalidated
    if not isinstance(error, MlflowException):
        return False
    # What HTTP calls the server's own fault, which no answer at all counts as, or too many requests.
    status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]
    return status >= 500 or status == 429


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Tell the store's errors in one sentence, without a password.

    Raises
    ------
    UserError
        In place of an error of MLflow, its database or a missing driver.
    """
    mlflow_exception, database_error = _error_types()
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f": pip install {error.name}-binary" if error.name == "psycopg2" else ""
        raise UserError(f"MLflow store {masked(uri)}: its driver {error.name} is not installed{hint}") from None
    except (mlflow_exception, database_error, sqlite3.Error, ImportError, OSError) as error:
        raise UserError(f"MLflow store {masked(uri)}: {_first_line(error, uri)}") from None


def _first_line(error: BaseException | None, uri: str) -> str:
    return masked((str(error).splitlines() or [type(error).__name__])[0], uri)


def _error_types() -> tuple[type[Exception], type[Exception]]:
    prepare_environment()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError
