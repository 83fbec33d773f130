"""``python -m pipeline.answer [KEY=VALUE ...]``: which optimizer, batch size and learning rate, and how sure is it."""

import sys
import time
from collections.abc import Sequence

from pipeline.lab.errors import exit_on_user_error

USAGE = """\
python -m pipeline.answer [KEY=VALUE ...]

Race optimizers, batch sizes and learning rates until the best is certain, or as good as its rivals.
  optimizer=sgd,adam batch_size=8,32 lr=0.01,0.1 data=... model=... epochs=...   keys of a cell; commas between values
  study=NAME                race the cells of a study of conf/study instead
  budget=60s | runs=20000   stop then, whatever is decided
  scarce=seconds            or steps, examples, epochs, loss; any: all of them
  target=0.25               the loss to reach; metric=loss or validation_loss
  margin.loss=0.001 margin.cost=0.05   shares of a loss, and of a cost, that do not matter
  alpha=0.05                share of the claims that may be wrong
Started again with the same words it goes on where it stopped.
"""


@exit_on_user_error()
def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, race, print the answer.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line; that of the process by default.

    Raises
    ------
    SystemExit
        With status 2 after a mistake of the user's.
    """
    started = time.monotonic()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word in ("-h", "--help") for word in words):
        print(USAGE, end="")
        return
    # Here, so that --help answers at once, and a wrong word before torch is imported.
    from pipeline.answer.question import read_question

    question = read_question(words)
    print(f"{len(question.cells):,} cells; runs are kept in {question.folder}", flush=True)
    from pipeline.answer.answer import answer
    from pipeline.answer.words import table_of

    print(table_of(answer(question, started)))


if __name__ == "__main__":
    main()
