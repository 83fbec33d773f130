"""``python -m pipeline.train``: train a cell, a product of cells, or (a job of) a study.

One cell, and a product; the second trains the whole product at once::

    python -m pipeline.train optimizer=sgd batch_size=10 lr=0.05
    python -m pipeline.train -m batch_size=1,10,100 lr=0.005,0.05
    python -m pipeline.train -m hydra/launcher=stacked batch_size=1,10,100 lr=0.005,0.05 seeds=10

A study, one job of a study as the workflow launches it, and a saved set of overrides::

    python -m pipeline.train study=textbook out=somewhere
    python -m pipeline.train study=sweep job=adam out=somewhere
    python -m pipeline.train +experiment=full_batch

Exit status: 0, all runs were trained (one that diverged was trained); 1, a run failed, after every table was written;
2, the command was refused before anything was written. With ``job=...`` the status is 1 only where all runs failed:
the workflow collects the tables of the others and lists the failed cells.
"""

import gc
import sys

from pipeline.lab.errors import exit_on_user_error
from pipeline.lab.urls import refuse_secrets

# Hydra is imported in main, where Ctrl-C ends in one sentence: the import takes most of a second.


@exit_on_user_error()
def main() -> None:
    """Let Hydra read the command line, check it, and train.

    Raises
    ------
    SystemExit
        With the status that is described above.
    """
    given = sys.argv[1:]
    refuse_secrets(given)  # before anything quotes the command line
    gc.set_threshold(500_000)  # what is imported stays: looking for garbage in it takes a quarter of the command's time
    import hydra

    from pipeline.lab.paths import CONF
    from pipeline.train.app import train
    from pipeline.train.command_line import read_options
    from pipeline.train.failures import failures_reported
    from pipeline.train.sentences import hydra_errors_in_one_sentence
    from pipeline.train.terminal import announced, close

    announced.clear()
    sys.argv[1:] = read_options(given)
    with failures_reported(), hydra_errors_in_one_sentence():
        # Before Hydra makes a folder it calls pipeline.train.command_line.CheckFirst, named in conf/config.yaml.
        hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(train)()
        close(given)


if __name__ == "__main__":
    main()
