"""``python -m pipeline.train``: train a cell, a product of cells, or (a job of) a study.

One cell, and a product; the second trains the whole product at once::

    python -m pipeline.train optimizer=sgd batch_size=10 lr=0.05
    python -m pipeline.train -m batch_size=1,10,100 lr=0.005,0.05
    python -m pipeline.train -m hydra/launcher=stacked batch_size=1,10,100 lr=0.005,0.05 seeds=10

A study, or what the workflow launches::

    python -m pipeline.train study=textbook out=somewhere
    python -m pipeline.train study=textbook job=all out=somewhere
"""

import os
import sys
from typing import TYPE_CHECKING

from pipeline.lab.errors import UserError, exit_on_user_error
from pipeline.lab.urls import refuse_secrets

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Hydra is imported below, where an interrupt is told in one sentence: it takes most of a second.


@exit_on_user_error()
def main() -> None:
    """Check the command line, then hand it to Hydra.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    refuse_secrets(sys.argv[1:])  # first of all: what follows may quote the command line
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from pipeline.lab.config.compose import first_line
    from pipeline.lab.paths import CONF
    from pipeline.train.command_line import check_command_line

    check_command_line(sys.argv[1:])
    # Hydra would print its own errors over many lines; so it is asked to raise them.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(train)()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{' '.join(sys.argv[1:])}: {first_line(error)}") from None
    except OSError as error:
        if error.filename is None:
            raise
        raise UserError(f"{error.filename} cannot be read or written: {error.strerror}") from error


def train(config: "DictConfig") -> None:
    """Train what the configuration says."""
    from pipeline.train.app import job_of, train_jobs

    with exit_on_user_error():  # here, because Hydra puts a line of its own before an exception that it lets through
        train_jobs([job_of(config)])


if __name__ == "__main__":
    main()
