"""Randomness: the seed and the purpose decide every draw, and nothing else does."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.train.order import draw_epoch, generator, minibatches


def draws(seed, purpose):
    return torch.rand(8, generator=generator(seed, purpose)).tolist()


@given(st.integers(0, 10**9), st.sampled_from(["init", "order"]))
def test_the_same_seed_and_purpose_draw_the_same(seed, purpose):
    assert draws(seed, purpose) == draws(seed, purpose)


def test_another_seed_or_another_purpose_draws_otherwise():
    all_draws = [tuple(draws(seed, purpose)) for seed in range(50) for purpose in ("init", "order")]
    assert len(set(all_draws)) == len(all_draws)


def test_the_global_generator_has_no_influence_and_is_left_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draws(0, "order")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert draws(0, "order") == first


@given(st.integers(1, 300), st.integers(0, 1000))
def test_without_replacement_an_epoch_meets_each_example_once(examples, seed):
    order = draw_epoch(examples, "without_replacement", generator(seed, "order"))
    assert sorted(order.tolist()) == list(range(examples))


def test_with_replacement_an_epoch_meets_about_63_percent_of_the_examples():
    source = generator(0, "order")
    met = [len(draw_epoch(1500, "with_replacement", source).unique()) / 1500 for _ in range(20)]
    assert sum(met) / len(met) == pytest.approx(1 - 1 / 2.718281828, abs=0.01)
    assert len(draw_epoch(1500, "with_replacement", source)) == 1500


def test_every_epoch_has_an_order_of_its_own():
    source = generator(0, "order")
    assert not torch.equal(*(draw_epoch(100, "without_replacement", source) for _ in range(2)))


def table(examples):
    """Rows that know their number, in features and target alike."""
    rows = torch.arange(examples, dtype=torch.float32).unsqueeze(1)
    return rows.repeat(1, 5), rows * 10


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_the_minibatches_of_an_epoch_hold_each_example_once_with_its_own_target(examples, batch_size, seed):
    X, y = table(examples)
    stream = minibatches(X, y, batch_size, "without_replacement", generator(seed, "order"))
    for _ in range(2):  # epochs
        batches = [next(stream) for _ in range(-(-examples // batch_size))]
        assert all(len(batch_X) <= batch_size for batch_X, _ in batches)
        met = torch.cat([batch_X for batch_X, _ in batches])
        assert sorted(met[:, 0].tolist()) == list(range(examples))
        assert torch.equal(torch.cat([batch_y for _, batch_y in batches]), met[:, :1] * 10)


def test_the_order_does_not_depend_on_the_batch_size():
    X, y = table(24)
    orders = []
    for batch_size in (1, 4, 24):
        stream = minibatches(X, y, batch_size, "without_replacement", generator(3, "order"))
        orders.append(torch.cat([next(stream)[0] for _ in range(24 // batch_size)])[:, 0].tolist())
    assert orders[0] == orders[1] == orders[2]
