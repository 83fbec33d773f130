"""Decisions are held against seeds that the race never saw."""

import numpy as np
import pytest

from benchmarks.fresh_seeds import agrees
from pipeline.answer.contest import Measure
from pipeline.answer.race import Claim

LOSS = Measure("loss", 0.01)


def claim(outcome, rivals=()):
    return Claim("loss", "", outcome, 0, rivals, 100.0, 50)


@pytest.mark.parametrize(
    ("levels", "rivals", "agree"),
    [
        ((1.0, 1.2, 1.3), (), True),
        ((1.0, 0.9, 1.3), (), False),  # another one is better
        ((1.0, 1.005, 1.3), (1,), True),
        ((1.0, 1.02, 1.3), (1,), False),  # beyond the margin
        ((1.0, 1.0, 1.3), (), False),  # as good, and said to be behind
    ],
)
def test_a_decision_agrees_where_fresh_seeds_bear_it_out(levels, rivals, agree):
    values = np.array(levels)[:, None] * np.exp(np.random.default_rng(0).normal(0, 1e-4, 101))
    outcome = "equivalent" if rivals else "separated"
    if levels[0] == levels[1]:
        values[1] = values[0]
    assert agrees(LOSS, claim(outcome, rivals), [0, 1, 2], values) == agree
