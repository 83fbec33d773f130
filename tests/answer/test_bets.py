"""The wealth of a bettor: what it is, and that it cannot be earned where there is nothing to win."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.answer.bets import SHARES, STAKES, log_wealth, seeds_to_decide


@given(wins=st.integers(0, 60), losses=st.integers(0, 60))
def test_the_wealth_is_that_of_bettors_who_never_change_their_mind(wins, losses):
    """Each stakes the same share of what they have, seed by seed."""
    purses = STAKES.tolist()
    for place, share in enumerate(SHARES):
        for won in [True] * wins + [False] * losses:
            purses[place] += (2 * share - 1) * (1 if won else -1) * purses[place]
    assert float(np.exp(log_wealth(wins, losses))) == pytest.approx(sum(purses), rel=1e-8)


@pytest.mark.parametrize("seeds", [1, 5, 12])
def test_a_fair_coin_earns_nothing_on_average(seeds):
    mean = sum(comb(seeds, won) / 2**seeds * np.exp(log_wealth(won, seeds - won)) for won in range(seeds + 1))
    assert mean == pytest.approx(1)


def test_no_order_of_looks_makes_a_fair_coin_rich_more_often_than_allowed():
    rich = 0
    for flips in product((0, 1), repeat=12):
        won = np.cumsum(flips)
        rich += bool((log_wealth(won, np.arange(1, 13) - won) >= np.log(20)).any())
    assert rich / 2**12 <= 1 / 20


def test_what_wins_more_than_half_is_decided_in_the_end_and_what_does_not_never():
    assert log_wealth(600, 400) > np.log(20)
    assert log_wealth(500, 500) < 0


@given(wins=st.integers(1, 200), losses=st.integers(0, 200))
def test_the_seeds_still_needed_are_enough(wins, losses):
    more = seeds_to_decide(wins, losses, np.log(40))
    if wins <= losses:
        assert more == np.inf
    elif np.isfinite(more):
        factor = 1 + more / (wins + losses)
        assert log_wealth(factor * wins, factor * losses) >= np.log(40) - 1e-9
