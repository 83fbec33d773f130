"""``python -m benchmarks.fresh_seeds KEY=VALUE ...``: hold a race's decisions against seeds that it never saw.

The words are those of ``python -m pipeline.answer``, whose answer is made or read back first. Then the five best cells
of each decided question, the leader and the lowest medians of some seeds that the race did not see, are trained with a
thousand others. A decision agrees with them where its leader wins on more seeds than it loses on against each of these
cells that it says to be behind, and where the median difference to each that it calls equivalent is within the margin.
Status 1 where more decisions disagree than the level allows.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.answer.answer import Answer, answer
from pipeline.answer.contest import Measure, distance
from pipeline.answer.question import read_question
from pipeline.answer.race import Claim
from pipeline.answer.training import Training
from pipeline.answer.units import Work, workers
from pipeline.lab.machine import usable_cores

Array = NDArray[np.float64]

#: Where seeds begin that no race has come to.
FIRST = 10_000_000
#: Seeds that choose the five best, and those that judge.
CHOOSE, JUDGE, BEST = 20, 1000, 5


def values_of(found: Answer, work: Work, cells: Sequence[int], seeds: range) -> dict[str, Array]:
    """Train some cells of an answer to the end, and weigh their steps by the times that its race measured."""
    settings, folder = found.question.settings, found.question.folder
    training = Training(found.cells, folder / "fresh", Path(settings.data_dir), work, found.metric, found.target)
    for path in sorted((folder / "seconds").glob("*.json")):
        for samples in json.loads(path.read_text()).values():
            training.times.add(samples)
    some = np.array(cells)
    values = training(some, seeds, np.ones(len(some), dtype=bool))
    return {name: own * training.weigh(name, some)[:, None] for name, own in values.items()}


def agrees(measure: Measure, claim: Claim, cells: Sequence[int], values: Array) -> bool:
    """Whether a claim holds for cells whose values are given, the leader's first.

    Parameters
    ----------
    measure : Measure
        What is compared.
    claim : Claim
        The claim.
    cells : sequence of int
        The leader and the cells that it is held against.
    values : ndarray, shape (cells, seeds)
        Of fresh seeds.
    """
    apart = distance(measure, values, values[0])
    for place, cell in enumerate(cells[1:], start=1):
        if cell in claim.rivals:
            if abs(float(np.median(apart[place]))) > measure.margin:
                return False
        elif (apart[place] > 0).sum() <= (apart[place] < 0).sum():
            return False
    return True


def main(words: Sequence[str]) -> int:
    """Print each decision that disagrees, and how many there are."""
    found = answer(read_question(words), time.monotonic())
    measures = {one.name: one for one in found.question.measures}
    decided = [one for one in found.claims if one.outcome != "undecided"]
    fields = np.array(found.fields)
    with workers(found.question.settings.cores or usable_cores()) as work:
        every = range(len(found.cells))
        first = {
            name: np.median(own, axis=1)
            for name, own in values_of(found, work, every, range(FIRST, FIRST + CHOOSE)).items()
        }
        best = []
        for claim in decided:
            others = [i for i in every if i != claim.leader and claim.field in ("", fields[i])]
            best.append([claim.leader, *sorted(others, key=lambda i, own=first[claim.measure]: own[i])[: BEST - 1]])  # type: ignore[misc]
        union = sorted({i for own in best for i in own})
        judged = values_of(found, work, union, range(FIRST + CHOOSE, FIRST + CHOOSE + JUDGE)) if union else {}
    wrong = 0
    for claim, own in zip(decided, best, strict=True):
        values = judged[claim.measure][[union.index(i) for i in own]]
        if not agrees(measures[claim.measure], claim, own, values):
            wrong += 1
            print(f"{claim.measure} of {claim.field or 'all'}: {JUDGE} fresh seeds disagree with {claim.outcome}")
    print(f"{JUDGE} fresh seeds of the five best agree with {len(decided) - wrong} of {len(decided)} decisions")
    return int(wrong > found.question.settings.alpha * max(len(decided), 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
