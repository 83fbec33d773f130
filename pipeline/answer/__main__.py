"""``python -m pipeline.answer [KEY=VALUE ...]``: race cells until the best is certain, and say how certain it is."""

import time
from multiprocessing import forkserver

from pipeline.lab.stage import CONFIG_DIR, Options, argument, command

DESCRIPTION = """\
Race optimizers, batch sizes and learning rates until the best is certain, or as good as its rivals.

  optimizer=sgd,adam batch_size=8,32 lr=0.01,0.1 data=... model=... epochs=...   keys of a cell; commas between values
  study=NAME                race the cells of a study of conf/study instead
  budget=60s | runs=20000   stop then, whatever is decided
  scarce=seconds            or steps, examples, epochs, loss; any: all of them
  target=0.25               the loss or accuracy to reach; metric=loss, validation_loss, validation_accuracy
  margin.loss=0.001 margin.cost=0.05   shares of a loss, and of a cost, that do not matter
  alpha=0.05                share of the claims that may be wrong

Started again with the same words it goes on where it stopped. docs/answer.md explains the rest."""


@command("pipeline.answer", DESCRIPTION, argument("words", nargs="*", metavar="KEY=VALUE"), CONFIG_DIR)
def main(options: Options) -> None:
    """Race, and print the answer."""
    started = time.monotonic()
    from pipeline.answer.question import read_question  # a wrong word is refused before torch is imported

    question = read_question(options.words)
    if question.settings.cores != 1:  # workers import torch while this process does
        forkserver.set_forkserver_preload(["pipeline.answer.units"])
        forkserver.ensure_running()
    print(f"{len(question.cells):,} cells; runs are kept in {question.folder}", flush=True)
    from pipeline.answer.answer import answer
    from pipeline.answer.words import table_of

    print(table_of(answer(question, started)))


if __name__ == "__main__":
    main()
