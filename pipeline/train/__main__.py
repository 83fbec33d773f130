"""``python -m pipeline.train``: train a cell, a product of cells, or (a job of) a study.

One cell, and a product; the second trains the whole product at once::

    python -m pipeline.train optimizer=sgd batch_size=10 lr=0.05
    python -m pipeline.train -m batch_size=1,10,100 lr=0.005,0.05
    python -m pipeline.train -m hydra/launcher=stacked batch_size=1,10,100 lr=0.005,0.05 seeds=10

A study, or what the workflow launches::

    python -m pipeline.train study=textbook out=somewhere
    python -m pipeline.train study=textbook job=all out=somewhere
"""

import hydra
from omegaconf import DictConfig

from pipeline.config.compose import CONF
from pipeline.errors import exit_on_user_error
from pipeline.train.app import job_of, train_jobs


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def main(config: DictConfig) -> None:
    """Train what the configuration says."""
    with exit_on_user_error():
        train_jobs([job_of(config)])


if __name__ == "__main__":
    with exit_on_user_error():  # Hydra composes before it calls main
        main()
